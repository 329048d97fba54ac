/* The client's side of com.openagents.Pylon1.Relay.Service. */
#include "client/relay-client.h"

#include "basic/log.h"
#include "basic/text.h"
#include "bus/client.h"
#include "bus/names.h"
#include "bus/text.h"

#define BATCH_EVENTS_MAX  256
#define BATCH_BYTES_MAX   (1024 * 1024)
#define WAITING_BYTES_MAX (64 * 1024 * 1024) /* of events that have not been answered */
#define FORGET_MAX        65536
#define CALL_USEC         (30 * SEC)

typedef struct Subscription {
        struct Subscription *next;
        char *name;
        char **filters, **relays;
        uint64_t acknowledge; /* to be sent; 0: nothing */
} Subscription;

struct RelayPublish {
        RelayClient *client;
        RelayPublish *next; /* in the queue, then in its batch */
        RelayPublish **handle;
        char *json;
        char **relays;
        bool durable;
        relay_published_t done;
        void *userdata;
};

/* The events of one call, in their order. */
typedef struct Batch {
        RelayClient *client;
        RelayPublish *first;
        struct Batch *prev, *next;
} Batch;

struct RelayClient {
        BusClient *bus;
        const RelayHandler *handler;
        void *userdata;
        sd_event_source *flush;
        Subscription *subscriptions;
        RelayPublish *first, **last; /* not sent yet */
        size_t waiting_bytes;
        Batch *batches; /* sent, not answered */
        char (*forget)[HEX32_MAX];
        size_t n_forget;
};

static int call(RelayClient *c, sd_bus_message *m, bus_reply_t done, void *userdata) {
        return bus_client_call(c->bus, m, CALL_USEC, done, userdata, NULL);
}

