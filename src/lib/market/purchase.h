#pragma once
/* Purchase: buys one result, as one flow (NIP-90 from the customer's side). The table of its states
 * is in purchase.c.
 *
 * The signed request is on disk before anybody hears of it, and every invoice before it is paid, so
 * that a purchase outlives the terminal it was ordered in and every crash. It listens before it
 * asks, takes an answer only from the provider that was chosen (from anybody where the order is
 * open, from nobody but the payee once somebody is to be paid), and only when what can be checked
 * about the work is right. One purchase pays once, whatever providers send. */
#include "client/purchases-client.h"
#include "market/market.h"
#include "nostr/nip90.h"

typedef enum PurchaseState {
        PURCHASE_SIGNING,
        PURCHASE_ASKING,
        PURCHASE_WAITING,
        PURCHASE_COMPARING,
        PURCHASE_UNPAID,
        PURCHASE_PAYING,
        PURCHASE_PAID,
        PURCHASE_RECEIVED,
        PURCHASE_FAILED,
        _PURCHASE_STATE_MAX,
} PurchaseState;

typedef struct PurchaseHandler {
        void (*stored)(Purchase *p, void *userdata); /* it has an id, and is on disk */
        /* What a provider or a relay said; status is NIP-90's word, or one of ours: "published",
         * "refused", "invoice" (the text is BOLT 11, to be paid by whoever reads it), "paying",
         * "paid". */
        void (*progress)(Purchase *p, const char *status, const char *text, void *userdata);
        /* Once, at the end; freeing the purchase in it is fine. */
        void (*done)(Purchase *p, void *userdata);
} PurchaseHandler;

typedef struct PurchaseOrder {
        JobOrder job;
        usec_t timeout;
        bool auto_pay;
        int64_t max_msat; /* -1: not said */
} PurchaseOrder;

/* The order's strings are borrowed during the call only. A negative return: it never started. */
int purchase_start(Market *m, const PurchaseOrder *order, const PurchaseHandler *handler,
                void *userdata, Purchase **ret);
/* One that a former life has stored. -EBADMSG: its row is no purchase. */
int purchase_resume(Market *m, const PurchaseRow *row, const PurchaseHandler *handler,
                void *userdata, Purchase **ret);
Purchase *purchase_free(Purchase *p); /* lets go of it: nothing is called back */
DEFINE_CLEANUP(Purchase, purchase_free)

const char *purchase_id(const Purchase *p); /* "" until it is signed */
PurchaseState purchase_state(const Purchase *p);
const char *purchase_state_name(PurchaseState s);
bool purchase_state_is_durable(PurchaseState s);
const char *purchase_invoice(const Purchase *p); /* "" until one was taken */
Event *purchase_result(const Purchase *p);       /* NULL unless it was received */
const char *purchase_reason(const Purchase *p);  /* why it failed, for people */
int purchase_error(const Purchase *p);
