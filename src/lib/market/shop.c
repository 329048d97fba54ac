/* Who sells what, and how it went. */
#include "market/shop.h"

#include <stdio.h>

#include "basic/log.h"
#include "market/shop-private.h"

#define FRESH_USEC  (5 * MIN_)
#define RETRY_USEC  (15 * SEC) /* of what is empty, or does not do */
#define QUERY_USEC  (3 * SEC)
#define QUERY_LIMIT 500

usec_t shop_now(const Shop *s) {
        uint64_t now = 0;

        (void) sd_event_now(s->event, CLOCK_BOOTTIME, &now);
        return now;
}

int64_t shop_time(const Shop *s) {
        uint64_t now = 0;

        (void) sd_event_now(s->event, CLOCK_REALTIME, &now);
        return (int64_t) (now / SEC);
}

/* ---- the shelves */

static void shelf_clear(Shelf *f) {
        for (size_t i = 0; i < f->n; i++)
                nip89_offer_done(f->offers + i);
        f->offers = mfree(f->offers);
        f->n = 0;
}

static bool shelf_has(const Shelf *f, const char *pubkey_hex) {
        for (size_t i = 0; i < f->n; i++)
                if (streq(f->offers[i].pubkey_hex, pubkey_hex))
                        return true;
        return false;
}

/* The newest come first, so the first of an author counts. */
static int shelf_fill(Shelf *f, Event *const *events, size_t n) {
        const char *reason;

        shelf_clear(f);
        f->offers = new0(Offer, OFFERS_MAX);
        if (!f->offers)
                return -ENOMEM;
        for (size_t i = 0; i < n && f->n < OFFERS_MAX; i++)
                if (!shelf_has(f, event_pubkey_hex(events[i])) &&
                                nip89_offer_read(events[i], f->kind, f->offers + f->n, &reason) >=
                                                0)
                        f->n++;
        return 0;
}

/* The one of this kind, or the place of the oldest. */
static Shelf *shelf_of(Shop *s, uint16_t kind) {
        Shelf *oldest = s->shelves;

        for (Shelf *f = s->shelves; f < s->shelves + SHELVES_MAX; f++) {
                if (f->kind == kind)
                        return f;
                if (f->at < oldest->at)
                        oldest = f;
        }
        shelf_clear(oldest);
        *oldest = (Shelf){ .kind = kind };
        return oldest;
}

/* One may end in it, and take others with it. */
static void go_on(Shop *s, uint16_t kind) {
        for (;;) {
                Deal *d = s->deals;

                while (d && !(d->waits && d->kind == kind))
                        d = d->next;
                if (!d)
                        return;
                d->waits = false;
                deal_go_on(d);
        }
}

static void on_offers(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Shop *s = userdata;
        Shelf *f = shelf_of(s, s->asked);

        if (error >= 0)
                error = shelf_fill(f, events, n);
        if (error < 0)
                log_debug("Who sells kind %u cannot be asked: %s", s->asked, reason ?: "no memory");
        f->at = shop_now(s);
        go_on(s, s->asked);
        for (Deal *d = s->deals; d && !s->query; d = d->next) /* of another kind, meanwhile */
                if (d->waits) {
                        const Shelf *other;

                        if (shop_shelf(s, d->kind, false, &other) != 0) {
                                go_on(s, d->kind);
                                return;
                        }
                }
}

static int ask(Shop *s, uint16_t kind) {
        char filter[64];
        const RelayQuestion question = {
                .filters = (const char *const[]){ filter, NULL },
                .limit = QUERY_LIMIT,
                .timeout = QUERY_USEC,
        };

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"#k\":[\"%u\"]}", NIP89_KIND,
                        kind);
        s->asked = kind;
        return relay_client_query(s->market->relay, &question, on_offers, s, &s->query);
}

/* ---- how it went before */

static void on_outcomes(int error, const char *reason, const PurchaseOutcome *outcomes, size_t n,
                void *userdata) {
        Shop *s = userdata;

        if (error < 0)
                log_warning("How it went with providers cannot be read: %s.", reason);
        for (size_t i = n; error >= 0 && i > 0; i--) /* the oldest first */
                (void) records_note(
                                &s->records, &(RecordNote){
                                                             .pubkey_hex = outcomes[i - 1].provider,
                                                             .good = outcomes[i - 1].good,
                                                             .at = outcomes[i - 1].at,
                                                             .took_msec = outcomes[i - 1].took_msec,
                                                             .cost_msat = outcomes[i - 1].cost_msat,
                                             });
        s->remembers = true;
        for (Deal *d = s->deals; d; d = d->next)
                if (d->waits) {
                        if (!s->query && ask(s, d->kind) < 0)
                                go_on(s, d->kind);
                        return;
                }
}

int shop_shelf(Shop *s, uint16_t kind, bool fresh, const Shelf **ret) {
        Shelf *f = shelf_of(s, kind);
        usec_t most = fresh || f->n == 0 ? RETRY_USEC : FRESH_USEC;

        *ret = f;
        if (s->remembers && f->at > 0 && shop_now(s) < f->at + most)
                return 1;
        if (s->query || s->loading)
                return 0;
        if (!s->remembers)
                return purchases_outcomes(s->market->purchases, on_outcomes, s, &s->loading) < 0;
        return ask(s, kind) < 0;
}

/* ---- life */

int shop_new(sd_event *event, Market *m, Network network, Shop **ret) {
        Shop *s = new0(Shop, 1);

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->market = m;
        s->network = network;
        records_init(&s->records);
        *ret = s;
        return 0;
}

Shop *shop_free(Shop *s) {
        if (!s)
                return NULL;

        while (s->deals)
                (void) deal_free(s->deals);
        s->query = relay_query_free(s->query);
        s->loading = purchases_call_free(s->loading);
        for (size_t i = 0; i < SHELVES_MAX; i++)
                shelf_clear(s->shelves + i);
        records_done(&s->records);
        sd_event_unref(s->event);
        return mfree(s);
}