static void want_flush(RelayClient *c) {
        (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

/* ---- subscriptions */

static Subscription *subscription_find(RelayClient *c, const char *name) {
        for (Subscription *s = c->subscriptions; s; s = s->next)
                if (streq(s->name, name))
                        return s;
        return NULL;
}

static Subscription *subscription_free(Subscription *s) {
        strv_free(s->filters);
        strv_free(s->relays);
        free(s->name);
        return mfree(s);
}

static void subscription_remove(RelayClient *c, const char *name) {
        for (Subscription **p = &c->subscriptions; *p; p = &(*p)->next) {
                Subscription *s = *p;

                if (!streq(s->name, name))
                        continue;
                *p = s->next;
                subscription_free(s);
                return;
        }
}

static void on_subscribed(_unused_ sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, _unused_ void *userdata) {
        if (error < 0)
                log_warning("pylon-relay refused a subscription: %s", reason);
}

static int subscription_send(RelayClient *c, const Subscription *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Subscribe", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(m, 's', s->name);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, s->filters);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, s->relays);
        return r < 0 ? r : call(c, m, on_subscribed, NULL);
}

int relay_client_subscribe(RelayClient *c, const char *name, const char *const *filters,
                const char *const *relays) {
        Subscription *s;
        int r;

        s = new0(Subscription, 1);
        if (!s)
                return -ENOMEM;
        s->name = strdup(name);
        r = s->name ? strv_copy((char *const *) filters, &s->filters) : -ENOMEM;
        if (r >= 0)
                r = strv_copy((char *const *) relays, &s->relays);
        /* Where no connection is up, the subscription goes out when there is one. */
        if (r >= 0 && bus_client_is_up(c->bus))
                r = subscription_send(c, s);
        if (r < 0) {
                subscription_free(s);
                return r;
        }

        subscription_remove(c, name);
        s->next = c->subscriptions;
        c->subscriptions = s;
        bus_client_stay(c->bus, true);
        return 0;
}

int relay_client_unsubscribe(RelayClient *c, const char *name, bool forget) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Unsubscribe", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "sb", name, forget);
        if (r < 0)
                return r;

        subscription_remove(c, name);
        return call(c, m, NULL, NULL);
}

static void acknowledge_send(RelayClient *c, Subscription *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Acknowledge", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "st", s->name, s->acknowledge);
        if (r >= 0)
                r = call(c, m, NULL, NULL);
        if (r < 0)
                log_debug_errno(r, "What was acknowledged will come again: %m");
        s->acknowledge = 0;
}

void relay_client_acknowledge(RelayClient *c, const char *name, uint64_t seq) {
        Subscription *s = subscription_find(c, name);

        if (!s || seq <= s->acknowledge)
                return;
        s->acknowledge = seq;
        want_flush(c);
}

/* ---- publishing */

static void publish_drop(RelayPublish *p) {
        p->client->waiting_bytes -= strlen(p->json);
        if (p->handle)
                *p->handle = NULL;
        strv_free(p->relays);
        free(p->json);
        free(p);
}

static void publish_finish(RelayPublish *p, int error, const char *reason) {
        relay_published_t done = p->done;
        void *userdata = p->userdata;

        publish_drop(p);
        if (done)
                done(error, reason, userdata);
}

static void batch_unlink(Batch *b) {
        *(b->prev ? &b->prev->next : &b->client->batches) = b->next;
        if (b->next)
                b->next->prev = b->prev;
}

static void on_published(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        Batch *b = userdata;
        RelayPublish *p = b->first, *next;
        int r = error;

        batch_unlink(b);
        free(b);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(is)");

        for (; p; p = next) {
                int32_t one = r;
                const char *why = reason;

                next = p->next;
                if (r >= 0 && sd_bus_message_read(reply, "(is)", &one, &why) <= 0) {
                        one = -EBADMSG;
                        why = "the relay's answer is not complete";
                }
                publish_finish(p, one, one < 0 ? why ?: "the relay did not answer" : NULL);
        }
}

static int batch_append(sd_bus_message *m, RelayPublish *p) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', p->json);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, p->relays);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", p->durable);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* As many of the queue as one message takes. */
static int batch_send(RelayClient *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        size_t n = 0, bytes = 0;
        RelayPublish *p, **end;
        Batch *b;
        int r;

        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Publish", &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        for (p = c->first, end = &c->first; p && r >= 0; end = &p->next, p = p->next) {
                if (n == BATCH_EVENTS_MAX || (n > 0 && bytes > BATCH_BYTES_MAX))
                        break;
                r = batch_append(m, p);
                n++;
                bytes += strlen(p->json);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        b = new0(Batch, 1);
        if (!b)
                return -ENOMEM;
        b->client = c;
        r = call(c, m, on_published, b);
        if (r < 0) {
                free(b);
                return r;
        }

        b->first = n > 0 ? c->first : NULL;
        *end = NULL;
        c->first = p;
        if (!p)
                c->last = &c->first;
        b->next = c->batches;
        if (b->next)
                b->next->prev = b;
        c->batches = b;
        return 0;
}

int relay_client_publish(RelayClient *c, const char *event_json, const char *const *relays,
                bool durable, relay_published_t done, void *userdata, RelayPublish **ret) {
        _cleanup_free_ char *owned = NULL;
        const char *json;
        RelayPublish *p;
        size_t size;
        int r;

        r = bus_text_json(event_json, &owned, &json);
        if (r < 0)
                return r;
        size = strlen(json);
        if (size > WAITING_BYTES_MAX - c->waiting_bytes)
                return -ENOBUFS;

        p = new0(RelayPublish, 1);
        if (!p)
                return -ENOMEM;
        *p = (RelayPublish){ .client = c, .durable = durable, .done = done, .userdata = userdata };
        p->json = strdup(json);
        if (!p->json || strv_copy((char *const *) relays, &p->relays) < 0) {
                free(p->json);
                free(p);
                return -ENOMEM;
        }

        c->waiting_bytes += size;
        *c->last = p;
        c->last = &p->next;
        p->handle = ret;
        if (ret)
                *ret = p;
        bus_client_stay(c->bus, true); /* outcomes come as signals */
        want_flush(c);
        return 0;
}

RelayPublish *relay_publish_free(RelayPublish *p) {
        if (!p)
                return NULL;

        if (p->handle)
                *p->handle = NULL;
        p->handle = NULL;
        p->done = NULL;
        return NULL;
}

static void forget_send(RelayClient *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Forget", &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < c->n_forget && r >= 0; i++)
                r = sd_bus_message_append_basic(m, 's', c->forget[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = call(c, m, NULL, NULL);
        if (r < 0)
                log_debug_errno(r, "Some outcomes will be told again: %m");
        c->n_forget = 0;
}

/* What does not fit is told again at the next connection, and forgotten then. */
void relay_client_forget(RelayClient *c, const char *id) {
        char(*forget)[HEX32_MAX];
        size_t n = c->n_forget;

        if (strlen(id) != HEX32_MAX - 1 || n == FORGET_MAX)
                return;
        if ((n & (n - 1)) == 0) {
                forget = reallocarray(c->forget, n == 0 ? 1 : 2 * n, sizeof(*forget));
                if (!forget)
                        return;
                c->forget = forget;
        }
        memcpy(c->forget[c->n_forget++], id, HEX32_MAX);
        want_flush(c);
}

static int on_flush(_unused_ sd_event_source *s, void *userdata) {
        RelayClient *c = userdata;
        int r = 0;

        for (Subscription *sub = c->subscriptions; sub; sub = sub->next)
                if (sub->acknowledge > 0)
                        acknowledge_send(c, sub);
        if (c->n_forget > 0)
                forget_send(c);
        while (c->first && r >= 0)
                r = batch_send(c);
        if (r < 0 && c->first) {
                RelayPublish *p = c->first;

                log_debug_errno(r, "An event could not be handed to the relay: %m");
                c->first = p->next;
                if (!c->first)
                        c->last = &c->first;
                want_flush(c);
                publish_finish(p, r, "the relay is not reachable");
        }
        return 0;
}

/* ---- signals */

#define EVENTS_MAX 1024 /* per signal; the relay's window is no larger */

static int read_event(sd_bus_message *m, RelayEvent *ret) {
        const char *json, *reason = "there is no memory";
        int r;

        r = sd_bus_message_read(m, "(tss)", &ret->seq, &ret->relay, &json);
        if (r <= 0)
                return r;

        ret->event = NULL;
        if (event_parse_trusted(json, strlen(json), &ret->event, &reason) < 0)
                log_warning("The relay handed over what is no event: %s.", reason);
        return 1;
}

static int on_events(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        RelayClient *c = userdata;
        _cleanup_free_ RelayEvent *events = NULL;
        const char *name;
        size_t n = 0;
        int r;

        events = new0(RelayEvent, EVENTS_MAX);
        if (!events)
                return -ENOMEM;
        r = sd_bus_message_read_basic(m, 's', &name);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(tss)");
        while (r > 0 && n < EVENTS_MAX) {
                r = read_event(m, events + n);
                if (r > 0 && events[n].event)
                        n++;
        }
        if (n > 0 && subscription_find(c, name))
                c->handler->events(name, events, n, c->userdata);

        for (size_t i = 0; i < n; i++)
                event_unref(events[i].event);
        return r < 0 ? r : 0;
}

static int on_live(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        RelayClient *c = userdata;
        const char *name, *relay;
        int r;

        r = sd_bus_message_read(m, "ss", &name, &relay);
        if (r < 0)
                return r;
        if (c->handler->live && subscription_find(c, name))
                c->handler->live(name, relay, c->userdata);
        return 0;
}

static int on_outcomes(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        RelayClient *c = userdata;
        const char *id, *relay, *message;
        int32_t verdict;
        int r;

        if (!c->handler->outcome)
                return 0;
        r = sd_bus_message_enter_container(m, 'a', "(ssis)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssis)", &id, &relay, &verdict, &message)) > 0)
                c->handler->outcome(id, relay,
                                verdict > 0    ? RELAY_ACCEPTED
                                : verdict == 0 ? RELAY_REFUSED
                                               : RELAY_TRYING,
                                message, c->userdata);
        return r;
}

/* A new connection: the relay knows nothing of us. Publishing nothing says where outcomes go, and
 * brings those which have not been forgotten. */
static void on_up(void *userdata) {
        RelayClient *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        for (Subscription *s = c->subscriptions; s; s = s->next) {
                s->acknowledge = 0; /* of a connection that is gone */
                r = subscription_send(c, s);
                if (r < 0)
                        log_debug_errno(r, "A subscription could not be repeated: %m");
        }

        if (!c->handler->outcome)
                return;
        r = bus_client_message(c->bus, BUS_RELAY_SERVICE, "Publish", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sasb)", 0);
        if (r >= 0)
                r = call(c, m, NULL, NULL);
        if (r < 0)
                log_debug_errno(r, "Outcomes could not be asked for: %m");
}

static int client_add_matches(RelayClient *c) {
        int r;

        r = bus_client_match(c->bus, BUS_RELAY_SERVICE, "Events", on_events, c);
        if (r < 0)
                return r;
        r = bus_client_match(c->bus, BUS_RELAY_SERVICE, "Live", on_live, c);
        if (r < 0)
                return r;
        return bus_client_match(c->bus, BUS_RELAY_SERVICE, "Outcomes", on_outcomes, c);
}

int relay_client_new(sd_event *e, const char *socket_path, const RelayHandler *handler,
                void *userdata, RelayClient **ret) {
        _cleanup_(relay_client_freep) RelayClient *c = NULL;
        int r;

        c = new0(RelayClient, 1);
        if (!c)
                return -ENOMEM;
        c->handler = handler;
        c->userdata = userdata;
        c->last = &c->first;

        r = bus_client_new(e, socket_path, &c->bus);
        if (r < 0)
                return r;
        bus_client_on_state(c->bus, on_up, NULL, c);
        r = client_add_matches(c);
        if (r < 0)
                return r;
        r = sd_event_add_defer(e, &c->flush, on_flush, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->flush, "relay-client-flush");
        r = sd_event_source_set_enabled(c->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

BusClient *relay_client_bus(RelayClient *c) {
        return c->bus;
}

static void publish_free_list(RelayPublish *p) {
        for (RelayPublish *next; p; p = next) {
                next = p->next;
                publish_drop(p);
        }
}

RelayClient *relay_client_free(RelayClient *c) {
        if (!c)
                return NULL;

        c->bus = bus_client_free(c->bus);
        sd_event_source_disable_unref(c->flush);
        publish_free_list(c->first);
        while (c->batches) {
                Batch *b = c->batches;

                c->batches = b->next;
                publish_free_list(b->first);
                free(b);
        }
        while (c->subscriptions) {
                Subscription *s = c->subscriptions;

                c->subscriptions = s->next;
                subscription_free(s);
        }
        free(c->forget);
        return mfree(c);
}
