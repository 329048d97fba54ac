#pragma once
/* An HTTP server of plain sockets on the test's own loop: what it does is in the path. */
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define POUR_SIZE (512 * 1024) /* of the body of /pour and /pour-said */
#define PEERS_MAX 128

typedef struct HttpPeer HttpPeer;

typedef struct HttpServer {
        sd_event *event;
        sd_event_source *accept;
        uint16_t port;
        HttpPeer *peers[PEERS_MAX];
        unsigned n_peers, n_closed, n_requests;
        /* The body of any other path, with its query; the server frees it. NULL: the test fails. */
        char *(*serve)(const char *path, void *userdata);
        void *userdata;
} HttpServer;

/* Also while it listens elsewhere. The loop is borrowed. */
void http_server_listen(HttpServer *s, const struct sockaddr *address, socklen_t size);
void http_server_done(HttpServer *s);
