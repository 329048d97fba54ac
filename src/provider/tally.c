#include "tally.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/log.h"

#define FLUSH_PAUSE (5 * SEC)
#define RETRY_PAUSE (30 * SEC)
#define KEY_MAX     512

/* One row; its key says all of it. */
typedef struct Row {
        WhyCount count;
        WhyBid bid;
        bool is_bid;
        char *relay;
        char key[]; /* of the map */
} Row;

struct TallyBatch {
        uint64_t number; /* 0: not sent yet */
        Map rows;
        WhyRequest requests[TALLY_REQUESTS_MAX];
        size_t n_requests;
};

static void request_free(WhyRequest *r) {
        free((char *) r->id);
        free((char *) r->relay);
        free((char *) r->verdict);
        free((char *) r->reason);
        free((char *) r->class);
        free((char *) r->backend);
        free((char *) r->model);
        *r = (WhyRequest){};
}

static TallyBatch *batch_free(TallyBatch *b) {
        Row *row;

        if (!b)
                return NULL;

        MAP_FOREACH (row, &b->rows) {
                free(row->relay);
                free(row);
        }
        map_done(&b->rows);
        for (size_t i = 0; i < b->n_requests; i++)
                request_free(&b->requests[i]);
        return mfree(b);
}

static void arm(Tally *t, usec_t pause) {
        int enabled = SD_EVENT_OFF;

        (void) sd_event_source_get_enabled(t->timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void) sd_event_source_set_time_relative(t->timer, pause);
        (void) sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
}

static TallyBatch *growing(Tally *t) {
        if (!t->growing) {
                t->growing = new0(TallyBatch, 1);
                if (!t->growing)
                        return NULL;
                map_init(&t->growing->rows, TALLY_COUNTS_MAX);
        }
        arm(t, FLUSH_PAUSE);
        return t->growing;
}

/* ---- counting */

static Row *row_get(Tally *t, const char *key, const char *relay) {
        TallyBatch *b = growing(t);
        Row *row;

        if (!b)
                return NULL;
        row = map_get_string(&b->rows, key);
        if (row)
                return row;

        row = calloc(1, sizeof(*row) + strlen(key) + 1);
        if (!row)
                return NULL;
        memcpy(row->key, key, strlen(key) + 1);
        row->relay = strdup(relay);
        if (!row->relay || map_put_string(&b->rows, row->key, row) < 0) {
                free(row->relay);
                return mfree(row);
        }
        return row;
}

void tally_count(Tally *t, int64_t now, const char *relay, uint16_t kind, const char *verdict) {
        char key[KEY_MAX];
        Row *row;

        (void) snprintf(key, sizeof(key), "%" PRIi64 " %u %s %s", now / 3600, kind, verdict, relay);
        row = row_get(t, key, relay);
        if (!row)
                return;
        row->count = (WhyCount){
                .hour = now / 3600,
                .relay = row->relay,
                .verdict = verdict,
                .kind = kind,
                .n = row->count.n + 1,
        };
}

uint32_t tally_percent(int64_t bid_msat, int64_t price_msat) {
        if (bid_msat <= 0 || price_msat <= 0)
                return 0;
        if (bid_msat >= price_msat)
                return 100;
        /* Without overflow: a tenth of the price first where it is large. */
        return (uint32_t) (price_msat >= 1000000 ? bid_msat / (price_msat / 10)
                                                 : bid_msat * 10 / price_msat) *
               10;
}

void tally_bid(Tally *t, int64_t now, uint16_t kind, int64_t bid_msat, int64_t price_msat) {
        uint32_t percent = MIN(tally_percent(bid_msat, price_msat), UINT32_C(90));
        char key[KEY_MAX];
        Row *row;

        (void) snprintf(key, sizeof(key), "bid %" PRIi64 " %u %u", now / 3600, kind, percent);
        row = row_get(t, key, "");
        if (!row)
                return;
        row->is_bid = true;
        row->bid = (WhyBid){
                .hour = now / 3600,
                .kind = kind,
                .percent = percent,
                .n = row->bid.n + 1,
        };
}

