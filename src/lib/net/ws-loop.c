/* libwebsockets inside an sd_event, through the libuv loop that it calls foreign: libuv's epoll
 * descriptor is one io source, its next timer one time source, and "there is work before we may
 * sleep" one defer source. Nothing wakes up while nothing happens, except the keep-alive. */
#include <openssl/ssl.h>
#include <uv.h>

#include "basic/log.h"
#include "basic/text.h"
#include "net/ws-private.h"

#define TURNS_MAX      4 /* of libuv per turn of ours, so that one busy relay starves nobody */
#define WS_PRIORITY    (SD_EVENT_PRIORITY_NORMAL + 30) /* behind the buses and their commits */
#define FDS_MAX        1024
#define KEEPALIVE_USEC (25 * SEC)
#define HANDSHAKE_SEC  10
#define CA_DIRECTORY   "/etc/ssl/certs"

/* libwebsockets re-arms one useless 30 s timer for ever. Every other timer of its belongs to a
 * connection that is opening or closing, so they are honoured this long after the last of those. */
#define WINDOW_USEC (45 * SEC)

struct WsLoop {
        sd_event *event;
        uv_loop_t uv;
        sd_event_source *io, *timer, *defer, *keepalive;
        usec_t armed, active_until;
        struct lws_context *contexts[4]; /* without and with TLS, then both by the proxy */
        char *ca_file, *proxy;
        unsigned proxy_port;
        Ws *connections;
};

static void ws_loop_pump(WsLoop *l) {
        unsigned turns = 0;

        do
                uv_run(&l->uv, UV_RUN_NOWAIT);
        while (++turns < TURNS_MAX && uv_loop_alive(&l->uv) && uv_backend_timeout(&l->uv) == 0);
}

static int on_io(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t revents,
                void *userdata) {
        ws_loop_pump(userdata);
        return 0;
}

static int on_defer(_unused_ sd_event_source *s, void *userdata) {
        ws_loop_pump(userdata);
        return 0;
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        WsLoop *l = userdata;

        l->armed = UINT64_MAX;
        ws_loop_pump(l);
        return 0;
}

static int ws_loop_arm(WsLoop *l, usec_t at) {
        int r;

        if (at == l->armed)
                return 0;

        l->armed = at;
        if (at == UINT64_MAX)
                return sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);

        r = sd_event_source_set_time(l->timer, at);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

/* Runs right before sd-event sleeps: never calls libwebsockets, only arms sources. */
static int on_prepare(_unused_ sd_event_source *s, void *userdata) {
        WsLoop *l = userdata;
        usec_t at;
        int timeout;

        if (!uv_loop_alive(&l->uv))
                return ws_loop_arm(l, UINT64_MAX);

        timeout = uv_backend_timeout(&l->uv);
        if (timeout == 0)
                return sd_event_source_set_enabled(l->defer, SD_EVENT_ONESHOT);

        at = timeout < 0 ? UINT64_MAX : (uv_now(&l->uv) + (usec_t) timeout) * MSEC;
        return ws_loop_arm(l, at > l->active_until ? UINT64_MAX : at);
}

/* One timer pings all clients that said nothing since the last tick, and gives up those that did
 * not answer the ping of the last one. */
static int on_keepalive(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        WsLoop *l = userdata;
        bool any = false;

        for (Ws *ws = l->connections; ws; ws = ws->next) {
                if (ws->server || ws->state != WS_OPEN)
                        continue;

                any = true;
                if (ws->heard || ws->paused) {
                        ws->heard = ws->pinged = false;
                } else if (ws->pinged) {
                        ws_ended(ws, -ETIMEDOUT, "the peer did not answer a ping");
                        ws_kill(ws);
                } else {
                        ws->pinged = ws->ping = true;
                        ws_want_write(ws);
                }
        }

        if (!any)
                return sd_event_source_set_enabled(l->keepalive, SD_EVENT_OFF);

        (void) sd_event_source_set_time_relative(l->keepalive, KEEPALIVE_USEC);
        return sd_event_source_set_enabled(l->keepalive, SD_EVENT_ONESHOT);
}

