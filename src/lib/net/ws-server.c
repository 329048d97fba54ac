/* The local relay's server: accepts on loopback, asks before the upgrade who may come in, answers
 * NIP-11, and hands open connections on. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "basic/text.h"
#include "net/ws-private.h"

#define ACCEPTS_MAX 16 /* per turn */
#define BACKLOG     128
#define HEADERS_MAX 1024

typedef union Address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
} Address;

static bool address_is_loopback(const Address *a) {
        if (a->any.sa_family == AF_INET)
                return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
        return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static int address_parse(const char *text, Address *ret, socklen_t *ret_size) {
        char host[INET6_ADDRSTRLEN + 3];
        const char *colon = strrchr(text, ':');
        size_t n = colon ? (size_t) (colon - text) : 0;
        uint64_t port;

        if (!colon || n == 0 || n >= sizeof(host) || parse_u64(colon + 1, &port) < 0 ||
                        port > UINT16_MAX)
                return -EINVAL;

        *ret = (Address){};
        memcpy(host, text, n);
        host[n] = '\0';
        if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
                ret->v4.sin_family = AF_INET;
                ret->v4.sin_port = htons(port);
                *ret_size = sizeof(ret->v4);
                return 0;
        }
        if (host[0] != '[' || host[n - 1] != ']')
                return -EINVAL;

        host[n - 1] = '\0';
        if (inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) != 1)
                return -EINVAL;
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons(port);
        *ret_size = sizeof(ret->v6);
        return 0;
}

int ws_listen(const char *address, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        Address a = { 0 };
        socklen_t size;
        int r;

        r = address_parse(address, &a, &size);
        if (r < 0)
                return r;
        if (!address_is_loopback(&a))
                return -EPERM;

        fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* A restart must not wait for the old connections' TIME_WAIT. */
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        if (bind(fd, &a.any, size) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

static void peer_name(int fd, char *ret, size_t size) {
        char host[INET6_ADDRSTRLEN];
        Address a = { 0 };
        socklen_t n = sizeof(a);

        ret[0] = '\0';
        if (getpeername(fd, &a.any, &n) < 0)
                return;
        if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host)))
                snprintf(ret, size, "%s:%u", host, ntohs(a.v4.sin_port));
        else if (a.any.sa_family == AF_INET6 &&
                        inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host)))
                snprintf(ret, size, "[%s]:%u", host, ntohs(a.v6.sin6_port));
}

static bool header_read(struct lws *wsi, enum lws_token_indexes token, char *ret, size_t size) {
        ret[0] = '\0';
        return lws_hdr_total_length(wsi, token) > 0 && lws_hdr_copy(wsi, ret, size, token) > 0;
}

/* An Origin that is too long for the buffer is no origin of ours either. */
static void request_read(Ws *ws, char origin[static 256], char peer[static 64], WsRequest *ret) {
        bool has = lws_hdr_total_length(ws->wsi, WSI_TOKEN_ORIGIN) > 0;

        if (!header_read(ws->wsi, WSI_TOKEN_ORIGIN, origin, 256) && has)
                memcpy(origin, "null", sizeof("null"));
        peer_name(lws_get_socket_fd(ws->wsi), peer, 64);
        *ret = (WsRequest){ .origin = has ? origin : NULL, .peer = peer };
}

static bool request_allowed(Ws *ws) {
        char origin[256], peer[64];
        WsRequest request;

        request_read(ws, origin, peer, &request);
        return ws->server->handler->allow(ws->server, &request, ws->server->userdata);
}

/* Debian 12's libwebsockets reads freed memory where an upgrade other than to websocket is let
 * through here (CVE-2025-11677): everything else is hung up on. */
static int on_upgrade(Ws *ws) {
        char upgrade[32];

        if (!header_read(ws->wsi, WSI_TOKEN_UPGRADE, upgrade, sizeof(upgrade)) ||
                        strcasecmp(upgrade, "websocket") != 0)
                return -1;
        if (request_allowed(ws))
                return 0;

        (void) lws_return_http_status(ws->wsi, HTTP_STATUS_FORBIDDEN, NULL);
        return -1;
}

static int on_established(Ws *ws) {
        char origin[256], peer[64];
        WsRequest request;
        int r;

        request_read(ws, origin, peer, &request);
        ws->state = WS_OPEN;
        r = ws->server->handler->accept(ws->server, ws, &request, ws->server->userdata);
        if (r < 0 || !ws->handler)
                return -1;

        ws_opened(ws);
        return 0;
}

static int http_header(
                struct lws *wsi, const char *name, const char *value, uint8_t **p, uint8_t *end) {
        return lws_add_http_header_by_name(wsi, (const uint8_t *) name, (const uint8_t *) value,
                        (int) strlen(value), p, end);
}

static int http_answer(Ws *ws, char *document) {
        uint8_t buffer[LWS_PRE + HEADERS_MAX];
        uint8_t *start = buffer + LWS_PRE, *p = start, *end = buffer + sizeof(buffer) - 1;
        struct lws *wsi = ws->wsi;

        ws->document = document;
        if (lws_add_http_common_headers(wsi, HTTP_STATUS_OK, "application/nostr+json",
                            strlen(document), &p, end) ||
                        http_header(wsi, "access-control-allow-origin:", "*", &p, end) ||
                        http_header(wsi, "access-control-allow-headers:", "*", &p, end) ||
                        http_header(wsi, "access-control-allow-methods:", "GET", &p, end) ||
                        lws_finalize_write_http_header(wsi, start, &p, end))
                return -1;

        lws_callback_on_writable(wsi);
        return 0;
}

