#include "subscription.h"

#include "basic/text.h"
#include "bus/text.h"
#include "relay-hub.h"

#define OVERLAP       (15 * 60)       /* how far behind a stranger's clock may be */
#define OVERLAP_WRAPS (3 * 24 * 3600) /* NIP-59: gift wraps are back-dated by up to two days */
#define GAP_REACH     (15 * 60)
#define ROOM          (SUBSCRIPTION_WINDOW / 2)
#define SIGNAL_EVENTS 256
#define SIGNAL_BYTES  (1024 * 1024)
#define PRUNE_EVERY   30
#define FUTURE_MAX    (15 * 60) /* later ones are remembered as if they were from then */

static int64_t subscription_overlap(const Subscription *s) {
        return interest_names_kind(&s->interest, 1059) ? OVERLAP_WRAPS : OVERLAP;
}

static SubRelay *sub_relay(Subscription *s, const Upstream *u) {
        for (size_t i = 0; i < s->n_relays; i++)
                if (s->relays[i].upstream == u)
                        return s->relays + i;
        return NULL;
}

static Pending *pending_at(Subscription *s, size_t i) {
        return s->window + (s->first + i) % SUBSCRIPTION_WINDOW;
}

/* ---- birth and death */

static int parse_filters(Subscription *s, const char **reterr) {
        int r;

        STRV_FOREACH (f, s->filters) {
                const Filter *last;

                r = interest_add(&s->interest, *f, strlen(*f), reterr);
                if (r < 0)
                        return r;
                last = s->interest.filters[s->interest.n - 1];
                if (last->since > 0 || last->until < INT64_MAX) {
                        *reterr = "the relay adds the time itself";
                        return -EINVAL;
                }
        }
        if (s->interest.n == 0) {
                *reterr = "there is no filter";
                return -EINVAL;
        }
        return 0;
}

static int on_seen(const uint8_t id[static 32], int64_t at, void *userdata) {
        Subscription *s = userdata;

        return ingest_mark(&s->hub->ingest, id, at, s->slot);
}

int subscription_new(Hub *hub, unsigned slot, const SubscriptionInfo *info, Subscription **ret,
                const char **reterr) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        *reterr = "there is no memory";
        s = new0(Subscription, 1);
        if (!s)
                return -ENOMEM;
        s->hub = hub;
        s->slot = slot;
        s->bus = sd_bus_ref(info->bus);
        s->role = strdup(info->role);
        s->name = strdup(info->name);
        if (!s->role || !s->name || strv_copy(info->filters, &s->filters) < 0 ||
                        strv_copy(info->urls, &s->urls) < 0)
                return -ENOMEM;
        r = parse_filters(s, reterr);
        if (r < 0)
                return r;

        /* Greater than any that came before a restart: what is acknowledged late means nothing. */
        s->next_seq = (uint64_t) hub_now() * SEC;
        ingest_clear_slot(&hub->ingest, slot);
        r = shelf_subscription(hub->shelf, s->role, s->name, hub_now(), &s->id, &s->since);
        if (r >= 0)
                r = shelf_each_seen(hub->shelf, s->id, on_seen, s);
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }

        *ret = TAKE_PTR(s);
        return 0;
}

Subscription *subscription_free(Subscription *s) {
        if (!s)
                return NULL;

        for (size_t i = 0; i < s->n; i++)
                event_unref(pending_at(s, i)->event);
        interest_done(&s->interest);
        strv_free(s->filters);
        strv_free(s->urls);
        sd_bus_unref(s->bus);
        free(s->role);
        free(s->name);
        return mfree(s);
}

int subscription_add_relay(Subscription *s, Upstream *u) {
        int64_t mark;

        if (sub_relay(s, u))
                return 0;
        if (s->n_relays == SUBSCRIPTION_RELAYS_MAX)
                return -ENOBUFS;

        mark = shelf_watermark(s->hub->shelf, s->id, upstream_url(u));
        s->relays[s->n_relays++] = (SubRelay){ .upstream = u, .mark = MAX(mark, s->since) };
        upstream_subscribe(u, s);
        return 0;
}