static void lws_says(_unused_ int level, const char *line) {
        log_debug("libwebsockets: %s", line);
}

/* The system's bundle costs 30 ms and a megabyte; its hashed directory is read on demand. */
static int load_authorities(void *ssl_context) {
        return SSL_CTX_load_verify_dir(ssl_context, CA_DIRECTORY) == 1 ? 0 : -EIO;
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                size_t size) {
        WsLoop *l = lws_context_user(lws_get_context(wsi));
        const WsKind *kind = lws_get_opaque_user_data(wsi);

        if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS) {
                if (!isempty(l->ca_file))
                        return 0;
                return load_authorities(user);
        }

        if (reason == LWS_CALLBACK_WSI_CREATE || reason == LWS_CALLBACK_WSI_DESTROY ||
                        reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR ||
                        reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
                ws_loop_touch(l);

        if (kind && *kind == WS_KIND_GET)
                return ws_get_callback(wsi, reason, in, size);
        return ws_callback(wsi, reason, user, in, size);
}

static const struct lws_protocols protocols[] = {
        { .name = "pylon", .callback = on_lws },
        {},
};

int ws_loop_context(WsLoop *l, bool secure, bool proxied, struct lws_context **ret) {
        void *foreign[] = { &l->uv };
        struct lws_context_creation_info info = {
                .port = CONTEXT_PORT_NO_LISTEN_SERVER,
                .protocols = protocols,
                .gid = -1,
                .uid = -1,
                .fd_limit_per_thread = FDS_MAX,
                .foreign_loops = foreign,
                .timeout_secs = HANDSHAKE_SEC,
                .user = l,
                .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN,
        };

        size_t i = secure + 2U * proxied;

        if (!l->contexts[i]) {
                if (proxied) {
                        info.http_proxy_address = l->proxy;
                        info.http_proxy_port = l->proxy_port;
                }
                if (secure) {
                        info.port = CONTEXT_PORT_NO_LISTEN;
                        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                                        LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
                        info.client_ssl_ca_filepath = isempty(l->ca_file) ? NULL : l->ca_file;
                }
                l->contexts[i] = lws_create_context(&info);
                if (!l->contexts[i])
                        return -EIO;
        }

        *ret = l->contexts[i];
        return 0;
}

void ws_loop_touch(WsLoop *l) {
        usec_t now;

        if (sd_event_now(l->event, CLOCK_MONOTONIC, &now) >= 0)
                l->active_until = now + WINDOW_USEC;
}

void ws_loop_kick_context(WsLoop *l, struct lws_context *c) {
        ws_loop_touch(l);
        lws_cancel_service(c);
}

void ws_loop_kick(WsLoop *l, struct lws *wsi) {
        ws_loop_kick_context(l, lws_get_context(wsi));
}

void ws_loop_link(WsLoop *l, Ws *ws) {
        int on = SD_EVENT_OFF;

        ws->next = l->connections;
        if (ws->next)
                ws->next->prev = ws;
        l->connections = ws;

        if (ws->server)
                return;
        (void) sd_event_source_get_enabled(l->keepalive, &on);
        if (on == SD_EVENT_OFF) {
                (void) sd_event_source_set_time_relative(l->keepalive, KEEPALIVE_USEC);
                (void) sd_event_source_set_enabled(l->keepalive, SD_EVENT_ONESHOT);
        }
}

void ws_loop_unlink(WsLoop *l, Ws *ws) {
        if (ws->prev)
                ws->prev->next = ws->next;
        else
                l->connections = ws->next;
        if (ws->next)
                ws->next->prev = ws->prev;
        ws->next = ws->prev = NULL;
}

Ws *ws_loop_first(WsLoop *l) {
        return l->connections;
}

sd_event *ws_loop_event(WsLoop *l) {
        return l->event;
}

