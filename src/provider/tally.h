#pragma once
/* Tally: what became of each request that was seen, counted here and handed to the store a few
 * seconds later in one lazy batch: no job waits for it, and none costs a commit more. */
#include <systemd/sd-event.h>

#include "basic/map.h"
#include "client/why-client.h"

#define TALLY_COUNTS_MAX   4096 /* that wait for the store; what does not fit is not counted */
#define TALLY_REQUESTS_MAX 2048

typedef struct TallyBatch TallyBatch;

typedef struct Tally {
        StoreClient *store;
        sd_event_source *timer;
        char source[33]; /* of this life of the provider */
        uint64_t number; /* of the last batch */
        TallyBatch *growing, *sent;
        WhyCall *call;
} Tally;

int tally_init(Tally *t, sd_event *event, StoreClient *store);
void tally_done(Tally *t);

void tally_count(Tally *t, int64_t now, const char *relay, uint16_t kind, const char *verdict);
/* Somebody offered less than the price. */
void tally_bid(Tally *t, int64_t now, uint16_t kind, int64_t bid_msat, int64_t price_msat);
/* All texts are copied; NULL is "". */
void tally_request(Tally *t, const WhyRequest *r);
void tally_flush(Tally *t); /* at once, as far as the store has answered what was sent before */

uint32_t tally_percent(int64_t bid_msat, int64_t price_msat); /* 0, 10 … 90: at least so much */
