#pragma once
/* Trust: whom the roots follow (kind 3), asked of relays at every start and once an hour, and kept
 * in the store for when no relay answers. */
#include <systemd/sd-event.h>

#include "client/relay-query.h"
#include "client/store-client.h"
#include "keyset.h"

#define TRUST_KEYS_MAX 20000

typedef struct Trust {
        sd_event *event;
        StoreClient *store;
        RelayClient *relay;
        KeySet roots, known; /* known: the roots, and all whom they follow */
        bool read;           /* from the store, if anything is there */
        size_t n_read;       /* parts of it */
        StoreCall *store_call;
        RelayQuery *query;
        sd_event_source *timer;
} Trust;

/* Begins, or begins anew with these roots. */
int trust_start(Trust *t, const KeySet *roots);
void trust_stop(Trust *t);

/* The keys of one list of follows are added. */
int trust_add_follows(KeySet *s, const Event *list);
