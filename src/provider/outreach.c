#include "outreach.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "provider.h"

#define PROFILE_PAUSE   (3 * SEC) /* after coming online: the relays connect meanwhile */
#define PROFILE_TIMEOUT (10 * SEC)
#define PING_AGE_MAX    60 /* seconds */
#define PINGS_MAX       6  /* of one key, in a minute */

/* Kinds that are in use on the network, as the registry of data vending machines has them. */
static const uint16_t market_kinds[] = { 5000, 5001, 5002, 5003, 5050, 5100, 5200, 5201, 5202, 5250,
        5300, 5301, 5302, 5303, 5400, 5500, 5900, 5901, 5905, 5970 };

static void tell(Provider *p, const Draft *d) {
        const FeedbackDoors doors = {
                .signer = p->signer,
                .relay = p->relay,
                .list = &p->feedback,
        };

        feedback_send(&doors, d, NULL);
}

/* ---- heartbeat */

static int draft_heartbeat(Provider *p, const char *status, int64_t expires, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        char text[32];
        int r;

        /* It is replaced by the next one, which must be later for that: the last one counts. */
        p->outreach.beat_at = MAX(provider_now(p), p->outreach.beat_at + 1);
        r = draft_new(HEARTBEAT_KIND, p->outreach.beat_at, &d)
                            ?: draft_tag(d, "status", status, NULL) ?: draft_tag(d, "d", "pylon", NULL);
        for (size_t i = 0; i < p->n_kinds && r >= 0; i++) {
                (void) snprintf(text, sizeof(text), "%u", p->kinds[i]);
                r = draft_tag(d, "k", text, NULL);
        }
        if (r >= 0) {
                (void) snprintf(text, sizeof(text), "%zu", p->queue.n);
                r = draft_tag(d, "queue", text, NULL);
        }
        if (r >= 0) {
                (void) snprintf(text, sizeof(text), "%" PRIi64, expires);
                r = draft_tag(d, "expiration", text, NULL);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

static void beat(Provider *p, const char *status) {
        const int64_t span = (int64_t) (p->config->discovery.heartbeat / SEC);
        _cleanup_(draft_freep) Draft *d = NULL;

        if (draft_heartbeat(p, status, provider_now(p) + MAX(span, INT64_C(60)), &d) >= 0)
                tell(p, d);
}

static int on_heartbeat(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;

        beat(p, "online");
        (void) sd_event_source_set_time_relative(s, p->config->discovery.heartbeat);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void start_heartbeat(Provider *p) {
        const usec_t span = p->config->discovery.heartbeat;

        p->outreach.heartbeat = sd_event_source_disable_unref(p->outreach.heartbeat);
        if (span == 0)
                return;
        beat(p, "online");
        if (sd_event_add_time_relative(p->event, &p->outreach.heartbeat, CLOCK_BOOTTIME, span,
                            span / 16, on_heartbeat, p) < 0)
                log_warning("No timer is left; there is no heartbeat.");
}

/* ---- pings */

static bool may_be_answered(Provider *p, const Event *e) {
        const PaceLimit limit = { .n = PINGS_MAX, .span = MIN_ };
        uint64_t now = 0;
        usec_t wait;

        if (event_created_at(e) < provider_now(p) - PING_AGE_MAX)
                return false;
        (void) sd_event_now(p->event, CLOCK_BOOTTIME, &now);
        return pace_take(&p->ping_pace, event_pubkey_hex(e), &limit, now, &wait);
}

static void answer_ping(Provider *p, const Event *e) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        if (event_kind(e) != PING_KIND || !may_be_answered(p, e))
                return;
        r = draft_new(JOB_FEEDBACK_KIND, provider_now(p), &d)
                            ?: draft_tag(d, "status", "pong", NULL)
                            ?: draft_tag(d, "e", event_id_hex(e), NULL)
                            ?: draft_tag(d, "p", event_pubkey_hex(e), NULL);
        if (r >= 0)
                tell(p, d);
}

static int listen_for_pings(Provider *p) {
        char filter[128];

        if (!p->config->discovery.ping)
                return TAKE(p->outreach.listening, false)
                                       ? relay_client_unsubscribe(p->relay, OUTREACH_PINGS, true)
                                       : 0;
        p->outreach.listening = true;
        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"#p\":[\"%s\"]}", PING_KIND,
                        p->pubkey_hex);
        return relay_client_subscribe(
                        p->relay, OUTREACH_PINGS, (const char *const[]){ filter, NULL }, NULL);
}

/* ---- requests for what we do not do */

static bool serves(const Provider *p, uint16_t kind) {
        for (size_t i = 0; i < p->n_kinds; i++)
                if (p->kinds[i] == kind)
                        return true;
        return false;
}

static int watch(Provider *p) {
        _cleanup_buffer_ Buffer filter = { .max = 1024 };
        bool any = false;
        int r;

        r = buffer_add_string(&filter, "{\"kinds\":[");
        for (size_t i = 0; i < ELEMENTSOF(market_kinds) && r >= 0; i++)
                if (!serves(p, market_kinds[i])) {
                        r = buffer_addf(&filter, "%s%u", any ? "," : "", market_kinds[i]);
                        any = true;
                }
        if (r >= 0)
                r = buffer_add_string(&filter, "]}");
        if (r < 0)
                return r;
        if (!any || !p->config->discovery.watch)
                return TAKE(p->outreach.watching, false)
                                       ? relay_client_unsubscribe(p->relay, OUTREACH_WATCH, true)
                                       : 0;
        p->outreach.watching = true;
        return relay_client_subscribe(
                        p->relay, OUTREACH_WATCH, (const char *const[]){ filter.data, NULL }, NULL);
}

/* It names others, and not us. */
static bool names_others(const Provider *p, const Event *e) {
        return event_find_tag(e, "p", NULL) && !event_has_tag(e, "p", p->pubkey_hex);
}

static void count(Provider *p, const RelayEvent *e) {
        Verdict v = names_others(p, e->event) ? VERDICT_NOT_FOR_US : VERDICT_UNSUPPORTED_KIND;

        tally_count(&p->tally, provider_now(p), e->relay, event_kind(e->event), verdict_name(v));
}

bool outreach_events(Provider *p, const char *name, const RelayEvent *events, size_t n) {
        bool pings = streq(name, OUTREACH_PINGS);

        if (!pings && !streq(name, OUTREACH_WATCH))
                return false;

        for (const RelayEvent *e = events; e < events + n; e++)
                if (pings)
                        answer_ping(p, e->event);
                else
                        count(p, e);
        if (n > 0)
                relay_client_acknowledge(p->relay, name, events[n - 1].seq);
        return true;
}

/* ---- profile and relays */

static void on_profile_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Provider *p = userdata;

        for (size_t i = 0; i < n && error >= 0; i++) {
                if (results[i].error < 0) {
                        reason = results[i].reason;
                        error = results[i].error;
                } else
                        error = relay_client_publish(p->relay, event_json(results[i].event, NULL),
                                        NULL, true, NULL, NULL, NULL);
        }
        if (error < 0)
                log_warning("The profile could not be published: %s.", reason ?: strerror(-error));
}

