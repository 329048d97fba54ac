#pragma once
/* Driver: one kind of wallet backend behind one interface. One file and one line in the table for
 * each (driver.c).
 *
 * The core decodes, checks network and amount, reserves, writes down, checks the preimage, retries
 * and reconciles. A driver carries questions over and tells what came of them; it never decides
 * what is paid. */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "basic/secret.h"
#include "net/http.h"
#include "net/ws.h"

#define DRIVER_CURSOR_MAX   256         /* bytes of text, NUL included */
#define DRIVER_OPAQUE_MAX   (32 * 1024) /* bytes of text */
#define DRIVER_PAY_DEADLINE (60 * SEC)  /* how long pay() waits for an outcome */
#define DRIVER_ASK_DEADLINE (20 * SEC)  /* every other question */

typedef struct Driver Driver;
typedef struct DriverOp DriverOp;

/* FAILED: positively refused, nothing is in flight and nothing will be: only the forms which
 * WALLETS lists for this backend. Every timeout, cut socket, 5xx, code nobody knows is UNKNOWN. */
typedef enum DriverOutcome {
        DRIVER_SETTLED,
        DRIVER_FAILED,
        DRIVER_PENDING, /* the backend says that it is on its way */
        DRIVER_UNKNOWN,
        _DRIVER_OUTCOME_MAX,
} DriverOutcome;
const char *driver_outcome_name(DriverOutcome o); /* "settled" "failed" "pending" "unknown" */

typedef enum DriverInvoiceState {
        DRIVER_INVOICE_OPEN,
        DRIVER_INVOICE_SETTLED,
        DRIVER_INVOICE_EXPIRED, /* or cancelled: the backend will never take money for it */
        DRIVER_INVOICE_ABSENT,  /* the backend does not know it (yet) */
        _DRIVER_INVOICE_STATE_MAX,
} DriverInvoiceState;

/* What the core has to know about a backend. */
typedef struct DriverCaps {
        bool push;            /* watch() tells of settlements as they come */
        bool fee_limit;       /* fee_max_msat is obeyed by the backend */
        bool pay_idempotent;  /* it refuses a hash that it paid or is paying: a payment it says it
                               * does not know may be sent once more */
        bool resend_opaque;   /* pay() with the stored opaque may be repeated at will (NWC: the same
                               * signed event) */
        bool absent_is_final; /* what it does not know was never paid, and is not unless sent again
                               */
        bool pays_itself;  /* it pays invoices that it made; else they are settled in the books */
        bool failed_twice; /* a lookup's FAILED is believed at the second look only */
        int64_t fee_base_msat, fee_ppm; /* it always takes this much; 0: what a route costs */
        int64_t unit_msat;              /* 1 or 1000: incoming amounts are multiples of it */
} DriverCaps;

/* Of an invoice of ours, as the backend has it. Strings are borrowed. */
typedef struct DriverInvoice {
        uint8_t hash[32];
        DriverInvoiceState state;
        const char *bolt11;    /* of make_invoice(); else NULL or "" */
        int64_t received_msat; /* SETTLED: what arrived; -1: the backend only says "paid" */
        int64_t settled_at;    /* seconds; 0: not said */
        uint8_t preimage[32];
        bool has_preimage;
} DriverInvoice;

/* Of an outgoing payment. */
typedef struct DriverPayment {
        DriverOutcome outcome;
        bool absent;      /* lookup, with UNKNOWN: the backend does not know such a payment */
        int64_t fee_msat; /* SETTLED: -1 = not said */
        uint8_t preimage[32];
        bool has_preimage;  /* as the backend said it; the core checks it against the hash */
        const char *reason; /* FAILED and UNKNOWN: fits after a comma; may be the backend's words */
} DriverPayment;

typedef struct DriverInfo {
        int network;                        /* Network; -1: the backend does not say */
        const char *alias, *version, *node; /* "" where it does not say */
} DriverInfo;

/* Exactly once per op, never before the function that made it has returned, never after
 * driver_op_free(). error < 0: nobody knows, or (make_invoice, info, balance) it did not work; the
 * reason is for people. A payment has no error: what went wrong is its outcome. */
typedef void (*driver_invoice_t)(
                int error, const char *reason, const DriverInvoice *invoice, void *userdata);
typedef void (*driver_payment_t)(const DriverPayment *payment, void *userdata);
typedef void (*driver_balance_t)(int error, const char *reason, int64_t msat, void *userdata);
typedef void (*driver_info_t)(
                int error, const char *reason, const DriverInfo *info, void *userdata);
typedef void (*driver_prepared_t)(
                int error, const char *reason, const char *opaque, void *userdata);

typedef struct DriverInvoiceRequest {
        const char *id; /* ours, ≤ 64 characters: for backends with an external id */
        int64_t amount_msat;
        const char *description; /* ≤ 639 bytes, clean UTF-8 */
        uint32_t expiry_s;
        const uint8_t *description_hash; /* 32 bytes instead of the description; NULL */
} DriverInvoiceRequest;

/* The core has decoded bolt11 and holds its hash, amount, expiry and network. */
typedef struct DriverPayRequest {
        const char *id; /* the intent's */
        const char *bolt11;
        uint8_t hash[32];
        int64_t amount_msat; /* what the payee gets */
        bool amount_is_ours; /* the invoice names none: tell the backend */
        int64_t fee_max_msat;
        int64_t expires_at; /* of the invoice, seconds */
        const char *opaque; /* what prepare() made, or ""; durable by now */
        bool again;         /* it may have been sent before: a refusal now proves nothing */
} DriverPayRequest;

