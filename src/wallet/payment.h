#pragma once
/* Payment: money on its way out. From the reservation to an outcome that is certain, whatever dies
 * in between; what it walks through is the table in payment.c. */
#include "basic/codec.h"
#include "basic/flow.h"
#include "client/books-client.h"
#include "driver.h"
#include "lnurl-pay.h"
#include "money/bolt11.h"
#include "nwc-bill.h"

typedef struct Wallet Wallet;
typedef struct Payment Payment;

#define PAYMENT_WAITERS_MAX 8
#define PAYMENT_REASON_MAX  256

typedef enum PaymentState {
        PAYMENT_ASKED,     /* is this id known? */
        PAYMENT_RESOLVING, /* a lightning address, LNURL or customer's wallet becomes an invoice */
        PAYMENT_CHECKING,
        PAYMENT_RESERVING,
        PAYMENT_WAITING, /* for a person's word */
        PAYMENT_PREPARING,
        PAYMENT_SENT,
        PAYMENT_LOOKING, /* what became of it? */
        PAYMENT_PAUSED,
        PAYMENT_SETTLED,
        PAYMENT_FAILED,
        PAYMENT_REFUSED, /* nothing was reserved */
        PAYMENT_JOINED,  /* it is another payment, or this one in the books: see id */
        _PAYMENT_STATE_MAX,
} PaymentState;

/* For people and other services: "new", "waiting", "sent", "pending", "unknown", "settled",
 * "failed". */
const char *payment_word(const Payment *p);

typedef void (*payment_over_t)(Payment *p, void *userdata);
typedef struct PaymentWaiter {
        payment_over_t over;
        void *userdata;
} PaymentWaiter;

struct Payment {
        Flow flow;
        Wallet *wallet;
        char *id; /* where JOINED: of the payment it is */
        char *account, *destination, *bolt11, *payee, *grant, *purpose, *ref, *comment, *zap;
        char *verify; /* LUD-21; NULL or "": the payee's server does not say */
        char hash[HEX32_MAX];
        uint8_t hash_bytes[32];
        int64_t amount_msat, fee_max_msat, expires_at;
        bool amount_is_ours;
        char *opaque;
        char driver[24]; /* which it was sent by; "internal": to an invoice of our own */
        int64_t tries;   /* how often it was sent */
        unsigned pauses;
        bool absent; /* the backend says now that it does not know it */
        bool failed_once, pending, written, resolved;
        bool recorded;        /* the books know its end already */
        bool sent_written;    /* they have it as sent since it was reserved */
        int64_t looked_first; /* when the backend first said that it does not know it; 0 */

        LnurlCall *resolution;
        NwcBill *bill;
        DriverOp *op;
        BooksCall *call;
        sd_event_source *again; /* what could not be written is written again */
        usec_t again_usec;

        int64_t fee_msat;
        char preimage[HEX32_MAX];
        char reason[PAYMENT_REASON_MAX];
        const char *error_name; /* where REFUSED: of the D-Bus error */

        PaymentWaiter waiters[PAYMENT_WAITERS_MAX];
        size_t n_waiters;
};

/* What is to be paid; strings are copied. */
typedef struct PaymentOrder {
        const char *id, *account, *destination, *grant, *purpose, *ref, *payee, *comment;
        const char *zap;      /* NIP-57: the signed request for the payee's server; NULL */
        int64_t amount_msat;  /* 0: the invoice's */
        int64_t fee_max_msat; /* -1: the usual limit */
} PaymentOrder;

/* Starts one, or finds the one of this id that is on its way. -ENOBUFS: too many are. */
int payment_new(Wallet *w, const PaymentOrder *order, Payment **ret);
/* From a row of the books: looked up, or released where it was never sent. */
int payment_adopt(Wallet *w, const BooksIntent *intent);
Payment *payment_free(Payment *p); /* stops the waiting; the money may be on its way */
Payment *payment_find(Wallet *w, const char *id_or_hash); /* of those that are not over */
Payment *payment_find_refund(Wallet *w, const char *job); /* the same */

/* Told once, when it is over (settled, failed, refused, joined). -ENOBUFS. */
int payment_wait(Payment *p, payment_over_t over, void *userdata);
void payment_unwait(Payment *p, const void *userdata);

/* A person has decided. -EALREADY: it is not waiting. */
int payment_approved(Payment *p, bool yes);
/* A person knows better than the backend. -EALREADY: it was never sent, or is over. */
int payment_resolve(Payment *p, bool settled, const char *note);
void payment_look(Payment *p); /* now, because something happened */
