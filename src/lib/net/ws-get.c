/* The document behind a relay's address (NIP-11): one plain HTTP request, whose answer is small.
 * pylon-relay has no other use for HTTP, so libwebsockets does it and not libcurl. */
#include <stdio.h>

#include "net/ws-private.h"

#define GET_USEC (10 * SEC) /* all of it */
#define PIECE    1024

struct WsGet {
        WsKind kind;
        unsigned n_ref; /* the owner's and libwebsockets' */
        struct lws *wsi;
        WsLoop *loop;
        sd_event_source *deadline;
        Buffer body;
        char date[40];
        ws_got_t done; /* NULL: it was called, or nobody waits any more */
        bool started;  /* ws_get() has returned */
        bool gone;     /* for libwebsockets */
        void *userdata;
};

static WsGet *get_unref(WsGet *g) {
        if (!g || --g->n_ref > 0)
                return NULL;
        sd_event_source_disable_unref(g->deadline);
        buffer_done(&g->body);
        return mfree(g);
}

static void get_end(WsGet *g, int error, const char *reason) {
        ws_got_t done = g->done;

        g->done = NULL;
        g->deadline = sd_event_source_disable_unref(g->deadline);
        if (done && g->started)
                done(g, error, reason, g->body.data ?: "", g->body.size, g->userdata);
}

static void get_kill(WsGet *g) {
        if (!g->wsi)
                return;
        lws_set_timeout(g->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        ws_loop_kick(g->loop, g->wsi);
}

static int on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        WsGet *g = userdata;

        g->n_ref++;
        get_kill(g);
        get_end(g, -ETIMEDOUT, "the document did not come in time");
        get_unref(g);
        return 0;
}

static int get_header(struct lws *wsi, void *in, size_t size) {
        static const char type[] = "application/nostr+json";
        unsigned char **at = in;

        return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_ACCEPT,
                               (const unsigned char *) type, sizeof(type) - 1, at, *at + size) == 0
                               ? 0
                               : -1;
}

static int get_read(struct lws *wsi) {
        char piece[LWS_PRE + PIECE], *at = piece + LWS_PRE;
        int size = PIECE;

        return lws_http_client_read(wsi, &at, &size) < 0 ? -1 : 0;
}

static int get_dispatch(WsGet *g, enum lws_callback_reasons reason, void *in, size_t size) {
        switch ((int) reason) {
        case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
                return get_header(g->wsi, in, size);
        case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
                (void) lws_hdr_copy(g->wsi, g->date, sizeof(g->date), WSI_TOKEN_HTTP_DATE);
                if (lws_http_client_http_response(g->wsi) == 200)
                        return 0;
                get_end(g, -EPROTO, "the server has no such document");
                return -1;
        case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
                return get_read(g->wsi);
        case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
                if (buffer_add(&g->body, in, size) >= 0)
                        return 0;
                get_end(g, -EMSGSIZE, "the document is too large");
                return -1;
        case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
                get_end(g, 0, "");
                return -1;
        case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
                get_end(g, -ECONNREFUSED, in ? (const char *) in : "the connection was refused");
                return 0;
        default:
                return 0;
        }
}

int ws_get_callback(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t size) {
        WsGet *g = lws_get_opaque_user_data(wsi);
        int r;

        if (!g)
                return 0;
        g->wsi = wsi;
        if (reason == LWS_CALLBACK_WSI_DESTROY) {
                lws_set_opaque_user_data(wsi, NULL);
                g->wsi = NULL;
                g->gone = true;
                get_end(g, -ECONNRESET, "the connection was closed");
                get_unref(g);
                return 0;
        }
        g->n_ref++;
        r = get_dispatch(g, reason, in, size);
        if (!g->done)
                r = -1;
        get_unref(g);
        return r;
}

static int get_start(WsGet *g, struct lws_context *context, const WsTarget *t) {
        char host[300];
        struct lws_client_connect_info info = {
                .context = context,
                .address = t->address,
                .port = t->port,
                .path = t->path,
                .host = host,
                .method = "GET",
                .alpn = "http/1.1",
                .local_protocol_name = "pylon",
                .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (t->secure ? LCCSCF_USE_SSL : 0),
                .opaque_user_data = g,
                .pwsi = &g->wsi,
        };
        int r;

        r = ws_write_host(t, host, sizeof(host));
        if (r < 0)
                return r;
        return lws_client_connect_via_info(&info) && g->done ? 0 : -ECONNREFUSED;
}

int ws_get(WsLoop *l, const WsTarget *t, size_t size_max, ws_got_t done, void *userdata,
                WsGet **ret) {
        struct lws_context *context;
        WsGet *g;
        int r;

        r = ws_loop_context(l, t->secure, t->proxied, &context);
        if (r < 0)
                return r;
        g = new0(WsGet, 1);
        if (!g)
                return -ENOMEM;
        *g = (WsGet){ .kind = WS_KIND_GET, .n_ref = 1, .loop = l, .userdata = userdata };
        buffer_init(&g->body, size_max);
        r = sd_event_add_time_relative(ws_loop_event(l), &g->deadline, CLOCK_MONOTONIC, GET_USEC,
                        SEC, on_deadline, g);
        if (r < 0)
                return get_unref(g), r;

        g->n_ref++; /* libwebsockets', dropped when it is done with the connection */
        g->done = done;
        r = get_start(g, context, t);
        ws_loop_kick_context(l, context);
        if (r < 0) {
                if (!g->gone)
                        g->n_ref--; /* it never had it */
                return ws_get_free(g), r;
        }
        g->started = true;
        *ret = g;
        return 0;
}

const char *ws_get_date(const WsGet *g) {
        return g->date;
}

WsGet *ws_get_free(WsGet *g) {
        if (!g)
                return NULL;
        g->done = NULL;
        get_kill(g);
        return get_unref(g);
}
