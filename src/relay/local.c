#include "local.h"

#include <stdio.h>

#include "basic/text.h"
#include "relay-hub.h"
#include "session.h"

#define CONNECTIONS_MAX 128
#define QUEUE_MAX       (2 * 1024 * 1024)

struct Local {
        Hub *hub;
        WsServer *server;
        char *url;
        char **origins;
        Session *sessions[CONNECTIONS_MAX];
        size_t n_sessions, n_foreign;
};

/* A web page may try to reach this machine: only pages that the owner listed get in. Other programs
 * send no Origin. */
static bool on_allow(_unused_ WsServer *s, const WsRequest *request, void *userdata) {
        Local *l = userdata;

        return !request->origin || strv_contains(l->origins, request->origin);
}

static void on_accepted(Event *e, void *userdata) {
        Local *l = userdata;

        for (size_t i = 0; i < l->n_sessions; i++)
                session_show(l->sessions[i], e);
}

static void on_closed(Session *s, void *userdata) {
        Local *l = userdata;

        for (size_t i = 0; i < l->n_sessions; i++)
                if (l->sessions[i] == s) {
                        l->sessions[i] = l->sessions[--l->n_sessions];
                        break;
                }
        session_free(s);
}

static int on_accept(_unused_ WsServer *server, Ws *ws, _unused_ const WsRequest *request,
                void *userdata) {
        static const SessionHandler handler = { .accepted = on_accepted, .closed = on_closed };
        Local *l = userdata;
        int r;

        if (l->n_sessions == CONNECTIONS_MAX)
                return -EBUSY;
        r = session_new(l->hub, ws, l->url, &handler, l, &l->sessions[l->n_sessions]);
        if (r < 0)
                return r;
        l->n_sessions++;
        return 0;
}

/* NIP-11 */
static char *on_information(_unused_ WsServer *s, void *userdata) {
        const Local *l = userdata;
        char *text;

        if (asprintf(&text,
                            "{\"name\":\"Pylon\",\"description\":\"The local relay of this machine's Pylon\","
                            "\"software\":\"pylon\",\"version\":\"%s\","
                            "\"supported_nips\":[1,9,11,13,40,42,45,70],"
                            "\"limitation\":{\"max_message_length\":%d,\"max_subscriptions\":%d,"
                            "\"max_filters\":%d,\"max_limit\":%d,\"default_limit\":%d,"
                            "\"max_subid_length\":64,\"max_event_tags\":%d,\"auth_required\":false,"
                            "\"payment_required\":false,\"created_at_upper_limit\":900,"
                            "\"min_pow_difficulty\":%u}}",
                            PYLON_VERSION, SESSION_MESSAGE_MAX, SESSION_SUBSCRIPTIONS_MAX,
                            INTEREST_FILTERS_MAX, SESSION_LIMIT_MAX, SESSION_LIMIT_MAX,
                            EVENT_TAGS_MAX, service_config(l->hub->service)->relay.min_pow) < 0)
                return NULL;
        return text;
}

static const WsServerHandler server_handler = {
        .allow = on_allow,
        .accept = on_accept,
        .information = on_information,
};

int local_new(Hub *hub, const char *listen, char *const *allowed_origins, Local **ret) {
        static const WsLimits limits = { .message_max = SESSION_MESSAGE_MAX,
                .queue_max = QUEUE_MAX };
        _cleanup_(local_freep) Local *l = NULL;
        const char *colon = strrchr(listen, ':');
        int fd, r;

        l = new0(Local, 1);
        if (!l)
                return -ENOMEM;
        l->hub = hub;
        r = strv_copy(allowed_origins, &l->origins);
        if (r < 0)
                return r;
        r = ws_listen(listen, &fd);
        if (r < 0)
                return r;
        r = ws_server_new(hub->ws, fd, &limits, CONNECTIONS_MAX, &server_handler, l, &l->server);
        if (r < 0) {
                (void) close(fd);
                return r;
        }
        /* The port is asked for: the configuration may have said 0. */
        if (asprintf(&l->url, "ws://%.*s:%u", (int) (colon - listen), listen,
                            ws_server_port(l->server)) < 0) {
                l->url = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

Local *local_free(Local *l) {
        if (!l)
                return NULL;

        while (l->n_sessions > 0)
                session_free(l->sessions[--l->n_sessions]);
        ws_server_free(l->server);
        strv_free(l->origins);
        free(l->url);
        return mfree(l);
}

const char *local_url(const Local *l) {
        return l->url;
}

bool local_is_busy(const Local *l) {
        return l->n_sessions > 0;
}