static int copy_text(const char **field) {
        *field = strdup(*field ?: "");
        return *field ? 0 : -ENOMEM;
}

void tally_request(Tally *t, const WhyRequest *r) {
        TallyBatch *b = growing(t);
        WhyRequest *copy;
        int e = 0;

        if (!b || b->n_requests == TALLY_REQUESTS_MAX)
                return;

        copy = &b->requests[b->n_requests++];
        *copy = *r;
        e |= copy_text(&copy->id);
        e |= copy_text(&copy->relay);
        e |= copy_text(&copy->verdict);
        e |= copy_text(&copy->reason);
        e |= copy_text(&copy->class);
        e |= copy_text(&copy->backend);
        e |= copy_text(&copy->model);
        if (e < 0) {
                request_free(copy);
                b->n_requests--;
        } else if (b->n_requests > TALLY_REQUESTS_MAX / 2)
                tally_flush(t);
}

/* ---- to the store */

static void send(Tally *t);

static void on_counted(int error, const char *reason, void *userdata) {
        Tally *t = userdata;

        /* The same batch has the same number, and is counted once. */
        if (error < 0 && error != -EINVAL && error != -E2BIG) {
                log_debug("What became of requests could not be stored yet: %s", reason);
                arm(t, RETRY_PAUSE);
                return;
        }
        if (error < 0)
                log_warning("What became of requests could not be stored: %s.", reason);
        t->sent = batch_free(t->sent);
        if (t->growing)
                arm(t, FLUSH_PAUSE);
}

static int send_rows(Tally *t, const TallyBatch *b, WhyCount *counts, WhyBid *bids) {
        WhyBatch w = {
                .source = t->source,
                .number = b->number,
                .counts = counts,
                .bids = bids,
                .requests = b->requests,
                .n_requests = b->n_requests,
        };
        const Row *row;

        MAP_FOREACH (row, &b->rows)
                if (row->is_bid)
                        bids[w.n_bids++] = row->bid;
                else
                        counts[w.n_counts++] = row->count;
        return why_client_count(t->store, &w, on_counted, t, &t->call);
}

static void send(Tally *t) {
        size_t n = map_size(&t->sent->rows) + 1;
        _cleanup_free_ WhyCount *counts = new0(WhyCount, n);
        _cleanup_free_ WhyBid *bids = new0(WhyBid, n);
        int r;

        r = counts && bids ? send_rows(t, t->sent, counts, bids) : -ENOMEM;
        if (r >= 0)
                return;
        log_debug_errno(r, "What became of requests cannot be told: %m");
        arm(t, RETRY_PAUSE);
}

void tally_flush(Tally *t) {
        if (t->call)
                return; /* one after the other */
        if (!t->sent) {
                t->sent = TAKE_PTR(t->growing);
                if (!t->sent)
                        return;
                t->sent->number = ++t->number;
        }
        (void) sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
        send(t);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        tally_flush(userdata);
        return 0;
}

int tally_init(Tally *t, sd_event *event, StoreClient *store) {
        uint8_t random[16];
        int r;

        *t = (Tally){ .store = store };
        r = crypt_random(random, sizeof(random));
        if (r < 0)
                return r;
        hex_encode(random, sizeof(random), t->source);
        r = sd_event_add_time_relative(
                        event, &t->timer, CLOCK_BOOTTIME, FLUSH_PAUSE, SEC, on_timer, t);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(t->timer, "tally");
        return sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
}

void tally_done(Tally *t) {
        t->call = why_call_free(t->call);
        t->timer = sd_event_source_disable_unref(t->timer);
        t->growing = batch_free(t->growing);
        t->sent = batch_free(t->sent);
}
