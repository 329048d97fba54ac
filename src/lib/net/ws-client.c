/* Opening a websocket to a relay. The address is numeric already, because libwebsockets would look
 * a name up while the whole process waits. */
#include <stdio.h>

#include "net/ws-private.h"

#define CONNECT_USEC (15 * SEC) /* TCP, TLS and the upgrade together */

/* A peer that accepts and then says nothing gives no error at all in libwebsockets 4.1. */
static int on_connect_deadline(
                _unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Ws *ws = userdata;

        ws_ended(ws, -ETIMEDOUT, "the connection was not open in time");
        ws_kill(ws);
        return 0;
}

static int ws_start(Ws *ws, struct lws_context *context, const WsTarget *t) {
        char host[300];
        bool bare = strchr(t->host, ':');
        struct lws_client_connect_info info = {
                .context = context,
                .address = t->address,
                .port = t->port,
                .path = t->path,
                .host = host,
                .local_protocol_name = "pylon",
                .ietf_version_or_minus_one = -1,
                /* A redirect would have its name looked up by libwebsockets itself. */
                .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (t->secure ? LCCSCF_USE_SSL : 0),
                .opaque_user_data = ws,
                .pwsi = &ws->wsi,
        };
        int n;

        if (t->port == (t->secure ? 443 : 80))
                n = snprintf(host, sizeof(host), bare ? "[%s]" : "%s", t->host);
        else
                n = snprintf(host, sizeof(host), bare ? "[%s]:%u" : "%s:%u", t->host, t->port);
        if (n < 0 || (size_t) n >= sizeof(host))
                return -ENAMETOOLONG;

        /* Where it fails at once the callbacks, the last one too, come before this returns. */
        if (!lws_client_connect_via_info(&info) || ws->state == WS_CLOSED) {
                ws->wsi = NULL;
                return ws->error < 0 ? ws->error : -ECONNREFUSED;
        }
        return 0;
}

int ws_connect(WsLoop *l, const WsTarget *t, const WsLimits *limits, const WsHandler *h,
                void *userdata, Ws **ret) {
        struct lws_context *context;
        Ws *ws;
        int r;

        r = ws_loop_context(l, t->secure, &context);
        if (r < 0)
                return r;

        ws = ws_new(l, limits);
        if (!ws)
                return -ENOMEM;

        r = sd_event_add_time_relative(ws_loop_event(l), &ws->deadline, CLOCK_MONOTONIC,
                        CONNECT_USEC, SEC, on_connect_deadline, ws);
        if (r < 0)
                return ws_unref(ws), r;
        (void) sd_event_source_set_description(ws->deadline, "ws-connect");

        ws_ref(ws); /* libwebsockets' reference, dropped when it is done with the connection */
        ws_loop_link(l, ws);
        r = ws_start(ws, context, t);
        ws_loop_kick_context(l, context);
        if (r < 0) {
                if (ws->state != WS_CLOSED) {
                        ws_loop_unlink(l, ws);
                        ws_unref(ws);
                }
                ws_unref(ws);
                return r;
        }

        ws->handler = h;
        ws->userdata = userdata;
        *ret = ws;
        return 0;
}