static int ws_loop_add_sources(WsLoop *l) {
        int r;

        r = sd_event_add_io(l->event, &l->io, uv_backend_fd(&l->uv), EPOLLIN, on_io, l);
        if (r < 0)
                return r;
        r = sd_event_add_time(
                        l->event, &l->timer, CLOCK_MONOTONIC, UINT64_MAX, 10 * MSEC, on_timer, l);
        if (r < 0)
                return r;
        r = sd_event_add_defer(l->event, &l->defer, on_defer, l);
        if (r < 0)
                return r;
        r = sd_event_add_time(l->event, &l->keepalive, CLOCK_MONOTONIC, UINT64_MAX, 10 * SEC,
                        on_keepalive, l);
        if (r < 0)
                return r;

        /* What strangers send waits while our own services have something to say. */
        (void) sd_event_source_set_priority(l->io, WS_PRIORITY);
        (void) sd_event_source_set_priority(l->defer, WS_PRIORITY);
        (void) sd_event_source_set_description(l->io, "ws-io");
        (void) sd_event_source_set_description(l->timer, "ws-timer");
        (void) sd_event_source_set_description(l->defer, "ws-defer");
        (void) sd_event_source_set_description(l->keepalive, "ws-keepalive");
        (void) sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(l->defer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(l->keepalive, SD_EVENT_OFF);
        return sd_event_source_set_prepare(l->io, on_prepare);
}

int ws_loop_new(sd_event *e, const char *ca_file, WsLoop **ret) {
        WsLoop *l;
        int r;

        l = new0(WsLoop, 1);
        if (!l)
                return -ENOMEM;
        if (uv_loop_init(&l->uv) < 0) {
                free(l);
                return -ENOMEM;
        }

        /* The proxy is the configuration's: libwebsockets would take one from the environment, also
         * for this machine. */
        (void) unsetenv("http_proxy");
        lws_set_log_level(log_enabled(LOG_DEBUG) ? LLL_ERR | LLL_WARN : 0, lws_says);
        l->event = sd_event_ref(e);
        l->armed = UINT64_MAX;
        if (ca_file) {
                l->ca_file = strdup(ca_file);
                if (!l->ca_file) {
                        ws_loop_free(l);
                        return -ENOMEM;
                }
        }

        r = ws_loop_add_sources(l);
        if (r < 0) {
                ws_loop_free(l);
                return r;
        }

        *ret = l;
        return 0;
}

int ws_loop_set_proxy(WsLoop *l, const char *proxy) {
        const char *host, *colon = strrchr(proxy, ':');
        uint32_t port;
        size_t n;

        assert(!l->proxy);

        if (!colon || parse_u32(colon + 1, &port) < 0 || port == 0 || port > UINT16_MAX)
                return -EINVAL;
        host = proxy + (*proxy == '[');
        n = (size_t) (colon - host) - (*proxy == '[');
        l->proxy = strndup(host, n);
        l->proxy_port = port;
        return l->proxy ? 0 : -ENOMEM;
}

WsLoop *ws_loop_free(WsLoop *l) {
        if (!l)
                return NULL;

        for (size_t i = 0; i < ELEMENTSOF(l->contexts); i++)
                if (l->contexts[i])
                        lws_context_destroy(l->contexts[i]);
        /* With a foreign loop the end is asynchronous: the handles close in the next turns. */
        for (unsigned i = 0; i < 1000 && uv_loop_alive(&l->uv); i++)
                uv_run(&l->uv, UV_RUN_NOWAIT);
        for (size_t i = 0; i < ELEMENTSOF(l->contexts); i++)
                if (l->contexts[i])
                        lws_context_destroy(l->contexts[i]); /* now the memory */

        l->io = sd_event_source_disable_unref(l->io);
        l->timer = sd_event_source_disable_unref(l->timer);
        l->defer = sd_event_source_disable_unref(l->defer);
        l->keepalive = sd_event_source_disable_unref(l->keepalive);
        l->event = sd_event_unref(l->event);
        (void) uv_loop_close(&l->uv); /* busy only where libwebsockets leaked a handle */
        free(l->ca_file);
        free(l->proxy);
        return mfree(l);
}
