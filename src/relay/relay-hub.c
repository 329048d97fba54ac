#include "relay-hub.h"

#include <time.h>

#include "basic/text.h"
#include "bus/text.h"
#include "forward.h"
#include "nostr/url.h"
#include "publication.h"
#include "query.h"

#define IDS_MAX                (128 * 1024)
#define EVENTS_KEPT            1024
#define HOUSEKEEPING_USEC      (SEC / 2)
#define HOUSEKEEPING_IDLE_USEC MIN_
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
                if (seen->slots & bit)
                        subscription_heard(s, u, seen->created_at);
                else if (subscription_push(s, u, e))
                        seen->slots |= bit;
        }
        return wanted;
}

HubVerdict hub_event(Hub *h, Upstream *u, Subscription *s, const char *json, size_t size,
                int64_t *ret_created_at) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = "there is no memory";
        bool was_at_hand;
        Seen *seen;
        int r;

        r = ingest_event(&h->ingest, json, size, &seen, &reason);
        if (r < 0) {
                log_debug("%s sent a bad event: %s.", upstream_url(u), reason);
                return HUB_BAD;
        }
        *ret_created_at = seen->created_at;
        if (r == 1 && (seen->slots & (UINT64_C(1) << s->slot))) {
                subscription_heard(s, u, seen->created_at);
                return HUB_KNOWN;
        }

        was_at_hand = r == 1 && seen->event;
        if (seen->event)
                e = event_ref(seen->event);
        else if (ingest_again(seen, json, size, &e, &reason) < 0)
                return HUB_BAD;
        if (hub_deliver(h, u, seen, e))
                return HUB_NEW;
        return was_at_hand ? HUB_NOISE : HUB_UNASKED;
}

/* ---- upstreams */

static bool hub_is_subscribed(const Hub *h, const Upstream *u) {
        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                if (h->subscriptions[i] && subscription_uses(h->subscriptions[i], u))
                        return true;
        return query_uses(h, u);
}

bool hub_is_configured(const Hub *h, const Upstream *u) {
        return strv_contains(h->configured, upstream_url(u));
}

static void hub_remove_upstream(Hub *h, size_t i) {
        upstream_free(h->upstreams[i]);
        h->upstreams[i] = h->upstreams[--h->n_upstreams];
}

/* Makes room for a relay that a stranger named: of the others of that sort, the one which has been
 * away for longest is given up. */
static int hub_evict_upstream(Hub *h) {
        size_t victim = SIZE_MAX;

        for (size_t i = 0; i < h->n_upstreams; i++) {
                Upstream *u = h->upstreams[i];

                if (hub_is_configured(h, u) || hub_is_subscribed(h, u) || !upstream_is_down(u))
                        continue;
                if (victim == SIZE_MAX || upstream_since(u) < upstream_since(h->upstreams[victim]))
                        victim = i;
        }
        if (victim == SIZE_MAX)
                return -ENOBUFS;

        outbox_give_up(h->outbox, upstream_outbox(h->upstreams[victim]),
                        "the relay is not reachable");
        hub_remove_upstream(h, victim);
        return 0;
}

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
        if (h->n_upstreams == HUB_UPSTREAMS_MAX && hub_evict_upstream(h) < 0) {
                *reterr = "there are too many relays";
                return -ENOBUFS;
        }

        r = upstream_new(h, url, &h->upstreams[h->n_upstreams], reterr);
        if (r < 0)
                return r;
        *ret = h->upstreams[h->n_upstreams++];
        return 0;
}

bool hub_wants(const Hub *h, Upstream *u) {
        return out_relay_n_open(upstream_outbox(u)) > 0 ||
               (!h->draining && hub_is_subscribed(h, u));
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
                                upstream_word(u));
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
                hub_remove_upstream(h, i);
        }
        outbox_sweep(h->outbox);
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
        post_gone(h, bus);
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

/* No relay that can be reached has anything left to answer. */
static bool hub_is_done(const Hub *h) {
        for (size_t i = 0; i < h->n_upstreams; i++)
                if (out_relay_n_open(upstream_outbox(h->upstreams[i])) > 0 &&
                                !upstream_is_down(h->upstreams[i]))
                        return false;
        return true;
}

static void hub_leave(Hub *h) {
        post_save_verdicts(h);
        (void) sql_group_commit(shelf_group(h->shelf)); /* who waited has been told */
        service_exit(h->service, EXIT_SUCCESS);
}

static int on_flush(_unused_ sd_event_source *source, void *userdata) {
        Hub *h = userdata;

        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                if (h->subscriptions[i])
                        subscription_flush(h->subscriptions[i]);
        post_flush(h);
        if (h->draining && hub_is_done(h))
                hub_leave(h);
        return 0;
}

static int on_housekeeping(
                _unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Hub *h = userdata;

        outbox_expire(h->outbox, hub_now());
        post_sweep(h);
        post_save_verdicts(h);
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
        return outbox_n_open(h->outbox) > 0 || h->n_queries > 0 ||
               (h->local && local_is_busy(h->local));
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
                r = post_load(h);
        if (r >= 0)
                forward_load(h);
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
        const Config *c = service_config(h->service);
        _cleanup_free_ char *signer = NULL;
        int r;

        r = ingest_init(&h->ingest, IDS_MAX, EVENTS_KEPT);
        if (r >= 0)
                r = hub_add_sources(h);
        if (r >= 0)
                r = outbox_new(c->relay.outbox_max, &post_handler, h, &h->outbox);
        if (r >= 0)
                r = people_new(h, &h->people);
        if (r >= 0)
                r = ws_loop_new(h->event, c->relay.ca_file, &h->ws);
        h->proxied = !isempty(c->relay.proxy);
        if (r >= 0 && h->proxied)
                r = ws_loop_set_proxy(h->ws, c->relay.proxy);
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
        query_free_all(h);
        h->people = people_free(h->people);
        publication_free_all(h);
        for (unsigned i = 0; i < INGEST_SLOTS; i++)
                subscription_free(h->subscriptions[i]);
        for (size_t i = 0; i < h->n_upstreams; i++)
                upstream_free(h->upstreams[i]);
        h->n_upstreams = 0; /* the last commit still tells its callers */
        post_free(h);
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
