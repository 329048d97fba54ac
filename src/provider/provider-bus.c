#include "provider-bus.h"

#include <stdio.h>

#include "bus/authorize.h"
#include "bus/names.h"
#include "market-bus.h"
#include "provider-compute-bus.h"

/* ---- methods that change the wish; answered when it is on disk, Online() when it is true */

static bool is_sentence(const char *text) {
        size_t n = strlen(text);

        return n > 0 && text[n - 1] == '.';
}

/* -EAGAIN: it is on its way. */
static int reply_when_online(const Provider *p, sd_bus_message *m) {
        if (p->state == PROVIDER_ONLINE)
                return sd_bus_reply_method_return(m, NULL);
        if (*p->trouble)
                return sd_bus_reply_method_errorf(m, BUS_ERROR_NOT_REACHABLE,
                                "The provider is not online yet. %s%s", p->trouble,
                                is_sentence(p->trouble) ? "" : ".");
        if (!provider_is_busy(p))
                return sd_bus_reply_method_errorf(
                                m, BUS_ERROR_BUSY, "The provider was taken offline meanwhile.");
        return -EAGAIN;
}

static void answer_onlookers(ProviderService *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_onlookers; i++)
                if (reply_when_online(s->provider, s->onlookers[i]) == -EAGAIN)
                        s->onlookers[n++] = s->onlookers[i];
                else /* or the caller is gone */
                        sd_bus_message_unref(s->onlookers[i]);
        s->n_onlookers = n;
}

/* Too many to wait with are told that the wish is on disk. */
static void answer_online(ProviderService *s, sd_bus_message *m) {
        if (s->n_onlookers == PROVIDER_ONLOOKERS_MAX) {
                (void) sd_bus_reply_method_return(m, NULL);
                return;
        }
        s->onlookers[s->n_onlookers++] = sd_bus_message_ref(m);
        answer_onlookers(s);
}

typedef struct WishCall {
        ProviderService *service;
        sd_bus_message *message;
        bool online;
} WishCall;

static void on_wish_stored(
                int error, const char *reason, _unused_ const char *value, void *userdata) {
        WishCall *c = userdata;
        Provider *p = c->service->provider;

        if (error < 0) {
                (void) sd_bus_reply_method_errorf(c->message, BUS_ERROR_NOT_REACHABLE,
                                "The wish could not be stored: %s.", reason);
        } else {
                if (c->online) {
                        provider_go_online(p);
                        answer_online(c->service, c->message);
                } else {
                        provider_drain(p, false);
                        (void) sd_bus_reply_method_return(c->message, NULL); /* or he is gone */
                }
        }
        sd_bus_message_unref(c->message);
        free(c);
}

static int wish(sd_bus_message *m, ProviderService *s, bool online, sd_bus_error *error) {
        WishCall *c;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        c = new0(WishCall, 1);
        if (!c)
                return -ENOMEM;
        *c = (WishCall){ .service = s, .message = sd_bus_message_ref(m), .online = online };
        r = store_set_setting(s->provider->store, PROVIDER_WISH, online ? "yes" : "no",
                        on_wish_stored, c, NULL);
        if (r < 0) {
                sd_bus_message_unref(c->message);
                free(c);
                return sd_bus_error_set_errnof(error, r, "The store cannot be asked: %m");
        }
        return 1;
}

static int method_online(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return wish(m, userdata, true, error);
}

static int method_offline(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return wish(m, userdata, false, error);
}

static int method_drain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        provider_drain(s->provider, true);
        return sd_bus_reply_method_return(m, NULL);
}

/* ---- methods that only tell */

static int append_job(sd_bus_message *reply, const Job *job) {
        const Event *e = job->request->event;

        return sd_bus_message_append(reply, "(sqss)", event_id_hex(e), event_kind(e),
                        event_pubkey_hex(e), flow_state_name(&job->flow));
}

