/* A websocket to a backend which comes back: opened, lost, a pause, opened again. */
#include "basic/log.h"
#include "basic/text.h"
#include "net/resolve.h"
#include "nostr/url.h"
#include "wire.h"

#define MESSAGE_MAX (256 * 1024)
#define QUEUE_MAX   4096
#define STEADY_USEC (10 * SEC) /* up for less counts as a failure too */

struct WireSocket {
        Wire *wire;
        Url *url;
        char *authorization; /* into the wire's header; NULL: none is sent */
        Resolve *resolve;
        Ws *ws;
        WirePause pause;
        usec_t opened;
        const WireSocketHandler *handler;
        void *userdata;
};

static void socket_begin(WireSocket *s);

static usec_t socket_now(WireSocket *s) {
        usec_t now = 0;

        (void) sd_event_now(s->wire->driver.doors.event, CLOCK_MONOTONIC, &now);
        return now;
}

static int on_again(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        socket_begin(userdata);
        return 0;
}

static void socket_lost(WireSocket *s, const char *reason) {
        if (s->opened > 0 && socket_now(s) - s->opened > STEADY_USEC)
                s->pause.failures = 0;
        s->opened = 0;
        if (wire_pause_start(&s->pause, s->wire->driver.doors.event, on_again, s) < 0)
                reason = "there was no memory";
        s->handler->lost(reason, s->userdata);
}

static void on_open(_unused_ Ws *ws, void *userdata) {
        WireSocket *s = userdata;

        s->opened = socket_now(s);
        s->handler->open(s->userdata);
}

static void on_message(_unused_ Ws *ws, const char *text, size_t size, void *userdata) {
        WireSocket *s = userdata;
        WireAnswer a;

        wire_answer_init(&a, 200, text, size, wire_now(s->wire));
        s->handler->message(&a, s->userdata);
        wire_answer_done(&a);
}

static void on_dropped(_unused_ Ws *ws, int error, _unused_ void *userdata) {
        log_debug("A message of the wallet's backend was skipped: %s.", strerror(-error));
}

static void on_closed(_unused_ Ws *ws, _unused_ int error, const char *reason, void *userdata) {
        WireSocket *s = userdata;
        WireWords words;

        reason = wire_words(&words, reason, strlen(reason), "the connection was closed");
        s->ws = ws_free(s->ws);
        socket_lost(s, reason);
}

static const WsHandler ws_handler = {
        .open = on_open,
        .message = on_message,
        .dropped = on_dropped,
        .closed = on_closed,
};

static void on_resolved(_unused_ Resolve *q, int error, const char *reason, char *const *addresses,
                void *userdata) {
        static const WsLimits limits = { .message_max = MESSAGE_MAX, .queue_max = QUEUE_MAX };
        WireSocket *s = userdata;
        WsTarget t = {
                .secure = s->url->secure,
                .host = s->url->host,
                .port = s->url->port,
                .path = s->url->path,
                .authorization = s->authorization,
                .pin = s->wire->driver.doors.config->wallet.pin,
        };
        int r = error;

        if (r >= 0) {
                t.address = addresses[0];
                r = ws_connect(s->wire->driver.doors.ws, &t, &limits, &ws_handler, s, &s->ws);
                reason = "no connection could be made";
        }
        s->resolve = resolve_free(s->resolve);
        if (r < 0)
                socket_lost(s, reason);
}

static void socket_begin(WireSocket *s) {
        if (resolve_name(s->wire->driver.doors.event, s->url->host, on_resolved, s, &s->resolve) <
                        0)
                socket_lost(s, "there was no memory");
}

int wire_socket_new(Wire *w, const char *path, bool with_secret, const WireSocketHandler *handler,
                void *userdata, WireSocket **ret) {
        const char *rest = startswith(w->base, "https://"), *value, *reason;
        _cleanup_buffer_ Buffer text;
        WireSocket *s;
        int r;

        buffer_init(&text, WIRE_PATH_MAX);
        if (w->socket || !w->driver.doors.ws)
                return -EOPNOTSUPP; /* a unix socket: it is looked up on the schedule only */

        r = buffer_addf(&text, "%s%s%s", rest ? "wss://" : "ws://",
                        rest ?: w->base + strlen("http://"), path);
        if (r < 0)
                return r;
        s = new0(WireSocket, 1);
        if (!s)
                return -ENOMEM;
        s->wire = w;
        s->handler = handler;
        s->userdata = userdata;
        value = with_secret && w->header.size > 0 ? startswith(w->header.data, "Authorization: ")
                                                  : NULL;
        s->authorization = (char *) value;
        r = url_parse(text.data, &s->url, &reason);
        if (r < 0) {
                wire_socket_free(s);
                return r;
        }
        socket_begin(s);
        *ret = s;
        return 0;
}

WireSocket *wire_socket_free(WireSocket *s) {
        if (!s)
                return NULL;

        resolve_free(s->resolve);
        ws_free(s->ws);
        wire_pause_done(&s->pause);
        url_free(s->url);
        return mfree(s);
}