/* What the core hands in; everything lives longer than the driver. */
typedef struct DriverDoors {
        sd_event *event;
        const Config *config; /* [wallet] url and so on; network */
        Secret *secret; /* the backend's credential without its newline; NULL: none was given */
        Http *http;     /* with [wallet] ca_file and pin; for the backend only */
        WsLoop *ws;     /* the same */
        const char *relay_socket, *signer_socket, *store_socket; /* NULL where there is none */
} DriverDoors;

typedef struct DriverHandler {
        /* What was settled; at least once each, in the backend's order. The cursor stands behind
         * the last of them: the core saves it with the booking and gives it to the next watch().
         * "": there is none. */
        void (*settled)(const DriverInvoice *invoices, size_t n, const char *cursor,
                        void *userdata);
        /* The watch works (again), or why not: for status lines. */
        void (*state)(bool up, const char *reason, void *userdata);
        /* A payment of ours ended, as a push says; the core looks it up. May be called with what
         * is no payment of ours. */
        void (*payment_moved)(const uint8_t hash[static 32], void *userdata);
} DriverHandler;

typedef struct DriverClass {
        const char *name; /* as in [wallet] driver */
        DriverCaps caps;
        bool wants_secret, wants_url; /* refused at the start without */

        /* Does not wait for the network. A reason with the error. */
        int (*open)(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                        Driver **ret, const char **reterr);
        void (*close)(Driver *d);      /* all ops are gone by then; frees the driver */
        void (*op_free)(DriverOp *op); /* lets go of its calls and frees it; never touches the
                                        * driver's own fields */

        /* Each links its op with driver_op_begin() and ends it with one driver_op_…(). Negative:
         * it never started. */
        int (*make_invoice)(Driver *d, const DriverInvoiceRequest *r, driver_invoice_t done,
                        void *userdata, DriverOp **ret);
        int (*lookup_invoice)(Driver *d, const uint8_t hash[static 32], driver_invoice_t done,
                        void *userdata, DriverOp **ret);
        /* What must be on disk before pay(); NULL: nothing. Sends nothing that could pay. */
        int (*prepare)(Driver *d, const DriverPayRequest *r, driver_prepared_t done, void *userdata,
                        DriverOp **ret);
        int (*pay)(Driver *d, const DriverPayRequest *r, driver_payment_t done, void *userdata,
                        DriverOp **ret);
        int (*lookup_payment)(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                        void *userdata, DriverOp **ret);
        int (*balance)(Driver *d, driver_balance_t done, void *userdata, DriverOp **ret);
        int (*info)(Driver *d, driver_info_t done, void *userdata, DriverOp **ret);
        /* Once, after open(). Connects, and again with growing pauses, catches up from the cursor
         * after each connect. NULL where nothing pushes. cursor "": from now on, and whatever the
         * backend settled lately. */
        int (*watch)(Driver *d, const char *cursor);
        /* regtest only: the faucet pays this invoice of ours. */
        int (*fund)(Driver *d, const uint8_t hash[static 32], driver_payment_t done, void *userdata,
                        DriverOp **ret);
} DriverClass;

/* Each driver's own struct begins with this; driver_init() in open(). */
struct Driver {
        const DriverClass *class;
        DriverDoors doors;
        const DriverHandler *handler;
        void *userdata;
        DriverOp *ops;
        size_t n_ops;
};

/* Each driver's own op begins with this. */
struct DriverOp {
        Driver *driver;
        const DriverClass *class;
        DriverOp *prev, *next, **handle;
        union {
                driver_invoice_t invoice;
                driver_payment_t payment;
                driver_balance_t balance;
                driver_info_t info;
                driver_prepared_t prepared;
        } done;
        void *userdata;
};

extern const DriverClass driver_regtest, driver_nwc, driver_phoenixd, driver_lnd, driver_cln,
                driver_lnbits;
const DriverClass *driver_class(const char *name); /* NULL: no such driver */
int64_t driver_fee_fixed(const DriverClass *class, int64_t amount_msat);

/* For the core. */
Driver *driver_free(Driver *d); /* lets go of all ops; nothing is called back */
DEFINE_CLEANUP(Driver, driver_free)
DriverOp *driver_op_free(DriverOp *op); /* cancels the waiting, not the payment */
DEFINE_CLEANUP(DriverOp, driver_op_free)

/* For the drivers. handle may be NULL; it is cleared when the op is over. The caller then sets
 * op->done. */
void driver_init(Driver *d, const DriverClass *class, const DriverDoors *doors,
                const DriverHandler *handler, void *userdata);
#define DRIVER_OPS_MAX 4096 /* -ENOBUFS */
int driver_op_begin(Driver *d, DriverOp *op, void *userdata, DriverOp **handle);
/* The end of an op: it is unlinked, told, and freed by op_free(). Strings and structs may lie in
 * the op. The driver may be gone afterwards. */
void driver_op_invoice(DriverOp *op, int error, const char *reason, const DriverInvoice *invoice);
void driver_op_payment(DriverOp *op, const DriverPayment *payment);
void driver_op_balance(DriverOp *op, int error, const char *reason, int64_t msat);
void driver_op_info(DriverOp *op, int error, const char *reason, const DriverInfo *info);
void driver_op_prepared(DriverOp *op, int error, const char *reason, const char *opaque);
