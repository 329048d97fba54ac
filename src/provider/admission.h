#pragma once
/* Admission: do we take this request? Pure: the request, what we allow, and the time go in, and a
 * verdict comes out. What only a backend can judge (the input itself) is the backend's check. */
#include "keyset.h"
#include "nostr/nip90.h"
#include "verdict.h"

#define REQUEST_SIZE_MAX (60 * 1024) /* JSON text: what relays take */
#define FUTURE_MAX       (15 * 60)   /* seconds that clocks may differ */

typedef struct Limits {
        const char *pubkey_hex; /* ours */
        const uint16_t *kinds;  /* that we serve */
        size_t n_kinds;
        bool open; /* new jobs are taken */
        bool wallet;
        int64_t price_msat; /* 0: free */
        bool any_bid;       /* a low bid is no reason to refuse */
        int64_t age_max;    /* seconds; INT64_MAX for a job that was accepted before a restart */
        size_t queue_max, unpaid_max, per_customer_max;
        uint64_t per_customer_bytes_max;
        size_t n_queued, n_unpaid, n_of_customer;
        uint64_t bytes_of_customer;
        const KeySet *agents, *allow, *deny; /* NULL or empty: none is named */
        const KeySet *trusted;               /* NULL: everybody is */
        unsigned min_pow;
        bool known; /* it was let in before a restart: only what it asks for matters */
} Limits;

bool admission_is_agent(const JobRequest *r, const Limits *l);

/* Called again with the opened request where the answer was VERDICT_SEALED. */
Verdict admission(const JobRequest *r, const Limits *l, int64_t now);
