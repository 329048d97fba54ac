#pragma once
/* Purchase: buys one result, as one flow (NIP-90 from the customer's side).
 *
 *   signing → asking → waiting → received
 *
 * It listens before it asks, takes an answer only from the provider that was chosen (from anybody
 * where the order is open), and only when what can be checked about the work is right. It has no
 * purse yet: a provider who wants money first ends a purchase that only he could serve. */
#include "market/market.h"
#include "nostr/nip90.h"

typedef enum PurchaseState {
        PURCHASE_SIGNING,
        PURCHASE_ASKING,
        PURCHASE_WAITING,
        PURCHASE_RECEIVED,
        PURCHASE_FAILED,
        _PURCHASE_STATE_MAX,
} PurchaseState;

typedef struct PurchaseHandler {
        void (*signed_)(Purchase *p, void *userdata); /* it has an id now */
        /* What a provider or a relay said; status is NIP-90's word, or "published", "refused". */
        void (*progress)(Purchase *p, const char *status, const char *text, void *userdata);
        /* Once, at the end; freeing the purchase in it is fine. */
        void (*done)(Purchase *p, void *userdata);
} PurchaseHandler;

/* The order's strings are borrowed during the call only. A negative return: it never started. */
int purchase_start(Market *m, const JobOrder *order, usec_t timeout, int64_t now,
                const PurchaseHandler *handler, void *userdata, Purchase **ret);
Purchase *purchase_free(Purchase *p); /* lets go of it: nothing is called back */
DEFINE_CLEANUP(Purchase, purchase_free)

const char *purchase_id(const Purchase *p); /* "" until it is signed */
PurchaseState purchase_state(const Purchase *p);
Event *purchase_result(const Purchase *p);      /* NULL unless it was received */
const char *purchase_reason(const Purchase *p); /* why it failed, for people */
int purchase_error(const Purchase *p);