static int method_jobs(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ProviderService *s = userdata;
        const Job *job;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sqss)");
        MAP_FOREACH (job, &s->provider->jobs) {
                if (r < 0)
                        break;
                r = append_job(reply, job);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_backend(sd_bus_message *reply, const Backend *b) {
        char detail[128];

        b->class->describe(b, detail, sizeof(detail));
        return sd_bus_message_append(reply, "(sssu)", b->class->name,
                        b->n_used >= b->n_slots ? "busy" : "ready", detail, b->n_slots);
}

/* A server of models. */
static int append_server(sd_bus_message *reply, const Endpoint *e) {
        bool busy = e->n_used >= endpoint_n_slots(e);
        char detail[512];

        (void) snprintf(detail, sizeof(detail), "%s%s%s", e->url, *e->trouble ? ": " : "",
                        e->trouble);
        return sd_bus_message_append(reply, "(sssu)", e->config->name,
                        e->state != ENDPOINT_UP ? endpoint_state_name(e->state)
                        : busy                  ? "busy"
                                                : "ready",
                        detail, endpoint_n_slots(e));
}

static int method_backends(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ProviderService *s = userdata;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssu)");
        for (size_t i = 0; i < s->provider->n_backends && r >= 0; i++)
                if (!s->provider->backends[i]->class->asks_models)
                        r = append_backend(reply, s->provider->backends[i]);
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX && r >= 0; i++) {
                const Endpoint *e = router_endpoint(s->provider->router, i);

                if (e && (!e->detected || e->state == ENDPOINT_UP))
                        r = append_server(reply, e);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* ---- properties */

#define PROPERTY(name, type, value)                                                            \
        static int name(_unused_ sd_bus *bus, _unused_ const char *path,                       \
                        _unused_ const char *interface, _unused_ const char *property,         \
                        sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) { \
                const ProviderService *s = userdata;                                           \
                const Provider *p = s->provider;                                               \
                                                                                               \
                return sd_bus_message_append(reply, type, value);                              \
        }

PROPERTY(property_state, "s", provider_state_name(p->state))
PROPERTY(property_running, "u", provider_n_in_state(p, JOB_RUNNING))
PROPERTY(property_queued, "u", (uint32_t) (p->queue.n + p->small.n))
PROPERTY(property_public_key, "s", p->pubkey_hex)
PROPERTY(property_started_at, "x", (int64_t) (p->started_at / SEC))

/* clang-format off */
static const sd_bus_vtable provider_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Online", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_online, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Offline", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_offline, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_drain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Jobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sqss)", jobs), method_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Backends", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssu)", backends), method_backends, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Queue", SD_BUS_ARGS("u", limit), SD_BUS_RESULT("a(sqsssux)", jobs), method_queue, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", id), SD_BUS_RESULT("s", id), method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Settle", SD_BUS_ARGS("s", id, "s", destination), SD_BUS_RESULT("s", id), method_settle, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Why", SD_BUS_ARGS("x", since), SD_BUS_RESULT("a(sqst)", counts, "a(qut)", bids, "a{sv}", facts), method_why, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Story", SD_BUS_ARGS("s", id), SD_BUS_RESULT("a{sv}", request), method_story, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Announce", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_announce, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Watch", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", seconds), method_watch, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("JobChanged", SD_BUS_ARGS("s", id, "q", kind, "s", customer, "s", state, "s", reason), 0),
        SD_BUS_PROPERTY("State", "s", property_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Running", "u", property_running, 0, 0),
        SD_BUS_PROPERTY("Queued", "u", property_queued, 0, 0),
        SD_BUS_PROPERTY("PublicKey", "s", property_public_key, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StartedAt", "x", property_started_at, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

const BusObject provider_objects[] = {
        { BUS_PROVIDER, provider_vtable, false },
        { BUS_PROVIDER_COMPUTE, provider_compute_vtable, false },
        {},
};

void provider_bus_changed(ProviderService *s) {
        BusServer *server = service_server(s->service);

        if (server)
                bus_server_changed(server, BUS_PROVIDER, "State", "PublicKey", NULL);
        answer_onlookers(s);
}

void provider_bus_done(ProviderService *s) {
        provider_compute_bus_done(s);
        market_bus_done(s);
        while (s->n_onlookers > 0)
                sd_bus_message_unref(s->onlookers[--s->n_onlookers]);
}