static int on_http(Ws *ws) {
        char accept[256];
        char *document;

        if (!request_allowed(ws)) {
                (void) lws_return_http_status(ws->wsi, HTTP_STATUS_FORBIDDEN, NULL);
                return -1;
        }
        if (!ws->server->handler->information ||
                        !header_read(ws->wsi, WSI_TOKEN_HTTP_ACCEPT, accept, sizeof(accept)) ||
                        !strstr(accept, "application/nostr+json") ||
                        lws_hdr_total_length(ws->wsi, WSI_TOKEN_GET_URI) <= 0) {
                (void) lws_return_http_status(ws->wsi, HTTP_STATUS_NOT_FOUND, NULL);
                return -1;
        }

        document = ws->server->handler->information(ws->server, ws->server->userdata);
        return document ? http_answer(ws, document) : -1;
}

static int on_http_writeable(Ws *ws) {
        _cleanup_free_ uint8_t *body = NULL;
        size_t size;

        if (!ws->document)
                return 0;

        size = strlen(ws->document);
        body = malloc(LWS_PRE + size);
        if (!body)
                return -1;
        memcpy(body + LWS_PRE, ws->document, size);
        ws->document = mfree(ws->document);
        (void) lws_write(ws->wsi, body + LWS_PRE, size, LWS_WRITE_HTTP_FINAL);
        return -1; /* one request a connection */
}

int ws_server_callback(Ws *ws, enum lws_callback_reasons reason, _unused_ const char *uri) {
        switch ((int) reason) {
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
                return on_upgrade(ws);
        case LWS_CALLBACK_ESTABLISHED:
                return on_established(ws);
        case LWS_CALLBACK_HTTP:
                return on_http(ws);
        case LWS_CALLBACK_HTTP_WRITEABLE:
                return on_http_writeable(ws);
        default:
                return 0;
        }
}

static int ws_server_adopt(WsServer *s, int fd) {
        struct lws_context *context;
        Ws *ws;
        int r;

        r = ws_loop_context(s->loop, false, false, &context);
        if (r < 0)
                return close(fd), r;

        ws = ws_new(s->loop, &s->limits);
        if (!ws)
                return close(fd), -ENOMEM;

        /* Two small messages in a row would else wait 40 ms for the peer's delayed ACK of the
         * first. libwebsockets does this for connections it makes, not for those it adopts. */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));

        /* Takes the descriptor, also where it fails. */
        ws->wsi = lws_adopt_socket_vhost(lws_get_vhost_by_name(context, "default"), fd);
        if (!ws->wsi)
                return ws_unref(ws), -EIO;

        ws->server = s;
        s->n_connections++;
        lws_set_opaque_user_data(ws->wsi, ws_ref(ws));
        ws_loop_link(s->loop, ws);
        ws_loop_kick_context(s->loop, context);
        return 0;
}

static int on_accept(_unused_ sd_event_source *source, int listening, _unused_ uint32_t revents,
                void *userdata) {
        WsServer *s = userdata;

        for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
                int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        break;
                if (s->n_connections >= s->max_connections)
                        (void) close(fd);
                else
                        (void) ws_server_adopt(s, fd); /* counts for nobody but its peer */
        }
        return 0;
}

int ws_server_new(WsLoop *l, int fd, const WsLimits *limits, unsigned max_connections,
                const WsServerHandler *h, void *userdata, WsServer **ret) {
        Address a = { 0 };
        socklen_t size = sizeof(a);
        WsServer *s;
        int r;

        if (getsockname(fd, &a.any, &size) < 0)
                return -errno;
        if (!address_is_loopback(&a))
                return -EPERM;

        s = new0(WsServer, 1);
        if (!s)
                return -ENOMEM;
        s->loop = l;
        s->limits = *limits;
        s->max_connections = max_connections;
        s->handler = h;
        s->userdata = userdata;

        r = sd_event_add_io(ws_loop_event(l), &s->io, fd, EPOLLIN, on_accept, s);
        if (r < 0)
                return free(s), r;
        (void) sd_event_source_set_description(s->io, "ws-accept");
        s->fd = fd;

        *ret = s;
        return 0;
}

uint16_t ws_server_port(const WsServer *s) {
        Address a = { 0 };
        socklen_t size = sizeof(a);

        if (getsockname(s->fd, &a.any, &size) < 0)
                return 0;
        return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

WsServer *ws_server_free(WsServer *s) {
        if (!s)
                return NULL;

        for (Ws *ws = ws_loop_first(s->loop), *next; ws; ws = next) {
                next = ws->next;
                if (ws->server != s)
                        continue;
                ws->server = NULL;
                if (!ws->handler)
                        ws_free(ws);
        }
        s->io = sd_event_source_disable_unref(s->io);
        s->fd = (close(s->fd), -EBADF);
        return mfree(s);
}
