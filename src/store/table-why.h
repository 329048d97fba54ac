#pragma once
/* What became of every request that was seen: counts by hour, relay, kind and verdict; how far bids
 * were below the price; and the last requests one by one. Only the provider writes here, in
 * batches, and all of it is bounded. */
#include "basic/sql.h"

#define WHY_TEXT_MAX   1024
#define WHY_HOURS_KEPT (60 * 24)
#define WHY_EVENTS_MAX 20000
#define WHY_COUNTS_MAX 500000 /* rows */

typedef struct WhyCount {
        int64_t hour; /* since 1970 */
        const char *relay, *verdict;
        uint16_t kind;
        uint64_t n;
} WhyCount;

typedef struct WhyBid {
        int64_t hour;
        uint16_t kind;
        uint32_t percent; /* of the price: 0, 10 … 90 */
        uint64_t n;
} WhyBid;

/* Of one request; what is not known yet is "" or -1, and leaves what was known before. */
typedef struct WhyEvent {
        const char *id, *relay, *verdict, *reason, *class, *backend, *model;
        uint16_t kind;
        int64_t at, bid_msat, price_msat, wait_ms, run_ms;
} WhyEvent;

typedef struct WhyTable WhyTable;

int why_table_new(Sql *db, WhyTable **ret);
WhyTable *why_table_free(WhyTable *t);
DEFINE_CLEANUP(WhyTable, why_table_free)

/* Is this batch new? Each source numbers its batches, and the last one of the last source is
 * remembered: 0 where it was taken already. */
int why_begin(WhyTable *t, const char *source, uint64_t number);
/* -EINVAL: a text is too long, or no text at all. */
int why_add_count(WhyTable *t, const WhyCount *c);
int why_add_bid(WhyTable *t, const WhyBid *b);
int why_add_event(WhyTable *t, const WhyEvent *e);
int why_end(WhyTable *t, int64_t now); /* forgets what is too old, and what is too much */

typedef int (*why_count_t)(const WhyCount *c, void *userdata);
typedef int (*why_bid_t)(const WhyBid *b, void *userdata);
/* Summed over all hours from this one on. */
int why_counts(WhyTable *t, int64_t hour, why_count_t row, void *userdata);
int why_bids(WhyTable *t, int64_t hour, why_bid_t row, void *userdata);
/* As job_get() in table-job.h. */
int why_event(WhyTable *t, const char *prefix, SqlStatement **ret, const char **reterr);
