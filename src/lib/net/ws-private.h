#pragma once
/* What the files of the websocket code share; the one place that includes libwebsockets. */
#include <libwebsockets.h>

#include "basic/buffer.h"
#include "net/ws.h"

typedef struct WsMessage {
        struct WsMessage *next;
        size_t size;
        uint8_t data[]; /* LWS_PRE bytes for the frame's head, then the text */
} WsMessage;

typedef enum WsState {
        WS_CONNECTING, /* a client until it is open; a server's connection before the upgrade */
        WS_OPEN,
        WS_CLOSING, /* sends what is queued, then the close frame */
        WS_CLOSED,
} WsState;

/* What libwebsockets keeps for a connection begins with this: it may call the callback of another
 * protocol than the connection's at the end, so there is one for all. */
typedef enum WsKind { WS_KIND_SOCKET, WS_KIND_GET } WsKind;

struct Ws {
        WsKind kind;
        unsigned n_ref; /* the owner's and libwebsockets' */
        bool owned;     /* the owner has not let go */
        WsState state;
        WsLoop *loop;
        WsServer *server; /* NULL: a client */
        struct lws *wsi;
        Ws *next, *prev; /* in the loop */

        const WsHandler *handler;
        void *userdata;
        WsLimits limits;

        Buffer in;
        int dropping; /* the rest of this message is skipped, and why */
        WsMessage *first, *last;
        size_t queued;
        bool writing; /* a writeable callback has been asked for */

        sd_event_source *deadline;        /* of connecting */
        bool paused, heard, pinged, ping; /* ping: to be sent */
        uint16_t close_code;
        int error; /* why it ended, as far as known */
        char reason[128];
        char *authorization, *pin; /* until the request has been sent */
        char *document;            /* the answer to a plain HTTP request, not yet sent */
};

struct WsServer {
        WsLoop *loop;
        int fd;
        sd_event_source *io;
        WsLimits limits;
        unsigned n_connections, max_connections;
        const WsServerHandler *handler;
        void *userdata;
};

sd_event *ws_loop_event(WsLoop *l);
int ws_loop_context(WsLoop *l, bool secure, bool proxied, struct lws_context **ret);
/* To be called after every call of libwebsockets from outside its callbacks that starts a timer. */
void ws_loop_kick(WsLoop *l, struct lws *wsi);
void ws_loop_kick_context(WsLoop *l, struct lws_context *c);
void ws_loop_link(WsLoop *l, Ws *ws);
void ws_loop_unlink(WsLoop *l, Ws *ws);
Ws *ws_loop_first(WsLoop *l);
/* Timers of libwebsockets are honoured for a while after this. */
void ws_loop_touch(WsLoop *l);

Ws *ws_new(WsLoop *l, const WsLimits *limits);
Ws *ws_ref(Ws *ws);
Ws *ws_unref(Ws *ws);
void ws_ended(Ws *ws, int error, const char *reason); /* keeps the first reason */
void ws_kill(Ws *ws);                                 /* at the loop's next turn */
void ws_opened(Ws *ws);
void ws_want_write(Ws *ws);

int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t size);
int ws_get_callback(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t size);
int ws_write_host(const WsTarget *t, char *ret, size_t size); /* of the Host header */
/* The connection stands, encrypted where it is to be; the request is being written. */
int ws_client_request(Ws *ws, void *in, size_t size);
/* The part of it that only servers see. 0, or -1 to close. */
int ws_server_callback(Ws *ws, enum lws_callback_reasons reason, const char *uri);
