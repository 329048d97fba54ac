#include "relay-hub.h"

#include <time.h>

#include "basic/text.h"
#include "bus/text.h"
#include "nostr/url.h"

#define IDS_MAX                (128 * 1024)
#define EVENTS_KEPT            1024
#define HOUSEKEEPING_USEC      (SEC / 2)
#define HOUSEKEEPING_IDLE_USEC MIN_
#define KEEP_DURABLE           (7 * 24 * 3600) /* seconds an event is tried for */
#define KEEP_MEMORY            600
#define KEEP_EPHEMERAL         60
#define OUTCOMES_MAX           256 /* per signal */
#define DRAIN_USEC             (3 * SEC)

int64_t hub_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t); /* cannot fail for this clock */
        return t.tv_sec;
}

usec_t hub_monotonic(Hub *h) {
        uint64_t now = 0;

        (void) sd_event_now(h->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* ---- outcomes */

static Owner *owner_find(Hub *h, const char *role) {
        for (size_t i = 0; i < h->n_owners; i++)
                if (streq(h->owners[i].role, role))
                        return h->owners + i;
        return NULL;
}

static void owner_send(Owner *o) {
        sd_bus_message *m = TAKE_PTR(o->outcomes);

        o->n_outcomes = 0;
        if (!m)
                return;
        if (sd_bus_message_close_container(m) < 0 || !o->bus || sd_bus_send(o->bus, m, NULL) < 0)
                log_debug("Outcomes were not told; they are kept.");
        sd_bus_message_unref(m);
}

static void owner_tell(Hub *h, Owner *o, const Letter *l, const Target *t) {
        int r = 0;

        if (!o->bus)
                return;
        if (!o->outcomes) {
                r = sd_bus_message_new_signal(
                                o->bus, &o->outcomes, BUS_PATH, BUS_RELAY_SERVICE, "Outcomes");
                if (r >= 0)
                        r = sd_bus_message_open_container(o->outcomes, 'a', "(ssis)");
        }
        if (r >= 0)
                r = sd_bus_message_append(o->outcomes, "(ssis)", l->id_hex, t->relay->url,
                                (int32_t) t->verdict, bus_text_or(t->message, ""));
        if (r < 0) {
                o->outcomes = sd_bus_message_unref(o->outcomes);
                return;
        }
        if (++o->n_outcomes >= OUTCOMES_MAX)
                owner_send(o);
        hub_want_flush(h);
}

static void on_outcome(Letter *l, Target *t, void *userdata) {
        Hub *h = userdata;
        Owner *o = owner_find(h, l->owner);

        if (o)
                owner_tell(h, o, l, t);
        hub_want_flush(h); /* the last one ends a drain, whoever is left to hear of it */
}

int hub_own(Hub *h, sd_bus *bus, const char *role) {
        Owner *o = owner_find(h, role);
        size_t cursor = 0;
        Letter *l;

        if (!o) {
                if (h->n_owners == HUB_OWNERS_MAX)
                        return -ENOBUFS;
                o = h->owners + h->n_owners;
                o->role = strdup(role);
                if (!o->role)
                        return -ENOMEM;
                h->n_owners++;
        }
        if (o->bus == bus)
                return 0;

        o->outcomes = sd_bus_message_unref(o->outcomes);
        o->n_outcomes = 0;
        sd_bus_unref(o->bus);
        o->bus = sd_bus_ref(bus);
        while ((l = outbox_next(h->outbox, &cursor)))
                for (size_t i = 0; i < l->n_targets && streq(l->owner, role); i++)
                        if (l->targets[i].state == TARGET_DONE)
                                owner_tell(h, o, l, l->targets + i);
        return 0;
}

/* ---- publishing */

static int64_t letter_expiry(const Event *e, bool durable) {
        int64_t keep = durable                                       ? KEEP_DURABLE
                       : kind_class(event_kind(e)) == KIND_EPHEMERAL ? KEEP_EPHEMERAL
                                                                     : KEEP_MEMORY;

        return MIN(hub_now() + keep, event_expiration(e));
}

static int targets(Hub *h, char **urls, OutRelay *ret[static OUTBOX_RELAYS_MAX], size_t *ret_n,
                const char **reterr) {
        size_t n = 0;

        STRV_FOREACH (url, strv_length(urls) > 0 ? urls : h->configured) {
                Upstream *u;
                OutRelay *out;
                bool twice = false;
                int r;

                r = hub_upstream(h, *url, &u, reterr);
                if (r == -EINVAL && strv_length(urls) > 1)
                        continue; /* a stranger's list: what is no relay is left out */
                if (r < 0)
                        return r;
                out = upstream_outbox(u);
                for (size_t i = 0; i < n; i++)
                        twice |= ret[i] == out;
                if (!twice && n < OUTBOX_RELAYS_MAX)
                        ret[n++] = out;
        }
        if (n == 0) {
                *reterr = "there is no relay to send it to";
                return -ENODEV;
        }
        *ret_n = n;
        return 0;
}

static int letter_save(Hub *h, const Letter *l) {
        _cleanup_buffer_ Buffer urls;
        int r = 0;

        buffer_init(&urls, OUTBOX_RELAYS_MAX * (URL_MAX + 1));
        for (size_t i = 0; i < l->n_targets && r >= 0; i++)
                r = buffer_addf(&urls, "%s%s", i == 0 ? "" : " ", l->targets[i].relay->url);
        return r < 0 ? r
                     : shelf_outbox_add(h->shelf, &(ShelfLetter){ .id = l->id,
                                                                  .owner = l->owner,
                                                                  .relays = urls.data ?: "",
                                                                  .json = l->json,
                                                                  .expires_at = l->expires_at });
}

/* The same event again: what is known of it is told again. */
static int hub_publish_again(Hub *h, Letter *l, const char *role, bool durable) {
        Owner *o = owner_find(h, role);
        int r = 0;

        if (durable && !l->durable) {
                r = letter_save(h, l);
                l->durable = r >= 0;
        }
        for (size_t i = 0; i < l->n_targets && o; i++)
                if (l->targets[i].state == TARGET_DONE)
                        owner_tell(h, o, l, l->targets + i);
        return MIN(r, 0);
}

int hub_publish(Hub *h, const char *role, const char *json, char **urls, bool durable,
                const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        OutRelay *relays[OUTBOX_RELAYS_MAX];
        LetterInfo info;
        Letter *l;
        size_t n;
        int r;

        *reterr = "there is no memory";
        r = event_parse_trusted(json, strlen(json), &e, reterr);
        if (r < 0)
                return r;
        durable = durable && kind_class(event_kind(e)) != KIND_EPHEMERAL;
        l = outbox_find(h->outbox, event_id(e));
        if (l)
                return hub_publish_again(h, l, role, durable);
        r = targets(h, urls, relays, &n, reterr);
        if (r < 0)
                return r;

        info = (LetterInfo){ .id = event_id(e),
                .owner = role,
                .json = event_json(e, NULL),
                .durable = durable,
                .expires_at = letter_expiry(e, durable),
                .relays = relays,
                .n_relays = n };
        r = outbox_add(h->outbox, &info, &l);
        if (r == -ENOBUFS)
                *reterr = "the outbox is full";
        if (r < 0 || !durable)
                return r;

        r = letter_save(h, l);
        if (r < 0) {
                *reterr = sql_reason(r);
                outbox_remove(h->outbox, l);
        }
        return r;
}

void hub_published(Hub *h) {
        for (size_t i = 0; i < h->n_upstreams; i++)
                if (out_relay_n_open(upstream_outbox(h->upstreams[i])) > 0)
                        upstream_send(h->upstreams[i]);
}

void hub_forget(Hub *h, const char *role, const char *id_hex) {
        uint8_t id[32];
        Letter *l;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return;
        l = outbox_find(h->outbox, id);
        if (!l || !streq(l->owner, role))
                return;
        if (l->durable && shelf_outbox_remove(h->shelf, l->id) < 0)
                log_debug("An event stays in the outbox's file; it will be told again.");
        outbox_remove(h->outbox, l);
}

/* ---- what comes in */

/* The event is at hand; whose subscriptions at this relay does it belong to? */
static bool hub_deliver(Hub *h, Upstream *u, Seen *seen, Event *e) {
        bool wanted = false;

        for (unsigned i = 0; i < INGEST_SLOTS; i++) {
                Subscription *s = h->subscriptions[i];
                uint64_t bit = UINT64_C(1) << i;

                if (!s || !subscription_uses(s, u) || !interest_matches(&s->interest, e))
                        continue;
                wanted = true;
                if (!(seen->slots & bit) && subscription_push(s, u, e))
                        seen->slots |= bit;
        }
        return wanted;
}

HubVerdict hub_event(Hub *h, Upstream *u, Subscription *s, const char *json, size_t size,
                int64_t *ret_created_at) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = "there is no memory";
        Seen *seen;
        int r;

        r = ingest_event(&h->ingest, json, size, &seen, &reason);
        if (r < 0) {
                log_debug("%s sent a bad event: %s.", upstream_url(u), reason);
                return HUB_BAD;
        }
        *ret_created_at = seen->created_at;
        if (r == 1 && (seen->slots & (UINT64_C(1) << s->slot)))
                return HUB_KNOWN;

        if (seen->event)
                e = event_ref(seen->event);
        else if (ingest_again(seen, json, size, &e, &reason) < 0)
                return HUB_BAD;
        return hub_deliver(h, u, seen, e) ? HUB_NEW : HUB_UNASKED;
}

/* ---- upstreams */

int hub_upstream(Hub *h, const char *url, Upstream **ret, const char **reterr) {
        _cleanup_(url_freep) Url *parsed = NULL;
        int r;

        r = url_parse(url, &parsed, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < h->n_upstreams; i++)
                if (streq(upstream_url(h->upstreams[i]), parsed->text)) {
                        *ret = h->upstreams[i];
                        return 0;
                }
        if (h->n_upstreams == HUB_UPSTREAMS_MAX) {
                *reterr = "there are too many relays";
                return -ENOBUFS;
        }

        r = upstream_new(h, url, &h->upstreams[h->n_upstreams], reterr);
        if (r < 0)
                return r;
        *ret = h->upstreams[h->n_upstreams++];
        return 0;
}

static bool hub_is_configured(const Hub *h, const Upstream *u) {
        return strv_contains(h->configured, upstream_url(u));
}

bool hub_wants(const Hub *h, Upstream *u) {
        if (out_relay_n_open(upstream_outbox(u)) > 0)
                return true;
        for (unsigned i = 0; i < INGEST_SLOTS && !h->draining; i++)
                if (h->subscriptions[i] && subscription_uses(h->subscriptions[i], u))
                        return true;
        return false;
}

void hub_upstream_changed(Hub *h, Upstream *u) {
        BusServer *server = service_server(h->service);
        unsigned up = 0, n = 0;

        for (size_t i = 0; i < h->n_upstreams; i++) {
                up += upstream_state(h->upstreams[i]) == UPSTREAM_UP;
                n += upstream_state(h->upstreams[i]) != UPSTREAM_IDLE;
        }
        service_status(h->service, "%u of %u relays up, %zu events on their way.", up, n,
                        outbox_n_open(h->outbox));
        if (server)
                bus_server_signal(server, BUS_RELAY, "RelayChanged", "ss", upstream_url(u),
                                upstream_state_name(upstream_state(u)));
}

/* Those that a stranger named, and that have done their part. */
static void hub_drop_upstreams(Hub *h) {
        for (size_t i = 0; i < h->n_upstreams;) {
                Upstream *u = h->upstreams[i];

                if (hub_is_configured(h, u) || hub_wants(h, u) ||
                                upstream_state(u) != UPSTREAM_IDLE) {
                        i++;
                        continue;
                }
                upstream_free(u);
                h->upstreams[i] = h->upstreams[--h->n_upstreams];
        }
}

static int hub_configure_relays(Hub *h) {
        const Config *c = service_config(h->service);
        _cleanup_strv_ char **configured = NULL;
        int r;

        STRV_FOREACH (url, c->relays) {
                const char *reason;
                Upstream *u;

                r = hub_upstream(h, *url, &u, &reason);
                if (r < 0)
                        log_warning("The relay \"%s\" is not used: %s.", *url, reason);
                else if (strv_add(&configured, upstream_url(u)) < 0)
                        return -ENOMEM;
        }
        strv_free(h->configured);
        h->configured = TAKE_PTR(configured);
        return 0;
}

/* ---- subscriptions */

Subscription *hub_find_subscription(Hub *h, const char *role, const char *name) {
        for (unsigned i = 0; i < INGEST_SLOTS; i++) {
                Subscription *s = h->subscriptions[i];

                if (s && streq(s->role, role) && streq(s->name, name))
                        return s;
        }
        return NULL;
}

static void hub_drop_subscription(Hub *h, Subscription *s) {
        while (s->n_relays > 0)
                subscription_drop_relay(s, s->relays[0].upstream);
        h->subscriptions[s->slot] = NULL;
        subscription_free(s);
}

static int hub_connect_subscription(Hub *h, Subscription *s, const char **reterr) {
        STRV_FOREACH (url, strv_length(s->urls) > 0 ? s->urls : h->configured) {
                Upstream *u;
                int r;

                r = hub_upstream(h, *url, &u, reterr);
                if (r >= 0)
                        r = subscription_add_relay(s, u);
                if (r < 0)
                        return r;
        }
        return 0;
}

int hub_subscribe(Hub *h, const SubscriptionInfo *info, const char **reterr) {
        Subscription *s = hub_find_subscription(h, info->role, info->name);
        unsigned slot = 0;
        int r;

        if (s)
                hub_drop_subscription(h, s);
        while (slot < INGEST_SLOTS && h->subscriptions[slot])
                slot++;
        if (slot == INGEST_SLOTS) {
                *reterr = "there are too many subscriptions";
                return -ENOBUFS;
        }

        r = subscription_new(h, slot, info, &s, reterr);
        if (r < 0)
                return r;
        h->subscriptions[slot] = s;
        r = hub_connect_subscription(h, s, reterr);
        if (r < 0)
                hub_drop_subscription(h, s);
        return r;
}

int hub_unsubscribe(Hub *h, const char *role, const char *name, bool forget) {
        Subscription *s = hub_find_subscription(h, role, name);

        if (s)
                hub_drop_subscription(h, s);
        return forget ? shelf_subscription_forget(h->shelf, role, name) : 0;
}

void hub_gone(Hub *h, sd_bus *bus) {
        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                if (h->subscriptions[i] && h->subscriptions[i]->bus == bus)
                        hub_drop_subscription(h, h->subscriptions[i]);
        for (size_t i = 0; i < h->n_owners; i++) {
                Owner *o = h->owners + i;

                if (o->bus != bus)
                        continue;
                o->outcomes = sd_bus_message_unref(o->outcomes);
                o->n_outcomes = 0;
                o->bus = sd_bus_unref(o->bus);
        }
}

/* ---- turns */

static void hub_want_housekeeping(Hub *h, bool soon) {
        int on = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(h->housekeeping, &on);
        if (on != SD_EVENT_OFF && (!soon || h->housekeeping_soon))
                return;
        h->housekeeping_soon = soon;
        (void) sd_event_source_set_time_relative(
                        h->housekeeping, soon ? HOUSEKEEPING_USEC : HOUSEKEEPING_IDLE_USEC);
        (void) sd_event_source_set_enabled(h->housekeeping, SD_EVENT_ONESHOT);
}

void hub_want_flush(Hub *h) {
        (void) sd_event_source_set_enabled(h->flush, SD_EVENT_ONESHOT);
        hub_want_housekeeping(h, true);
}

/* Verdicts go to disk a little later: most are forgotten before that, and a lost one only means
 * that the event is sent again. */
static void hub_save_verdicts(Hub *h) {
        Letter *l = outbox_take_unsaved(h->outbox);
        int r;

        if (!l)
                return;
        r = shelf_begin(h->shelf);
        if (r < 0)
                return;
        for (; l; l = l->next_unsaved)
                for (size_t i = 0; i < l->n_targets && r >= 0; i++) {
                        Target *t = l->targets + i;

                        if (t->state != TARGET_DONE || !t->unsaved)
                                continue;
                        r = shelf_outbox_answer(h->shelf, l->id, t->relay->url,
                                        t->verdict == RELAY_ACCEPTED, t->message ?: "");
                        t->unsaved = r < 0;
                }
        shelf_end(h->shelf, r);
}

static bool hub_is_done(const Hub *h) {
        return outbox_n_open(h->outbox) == 0;
}

static void hub_leave(Hub *h) {
        hub_save_verdicts(h);
        (void) sql_group_commit(shelf_group(h->shelf)); /* who waited has been told */
        service_exit(h->service, EXIT_SUCCESS);
}

static int on_flush(_unused_ sd_event_source *source, void *userdata) {
        Hub *h = userdata;

        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                if (h->subscriptions[i])
                        subscription_flush(h->subscriptions[i]);
        for (size_t i = 0; i < h->n_owners; i++)
                owner_send(h->owners + i);
        if (h->draining && hub_is_done(h))
                hub_leave(h);
        return 0;
}

static int on_housekeeping(
                _unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Hub *h = userdata;

        hub_save_verdicts(h);
        outbox_expire(h->outbox, hub_now());
        hub_drop_upstreams(h);
        if (h->local)
                (void) shelf_event_prune(h->shelf, hub_now()); /* tried again next time */
        if (h->draining) {
                hub_leave(h);
                return 0;
        }
        if (outbox_n(h->outbox) > 0)
                hub_want_housekeeping(h, false);
        return 0;
}

/* Undelivered events are on disk: leaving does not wait for relays that do not answer. */
void hub_drain(Hub *h) {
        h->draining = true;
        if (hub_is_done(h)) {
                hub_leave(h);
                return;
        }
        (void) sd_event_source_set_time_relative(h->housekeeping, DRAIN_USEC);
        (void) sd_event_source_set_enabled(h->housekeeping, SD_EVENT_ONESHOT);
}

bool hub_is_busy(const Hub *h) {
        return outbox_n_open(h->outbox) > 0 || (h->local && local_is_busy(h->local));
}

/* ---- start and reload */

static void hub_configure_local(Hub *h) {
        const Config *c = service_config(h->service);
        int r;

        h->local = local_free(h->local);
        if (!config_local_relay(c))
                return;
        r = local_new(h, c->relay.listen, c->relay.allowed_origins, &h->local);
        if (r == -EADDRINUSE)
                log_event(LOG_WARNING, LOG_ID_RELAY_PORT_BUSY,
                                LOG_FIELDS("PYLON_ADDRESS", c->relay.listen),
                                "The local relay is off: another program listens on %s.",
                                c->relay.listen);
        else if (r < 0)
                (void) log_warning_errno(r, "The local relay is off: it cannot listen on %s: %m",
                                c->relay.listen);
}

static bool strv_same(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

static void hub_reload_subscriptions(Hub *h) {
        for (unsigned i = 0; i < INGEST_SLOTS; i++) {
                Subscription *s = h->subscriptions[i];
                const char *reason = NULL;

                if (!s || strv_length(s->urls) > 0)
                        continue;
                for (size_t k = 0; k < s->n_relays;)
                        if (hub_is_configured(h, s->relays[k].upstream))
                                k++;
                        else
                                subscription_drop_relay(s, s->relays[k].upstream);
                if (hub_connect_subscription(h, s, &reason) < 0)
                        log_warning("A subscription does not reach all relays: %s.",
                                        reason ?: "there are too many");
        }
}

int hub_reload(Hub *h, const Config *old) {
        const Config *c = service_config(h->service);
        int r;

        outbox_set_max(h->outbox, c->relay.outbox_max);
        if (!strv_same(old->relays, c->relays)) {
                r = hub_configure_relays(h);
                if (r < 0)
                        return r;
                hub_reload_subscriptions(h);
                for (size_t i = 0; i < h->n_upstreams; i++)
                        upstream_wanted(h->upstreams[i]);
        }
        if (config_local_relay(old) != config_local_relay(c) ||
                        !streq(old->relay.listen, c->relay.listen) ||
                        !strv_same(old->relay.allowed_origins, c->relay.allowed_origins))
                hub_configure_local(h);
        return 0;
}

static int on_letter(const ShelfLetter *letter, void *userdata) {
        Hub *h = userdata;
        _cleanup_free_ char *copy = strdup(letter->relays);
        OutRelay *relays[OUTBOX_RELAYS_MAX];
        char *rest = copy, *url;
        size_t n = 0;
        Letter *l;
        int r;

        if (!copy)
                return -ENOMEM;
        while ((url = strsep(&rest, " ")) && n < OUTBOX_RELAYS_MAX) {
                const char *reason;
                Upstream *u;

                r = hub_upstream(h, url, &u, &reason);
                if (r >= 0)
                        relays[n++] = upstream_outbox(u);
                else
                        log_debug("\"%s\" of an event in the outbox is left out: %s.", url, reason);
        }
        r = outbox_add(h->outbox,
                        &(LetterInfo){ .id = letter->id,
                                        .owner = letter->owner,
                                        .json = letter->json,
                                        .durable = true,
                                        .expires_at = letter->expires_at,
                                        .relays = relays,
                                        .n_relays = n },
                        &l);
        return r == -ENOBUFS ? 0
                             : r; /* the maximum was lowered: the rest comes at the next start */
}

static int on_answer(const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message, void *userdata) {
        Hub *h = userdata;

        outbox_restore(h->outbox, id, relay, accepted, message);
        return 0;
}

static int hub_load(Hub *h) {
        _cleanup_free_ char *path = NULL;
        const char *reason = NULL;
        int r;

        r = paths_file(service_paths(h->service), "relay.db", &path);
        if (r < 0)
                return r;
        r = shelf_open(path, h->event, &h->shelf, &reason);
        if (r < 0)
                return service_fail(h->service, EXIT_CANTCREAT, r,
                                "The database \"%s\" cannot be used: %s.", path, reason);
        r = hub_configure_relays(h);
        if (r >= 0)
                r = shelf_each_letter(h->shelf, on_letter, h);
        if (r >= 0)
                r = shelf_each_answer(h->shelf, on_answer, h);
        if (r < 0)
                return service_fail(h->service, EXIT_FAILURE, r, "The outbox cannot be read: %s.",
                                sql_reason(r));
        return 0;
}

static int hub_add_sources(Hub *h) {
        int r;

        r = sd_event_add_defer(h->event, &h->flush, on_flush, h);
        if (r < 0)
                return r;
        r = sd_event_add_time(h->event, &h->housekeeping, CLOCK_MONOTONIC, UINT64_MAX, 100 * MSEC,
                        on_housekeeping, h);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(h->flush, "hub-flush");
        (void) sd_event_source_set_description(h->housekeeping, "hub-housekeeping");
        (void) sd_event_source_set_enabled(h->flush, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(h->housekeeping, SD_EVENT_OFF);
        return 0;
}

static int hub_make(Hub *h) {
        static const OutboxHandler handler = { .outcome = on_outcome };
        const Config *c = service_config(h->service);
        _cleanup_free_ char *signer = NULL;
        int r;

        r = ingest_init(&h->ingest, IDS_MAX, EVENTS_KEPT);
        if (r >= 0)
                r = hub_add_sources(h);
        if (r >= 0)
                r = outbox_new(c->relay.outbox_max, &handler, h, &h->outbox);
        if (r >= 0)
                r = ws_loop_new(h->event, c->relay.ca_file, &h->ws);
        if (r >= 0)
                r = service_socket(h->service, "signer", &signer);
        if (r >= 0)
                r = signer_client_new(h->event, signer, &h->signer);
        return r;
}

int hub_new(Service *service, Hub **ret) {
        _cleanup_(hub_freep) Hub *h = NULL;
        int r;

        h = new0(Hub, 1);
        if (!h)
                return -ENOMEM;
        h->service = service;
        h->event = sd_event_ref(service_event(service));

        r = hub_make(h);
        if (r < 0)
                return service_fail(service, EXIT_FAILURE, r, "There is no memory.");
        r = hub_load(h);
        if (r < 0)
                return r;
        hub_configure_local(h);
        for (size_t i = 0; i < h->n_upstreams; i++)
                upstream_wanted(h->upstreams[i]);
        if (outbox_n(h->outbox) > 0)
                hub_want_housekeeping(h, false);

        *ret = TAKE_PTR(h);
        return 0;
}

Hub *hub_free(Hub *h) {
        if (!h)
                return NULL;

        h->local = local_free(h->local);
        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                subscription_free(h->subscriptions[i]);
        for (size_t i = 0; i < h->n_upstreams; i++)
                upstream_free(h->upstreams[i]);
        h->n_upstreams = 0; /* the last commit still tells its callers */
        for (size_t i = 0; i < h->n_owners; i++) {
                sd_bus_message_unref(h->owners[i].outcomes);
                sd_bus_unref(h->owners[i].bus);
                free(h->owners[i].role);
        }
        signer_client_free(h->signer);
        outbox_free(h->outbox);
        ingest_done(&h->ingest);
        ws_loop_free(h->ws);
        shelf_close(h->shelf);
        sd_event_source_disable_unref(h->flush);
        sd_event_source_disable_unref(h->housekeeping);
        sd_event_unref(h->event);
        strv_free(h->configured);
        return mfree(h);
}
