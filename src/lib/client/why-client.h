#pragma once
/* WhyClient: what became of requests, told to the store and read from it. */
#include <systemd/sd-bus.h>

#include "client/store-client.h"

typedef struct WhyCount {
        int64_t hour; /* since 1970; not when reading */
        const char *relay, *verdict;
        uint16_t kind;
        uint64_t n;
} WhyCount;

typedef struct WhyBid {
        int64_t hour;
        uint16_t kind;
        uint32_t percent; /* of the price, at least: 0, 10 … 90 */
        uint64_t n;
} WhyBid;

/* What is not known (yet) is "" or -1. */
typedef struct WhyRequest {
        const char *id, *relay, *verdict, *reason, *class, *backend, *model;
        uint16_t kind;
        int64_t at, bid_msat, price_msat, wait_ms, run_ms;
} WhyRequest;

/* The batches of one source are numbered; the same number again is counted once. */
typedef struct WhyBatch {
        const char *source;
        uint64_t number;
        const WhyCount *counts;
        const WhyBid *bids;
        const WhyRequest *requests;
        size_t n_counts, n_bids, n_requests;
} WhyBatch;

typedef struct WhyCall WhyCall;

/* As in client/store-client.h. *ret is cleared when it is over, so it must live as long; free it
 * before the client. */
typedef void (*why_counted_t)(int error, const char *reason, void *userdata);
int why_client_count(StoreClient *c, const WhyBatch *b, why_counted_t done, void *userdata,
                WhyCall **ret);
/* The answer as it is, to be passed on: of Read() a(sqst) and a(qut), of Request() a{sv}, empty
 * where there is no such request. */
typedef void (*why_answer_t)(sd_bus_message *answer, int error, const char *reason, void *userdata);
int why_client_read(
                StoreClient *c, int64_t since, why_answer_t done, void *userdata, WhyCall **ret);
int why_client_request(StoreClient *c, const char *prefix, why_answer_t done, void *userdata,
                WhyCall **ret);
WhyCall *why_call_free(WhyCall *call); /* cancels */
DEFINE_CLEANUP(WhyCall, why_call_free)