void subscription_drop_relay(Subscription *s, const Upstream *u) {
        SubRelay *r = sub_relay(s, u);

        if (!r)
                return;
        for (size_t i = 0; i < s->n; i++)
                if (pending_at(s, i)->upstream == u)
                        pending_at(s, i)->upstream = NULL;
        upstream_unsubscribe(r->upstream, s);
        *r = s->relays[--s->n_relays];
}

bool subscription_uses(const Subscription *s, const Upstream *u) {
        return sub_relay((Subscription *) s, u);
}

/* ---- watermarks */

int64_t subscription_since(const Subscription *s, const Upstream *u) {
        const SubRelay *r = sub_relay((Subscription *) s, u);
        /* Where the clock was set back, what comes now is older than what has come. */
        int64_t since = MIN(r ? r->mark : s->since, hub_now());

        return MAX(since - subscription_overlap(s), INT64_C(0));
}

void subscription_begins(Subscription *s, const Upstream *u) {
        SubRelay *r = sub_relay(s, u);

        if (r)
                r->complete = r->settled = false;
}

void subscription_heard(Subscription *s, const Upstream *u, int64_t created_at) {
        SubRelay *r = sub_relay(s, u);

        if (r)
                r->heard = MAX(r->heard, created_at);
}

/* What was heard of and is not acknowledged. */
static int64_t oldest_pending(Subscription *s) {
        int64_t oldest = INT64_MAX;

        for (size_t i = 0; i < s->n; i++)
                oldest = MIN(oldest, event_created_at(pending_at(s, i)->event));
        return oldest;
}

/* All up to here has been handed over; the mark follows when that much is acknowledged. */
static void sub_relay_settle(Subscription *s, SubRelay *r, int64_t oldest) {
        uint64_t acknowledged = s->n > 0 ? pending_at(s, 0)->seq - 1 : s->next_seq - 1;
        int64_t mark;

        if (!r->complete || s->gap)
                return;
        if (!r->settled && acknowledged < r->complete_seq)
                return;

        r->settled = true;
        /* Strangers choose the time in their events. */
        mark = MIN(r->heard, hub_now());
        mark = MIN(mark, oldest);
        if (mark <= r->mark)
                return;
        if (shelf_set_watermark(s->hub->shelf, s->id, upstream_url(r->upstream), mark) >= 0)
                r->mark = mark;
}

void subscription_complete(Subscription *s, const Upstream *u) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        SubRelay *r = sub_relay(s, u);

        if (!r || r->complete)
                return;
        r->complete = true;
        r->complete_seq = s->next_seq - 1;
        subscription_flush(s);
        if (sd_bus_message_new_signal(s->bus, &m, BUS_PATH, BUS_RELAY_SERVICE, "Live") < 0 ||
                        sd_bus_message_append(m, "ss", s->name, upstream_url(u)) < 0 ||
                        sd_bus_send(s->bus, m, NULL) < 0)
                log_debug("A subscriber could not be told that it is up to date.");
}

bool subscription_has_room(const Subscription *s) {
        return s->n <= ROOM && s->bytes <= SUBSCRIPTION_BYTES_MAX / 2;
}

/* ---- the window */

/* The marks stand still until what is left out now has been fetched; an event that says it is a
 * little older than the mark is fetched too. */
static void subscription_note_gap(Subscription *s, const Event *e) {
        int64_t from = MAX(event_created_at(e), hub_now() - GAP_REACH);

        if (!s->gap)
                log_debug("\"%s\" of %s is behind: what comes now is fetched later.", s->name,
                                s->role);
        s->gap = true;
        for (size_t i = 0; i < s->n_relays; i++) {
                SubRelay *r = s->relays + i;

                r->complete = r->settled = false;
                r->mark = MIN(r->mark, from);
        }
}

bool subscription_push(Subscription *s, Upstream *u, Event *e) {
        size_t size;

        (void) event_json(e, &size);
        if (s->n == SUBSCRIPTION_WINDOW || s->bytes + size > SUBSCRIPTION_BYTES_MAX || s->gap) {
                subscription_note_gap(s, e);
                return false;
        }

        *pending_at(s, s->n++) =
                        (Pending){ .seq = s->next_seq++, .upstream = u, .event = event_ref(e) };
        s->bytes += size;
        subscription_heard(s, u, event_created_at(e));
        hub_want_flush(s->hub);
        return true;
}

