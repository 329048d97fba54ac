/* Opening a websocket to a relay. The address is numeric already, because libwebsockets would look
 * a name up while the whole process waits; a proxy looks it up itself. */
#include <openssl/ssl.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
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

static bool ws_key_is(Ws *ws, const char *pin) {
        _cleanup_free_ char *text = NULL;
        unsigned char *der = NULL;
        uint8_t hash[32];
        X509 *certificate;
        int n, r = -EIO;

        certificate = SSL_get1_peer_certificate(lws_get_ssl(ws->wsi));
        n = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1;
        if (n > 0)
                r = sha256(der, (size_t) n, hash);
        if (r >= 0)
                r = base64_encode(hash, sizeof(hash), &text);
        OPENSSL_free(der);
        X509_free(certificate);
        return r >= 0 && streq(pin, text);
}

/* The first moment at which the server's key is known, and the last before it is told a secret. */
int ws_client_request(Ws *ws, void *in, size_t size) {
        unsigned char **at = in;
        const char *key = ws->pin ? startswith(ws->pin, "sha256//") ?: "" : NULL;

        if (key && lws_is_ssl(ws->wsi) && !ws_key_is(ws, key)) {
                ws_ended(ws, -EKEYREJECTED, "the server's key is not the one that is pinned");
                return -1;
        }
        if (!ws->authorization)
                return 0;
        return lws_add_http_header_by_name(ws->wsi, (const unsigned char *) "authorization:",
                               (const unsigned char *) ws->authorization,
                               (int) strlen(ws->authorization), at, *at + size) == 0
                               ? 0
                               : -1;
}

static int ws_copy(const char *s, char **ret) {
        if (isempty(s))
                return 0;
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

int ws_write_host(const WsTarget *t, char *ret, size_t size) {
        const char *open = strchr(t->host, ':') ? "[" : "", *close = *open ? "]" : "";
        int n;

        if (t->port == (t->secure ? 443 : 80))
                n = snprintf(ret, size, "%s%s%s", open, t->host, close);
        else
                n = snprintf(ret, size, "%s%s%s:%u", open, t->host, close, t->port);
        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

static int ws_start(Ws *ws, struct lws_context *context, const WsTarget *t) {
        char host[300];
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
        int r;

        r = ws_write_host(t, host, sizeof(host));
        if (r < 0)
                return r;

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

        r = ws_loop_context(l, t->secure, t->proxied, &context);
        if (r < 0)
                return r;

        ws = ws_new(l, limits);
        if (!ws)
                return -ENOMEM;

        r = ws_copy(t->authorization, &ws->authorization) ?: ws_copy(t->pin, &ws->pin);
        if (r < 0)
                return ws_unref(ws), r;
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
