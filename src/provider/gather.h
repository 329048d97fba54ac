#pragma once
/* Gather: the texts of a request's inputs, fetched: URLs from the public Internet, events from
 * relays, the results of other jobs from our own store or from relays, as soon as they are there.
 *
 * A job whose input is another job can wait for it without an end in sight, but never for itself:
 * ids are hashes, so no request can name one that names it. */
#include "basic/config.h"
#include "client/relay-client.h"
#include "client/signer-client.h"
#include "client/store-client.h"
#include "input.h"
#include "net/http.h"

#define GATHER_MAX 16 /* inputs of one request that must be fetched */

typedef struct Gather Gather;

typedef struct GatherDoors {
        sd_event *event;
        const Config *config;
        Http *http;
        RelayClient *relay;
        StoreClient *store;
        SignerClient *signer;
        const char *pubkey_hex; /* ours; not copied */
} GatherDoors;

InputRules gather_rules(const Config *c);
/* Do we have to fetch anything? */
bool gather_is_needed(const JobRequest *r);

/* Exactly once, never before gather_start() has returned, never after gather_free(), which is
 * allowed in it. error < 0: the reason is a sentence for the customer. Else there is a text for
 * each input, NULL where it is a text itself. */
typedef void (*gather_done_t)(
                int error, const char *reason, const char *const *texts, void *userdata);

/* `relays` is where the request is answered: events may be there, too. NULL: none. Everything but
 * the request is copied. */
int gather_start(const GatherDoors *d, const JobRequest *r, char *const *relays, gather_done_t done,
                void *userdata, Gather **ret);
Gather *gather_free(Gather *g); /* cancels */