static int append_event(sd_bus_message *m, const Pending *p) {
        _cleanup_free_ char *owned = NULL;
        const char *json;
        int r;

        r = bus_text_json(event_json(p->event, NULL), &owned, &json);
        if (r < 0)
                return r;
        return sd_bus_message_append(
                        m, "(tss)", p->seq, p->upstream ? upstream_url(p->upstream) : "", json);
}

static int subscription_send(Subscription *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        size_t n = 0, bytes = 0;
        int r;

        r = sd_bus_message_new_signal(s->bus, &m, BUS_PATH, BUS_RELAY_SERVICE, "Events");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', s->name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(tss)");
        while (r >= 0 && s->n_sent + n < s->n && n < SIGNAL_EVENTS && bytes < SIGNAL_BYTES) {
                const Pending *p = pending_at(s, s->n_sent + n++);
                size_t size;

                (void) event_json(p->event, &size);
                bytes += size;
                r = append_event(m, p);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_send(s->bus, m, NULL);
        if (r >= 0)
                s->n_sent += n;
        return r;
}

void subscription_flush(Subscription *s) {
        int r = 0;

        while (s->n_sent < s->n && r >= 0)
                r = subscription_send(s);
        if (r < 0)
                log_debug_errno(r, "Events could not be handed to a subscriber: %m");
}

/* What was left out is asked for again, from the oldest on. */
static void subscription_fill_gap(Subscription *s) {
        for (size_t i = 0; i < s->n_relays; i++) {
                /* A relay that is away now may have said meanwhile that all was there. */
                subscription_begins(s, s->relays[i].upstream);
                upstream_subscribe(s->relays[i].upstream, s);
        }
        s->gap = false;
}

static int subscription_note_seen(Subscription *s, const Event *e) {
        return shelf_add_seen(s->hub->shelf, s->id, event_id(e),
                        MIN(event_created_at(e), hub_now() + FUTURE_MAX));
}

static void subscription_drop_first(Subscription *s) {
        Pending *p = pending_at(s, 0);
        size_t size;

        (void) event_json(p->event, &size);
        p->event = event_unref(p->event);
        s->bytes -= size;
        s->first = (s->first + 1) % SUBSCRIPTION_WINDOW;
        s->n--;
        s->n_sent -= s->n_sent > 0;
}

/* What cannot be noted is done with all the same: else the window would stay full for ever. It
 * comes once more after a restart. */
static int subscription_drop_until(Subscription *s, uint64_t seq, int error) {
        while (s->n_sent > 0 && pending_at(s, 0)->seq <= seq) {
                if (error >= 0)
                        error = subscription_note_seen(s, pending_at(s, 0)->event);
                subscription_drop_first(s);
        }
        return error;
}

/* What a relay that was away for longer brings again is known to the consumer. */
static int subscription_prune(Subscription *s) {
        int64_t now = hub_now(), newest = s->since;

        if (now < s->pruned_at + PRUNE_EVERY)
                return 0;
        s->pruned_at = now;
        for (size_t i = 0; i < s->n_relays; i++)
                newest = MAX(newest, s->relays[i].mark);
        return shelf_prune_seen(s->hub->shelf, s->id, MIN(newest, now) - subscription_overlap(s));
}

static int subscription_settle(Subscription *s) {
        int64_t oldest = oldest_pending(s);

        for (size_t i = 0; i < s->n_relays; i++)
                sub_relay_settle(s, s->relays + i, oldest);
        return subscription_prune(s);
}

void subscription_acknowledge(Subscription *s, uint64_t seq) {
        int begun = shelf_begin(s->hub->shelf), r;

        r = subscription_drop_until(s, seq, begun);
        if (r >= 0)
                r = subscription_settle(s);
        if (r < 0)
                log_debug("What was acknowledged is not noted: %s", sql_reason(r));
        if (begun >= 0)
                shelf_end(s->hub->shelf, r);

        if (!subscription_has_room(s))
                return;
        if (s->gap)
                subscription_fill_gap(s);
        for (size_t i = 0; i < s->n_relays; i++)
                upstream_continue(s->relays[i].upstream, s);
}
