#pragma once
/* Customers: what each of those who have open jobs may still ask for, and his lanes in the queue.
 * Pure. How fast somebody asks is remembered after his jobs are done, of a bounded number. */
#include "basic/map.h"
#include "queue.h"

typedef struct Customer {
        char pubkey_hex[65];
        size_t n_jobs, n_running;
        uint64_t bytes; /* of the requests */
        QueueLane lanes[_QUEUE_CLASS_MAX];
        QueueLane fetch_lanes[_QUEUE_CLASS_MAX]; /* for inputs, before the work */
} Customer;

typedef struct Customers {
        Map open; /* by public key as hex */
} Customers;

void customers_init(Customers *c, size_t max);
void customers_done(Customers *c);
Customer *customers_get(const Customers *c, const char *pubkey_hex); /* NULL: has no job */
/* Belongs to the customers, and is gone with its last job. */
int customers_add_job(Customers *c, const char *pubkey_hex, size_t bytes, Customer **ret);
void customers_remove_job(Customers *c, Customer *customer, size_t bytes);

/* Pace: who may ask how often, as a bucket that fills again. Those who have not asked for as long
 * as it takes to fill are forgotten; where too many ask at once, the others share one bucket. */
typedef struct Pace {
        Map buckets; /* by public key as hex */
        usec_t shared_at, forgot_at;
} Pace;

typedef struct PaceLimit {
        uint32_t n;  /* so many at once, 0: no limit */
        usec_t span; /* and so many in each span */
} PaceLimit;

void pace_init(Pace *p, size_t max);
void pace_done(Pace *p);
/* Takes one of his; false: there is none, and *ret_wait says when there is. */
bool pace_take(Pace *p, const char *pubkey_hex, const PaceLimit *l, usec_t now, usec_t *ret_wait);
