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
        PURCHASE_FINDING,
        PURCHASE_SIGNING,
        PURCHASE_ASKING,
        PURCHASE_WAITING,
        PURCHASE_COMPARING,
        PURCHASE_UNPAID,
        PURCHASE_PAYING,
        PURCHASE_PAID,
        PURCHASE_CANCELLING,
        PURCHASE_RECEIVED,
        PURCHASE_FAILED,
        _PURCHASE_STATE_MAX,
} PurchaseState;

typedef struct PurchaseHandler {
        /* It has an id, and is on disk: now, or since a former life. */
        void (*stored)(Purchase *p, void *userdata);
        /* What a provider or a relay said; status is NIP-90's word, or one of ours: "published",
         * "refused", "invoice" (the text is BOLT 11, to be paid by whoever reads it), "paying",
         * "paid". */
        void (*progress)(Purchase *p, const char *status, const char *text, void *userdata);
        /* Once, at the end; freeing the purchase in it is fine. */
        void (*done)(Purchase *p, void *userdata);
} PurchaseHandler;

/* Who buys, and under which name of his own. */
typedef struct PurchaseBuyer {
        const char *key;     /* of the signer; NULL: the market's */
        const char *account; /* that pays; NULL: the owner's */
        const char *grant;   /* NULL: only the account's balance limits it */
        const char *ref;     /* NULL: none. Of each ref there is one purchase, for ever */
} PurchaseBuyer;

typedef struct PurchaseOrder {
        JobOrder job; /* its `encrypted` with a provider only */
        PurchaseBuyer buyer;
        usec_t timeout;
        bool auto_pay;
        int64_t max_msat;     /* -1: not said; with a ref fees are in it */
        int64_t fee_max_msat; /* what the wallet allows at most; -1: not said. Only with a ref */
} PurchaseOrder;

/* The order's strings are borrowed during the call only. A negative return: it never started.
 *
 * Where there is a purchase of this ref already, in whatever state and of whichever life, it is
 * that one: nothing is asked or paid a second time, and a result that came is given again. -EBUSY:
 * somebody in this process holds it. */
int purchase_start(Market *m, const PurchaseOrder *order, const PurchaseHandler *handler,
                void *userdata, Purchase **ret);
/* As above, but nothing is bought: it fails with -ENOENT where there is none. */
int purchase_find(Market *m, const PurchaseBuyer *buyer, const PurchaseHandler *handler,
                void *userdata, Purchase **ret);
/* One that a former life has stored. -EBADMSG: its row is no purchase. */
int purchase_resume(Market *m, const PurchaseRow *row, const PurchaseHandler *handler,
                void *userdata, Purchase **ret);
/* The same for one with a ref: it goes on by itself until somebody asks for it. 0 where it is here
 * already. */
int purchase_resume_alone(Market *m, const PurchaseRow *row);
Purchase *purchase_free(Purchase *p); /* lets go of it: nothing is called back */
DEFINE_CLEANUP(Purchase, purchase_free)
/* Lets go of one with a ref: what is on disk goes on by itself, and is found by the ref. */
Purchase *purchase_leave(Purchase *p);
/* Gives up: the provider is told by a deletion (NIP-09), then it fails with this reason. blamed: it
 * is the provider's fault. -EBUSY while a payment's outcome is open. */
int purchase_cancel(Purchase *p, const char *reason, bool blamed);
/* Both: it is left, and gives up by itself unless a payment is open. Not from within a handler. */
Purchase *purchase_abandon(Purchase *p, const char *reason, bool blamed);

const char *purchase_id(const Purchase *p); /* "" until it is signed */
PurchaseState purchase_state(const Purchase *p);
const char *purchase_state_name(PurchaseState s);
bool purchase_state_is_durable(PurchaseState s);
const char *purchase_invoice(const Purchase *p); /* "" until one was taken */
Event *purchase_result(const Purchase *p);       /* NULL unless it was received */
/* Of the result, decrypted where it came encrypted; NULL unless it was received. */
const char *purchase_content(const Purchase *p);
const char *purchase_provider(const Purchase *p); /* who was asked or paid; "": anybody */
int64_t purchase_spent(const Purchase *p);      /* msat that our wallet paid, as far as is known */
int64_t purchase_created_at(const Purchase *p); /* seconds */
bool purchase_is_paying(const Purchase *p);     /* the outcome of a payment is open */
bool purchase_is_blamed(const Purchase *p);     /* it failed by the provider's fault */
int64_t purchase_took_msec(const Purchase *p);  /* from the question to the result; -1: not known */
const char *purchase_reason(const Purchase *p); /* why it failed, for people */
int purchase_error(const Purchase *p);
