#pragma once
/* Websockets on an sd_event: clients of relays and the local relay's server. Text messages only,
 * whole, with maxima on both directions. libwebsockets stays behind this header. */
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct WsLoop WsLoop;
typedef struct Ws Ws;
typedef struct WsServer WsServer;

/* Contexts of libwebsockets are made at first use. ca_file: trusted authorities; NULL or "" = the
 * system's, read from its hashed directory only when one is needed. */
int ws_loop_new(sd_event *e, const char *ca_file, WsLoop **ret);
/* A proxy that knows HTTP's CONNECT, for targets that say so: "127.0.0.1:9080", "[::1]:9080".
 * Before the first connection. */
int ws_loop_set_proxy(WsLoop *l, const char *proxy);
WsLoop *ws_loop_free(WsLoop *l); /* after all its connections and servers */
DEFINE_CLEANUP(WsLoop, ws_loop_free)

typedef struct WsHandler {
        void (*open)(Ws *ws, void *userdata);
        /* Whole and valid UTF-8; a NUL follows it that does not count. */
        void (*message)(Ws *ws, const char *text, size_t size, void *userdata);
        /* A message was skipped: -EMSGSIZE larger than the limit, -EPROTO not text, -EILSEQ not
         * UTF-8. The connection lives on, so that one bad message costs a relay nothing else. */
        void (*dropped)(Ws *ws, int error, void *userdata);
        /* Everything that was queued has been handed to the kernel. */
        void (*drained)(Ws *ws, void *userdata);
        /* The last call, exactly once, unless ws_free() came first. Freeing in it is fine. */
        void (*closed)(Ws *ws, int error, const char *reason, void *userdata);
} WsHandler;

typedef struct WsLimits {
        size_t message_max; /* bytes of one incoming message */
        size_t queue_max;   /* bytes waiting to be sent */
} WsLimits;

typedef struct WsTarget {
        bool secure;
        bool proxied;
        const char *address; /* numeric; the name, where it is proxied */
        const char *host;    /* the name: Host, SNI and the certificate's check */
        uint16_t port;
        const char *path;
        const char *authorization; /* the header's value, a secret; NULL: none */
        const char *pin;           /* "sha256//…", as http_pin() has it; NULL or "": any */
} WsTarget;

/* A negative return means that it never started: no callback comes. */
int ws_connect(WsLoop *l, const WsTarget *t, const WsLimits *limits, const WsHandler *h,
                void *userdata, Ws **ret);
Ws *ws_free(Ws *ws); /* closes; no callback comes any more */
DEFINE_CLEANUP(Ws, ws_free)

/* Copies. -ENOTCONN; -ENOBUFS: the queue is full, wait for drained(). */
int ws_send(Ws *ws, const char *text, size_t size);
size_t ws_queued(const Ws *ws);    /* bytes */
void ws_pause(Ws *ws, bool pause); /* stop reading; the kernel makes the peer wait */
/* Sends what is queued, then closes; closed() comes. */
void ws_close(Ws *ws, uint16_t code, const char *reason);

/* The document at the same address, asked for by plain HTTP (NIP-11), whole. Exactly once, never
 * before ws_get() has returned, never after ws_get_free(), which is fine in it. */
typedef struct WsGet WsGet;
typedef void (*ws_got_t)(WsGet *g, int error, const char *reason, const char *text, size_t size,
                void *userdata);
int ws_get(WsLoop *l, const WsTarget *t, size_t size_max, ws_got_t done, void *userdata,
                WsGet **ret);
/* In done: the Date that the server gave, "" where it gave none. */
const char *ws_get_date(const WsGet *g);
WsGet *ws_get_free(WsGet *g); /* cancels */
DEFINE_CLEANUP(WsGet, ws_get_free)

typedef struct WsRequest {
        const char *origin; /* NULL: none was sent, so it is no browser */
        const char *peer;   /* numeric address and port, or "" */
} WsRequest;

typedef struct WsServerHandler {
        /* May this request be served at all? Asked before anything else; false answers 403. */
        bool (*allow)(WsServer *s, const WsRequest *request, void *userdata);
        /* A client is there: sets its handler. A negative return closes. */
        int (*accept)(WsServer *s, Ws *ws, const WsRequest *request, void *userdata);
        /* NIP-11: the document for GET with Accept: application/nostr+json. The server frees it.
         * NULL: there is none, and the answer is 404. */
        char *(*information)(WsServer *s, void *userdata);
} WsServerHandler;

/* Takes the listening socket. Only loopback addresses: -EPERM. */
int ws_server_new(WsLoop *l, int fd, const WsLimits *limits, unsigned max_connections,
                const WsServerHandler *h, void *userdata, WsServer **ret);
/* Binds first. "127.0.0.1:7447" or "[::1]:0". -EINVAL: no such form; -EADDRINUSE. */
int ws_listen(const char *address, int *ret_fd);
WsServer *ws_server_free(WsServer *s); /* connections that were accepted stay their owners' */
DEFINE_CLEANUP(WsServer, ws_server_free)
uint16_t ws_server_port(const WsServer *s);
void ws_set_handler(Ws *ws, const WsHandler *h, void *userdata);