static const Event *newest(Event *const *events, size_t n, uint16_t kind) {
        for (size_t i = 0; i < n; i++) /* they come in this order */
                if (event_kind(events[i]) == kind)
                        return events[i];
        return NULL;
}

/* Where no relay answers we do not know what is there, and leave it alone. */
static void on_profile(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Provider *p = userdata;
        const Config *c = p->config;
        _cleanup_(draft_freep) Draft *profile = NULL, *relays = NULL;
        const Draft *drafts[2];
        size_t n_drafts = 0;
        int r;

        if (error < 0) {
                log_debug("The profile is left as it is: %s.", reason);
                return;
        }
        r = profile_merge(newest(events, n, PROFILE_KIND), c->name, c->description, provider_now(p),
                        &profile);
        if (r >= 0)
                r = relay_list_merge(newest(events, n, RELAY_LIST_KIND), c->relays, provider_now(p),
                                &relays);
        if (profile)
                drafts[n_drafts++] = profile;
        if (relays)
                drafts[n_drafts++] = relays;
        if (r >= 0 && n_drafts > 0)
                r = signer_sign(p->signer, PROVIDER_KEY, drafts, n_drafts, on_profile_signed, p,
                                NULL);
        if (r < 0)
                (void) log_warning_errno(r, "The profile could not be made: %m");
}

static int on_profile_time(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;
        char filter[160];
        int r;

        if (p->outreach.query)
                return 0;
        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d,%d],\"authors\":[\"%s\"]}",
                        PROFILE_KIND, RELAY_LIST_KIND, p->pubkey_hex);
        r = relay_client_query(p->relay,
                        &(RelayQuestion){
                                        .filters = (const char *const[]){ filter, NULL },
                                        .limit = 16,
                                        .timeout = PROFILE_TIMEOUT,
                        },
                        on_profile, p, &p->outreach.query);
        if (r < 0)
                log_debug_errno(r, "The profile cannot be asked for: %m");
        return 0;
}

static void look_at_profile(Provider *p) {
        p->outreach.profile_timer = sd_event_source_disable_unref(p->outreach.profile_timer);
        if (p->config->discovery.profile &&
                        sd_event_add_time_relative(p->event, &p->outreach.profile_timer,
                                        CLOCK_BOOTTIME, PROFILE_PAUSE, SEC, on_profile_time, p) < 0)
                log_warning("No timer is left; the profile stays as it is.");
}

/* ---- all of it */

void outreach_online(Provider *p) {
        int r;

        r = watch(p);
        if (r >= 0)
                r = listen_for_pings(p);
        if (r < 0)
                (void) log_warning_errno(r, "The provider could not subscribe: %m");
        start_heartbeat(p);
        look_at_profile(p);
}

void outreach_offline(Provider *p) {
        if (TAKE(p->outreach.watching, false))
                (void) relay_client_unsubscribe(p->relay, OUTREACH_WATCH, true);
        if (TAKE(p->outreach.listening, false))
                (void) relay_client_unsubscribe(p->relay, OUTREACH_PINGS, true);
        if (p->outreach.heartbeat)
                beat(p, "offline");
        outreach_done(p);
}

void outreach_done(Provider *p) {
        p->outreach.heartbeat = sd_event_source_disable_unref(p->outreach.heartbeat);
        p->outreach.profile_timer = sd_event_source_disable_unref(p->outreach.profile_timer);
        p->outreach.query = relay_query_free(p->outreach.query);
}
