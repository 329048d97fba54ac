#pragma once
/* WalletClient: what provider and host ask of pylon-wallet; who may ask for what is the table in
 * src/wallet/policy.c. Asking for invoices and noting
 * settlements ride together, one message per turn of the loop; a lost answer is asked for again and
 * is the same: an invoice belongs to (job, stage), a payment to its id. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define WALLET_WAITING_MAX 16384 /* calls without an answer; then -ENOBUFS */

typedef struct WalletClient WalletClient;
typedef struct WalletCall WalletCall;

/* Strings are borrowed, in both directions. */
typedef struct WalletSettled {
        const char *job_id, *stage;
        int64_t received_msat, settled_at;
} WalletSettled;

/* Each may be NULL. All but settled are said once, to whoever is connected just then: after
 * `returned`, ask. */
typedef struct WalletHandler {
        /* Invoices of this caller's jobs that are paid, booked and on disk. Told again, at every
         * connection, until wallet_client_noted(). */
        void (*settled)(const WalletSettled *settled, size_t n, void *userdata);
        /* The connection is back after it was lost. */
        void (*returned)(void *userdata);
        /* Any invoice was paid, any payment has another state, money was moved inside: all of it is
         * on disk by then. */
        void (*invoice_settled)(
                        const char *hash, const char *account, int64_t msat, void *userdata);
        void (*payment_changed)(const char *id, const char *state, void *userdata);
        void (*transferred)(const char *id, const char *from, const char *to, int64_t msat,
                        void *userdata);
} WalletHandler;

/* handler may be NULL: nobody waits for anything. With a handler the connection is kept as soon as
 * an invoice was asked for or wallet_client_listen() was called. */
int wallet_client_new(sd_event *event, const char *socket_path, const WalletHandler *handler,
                void *userdata, WalletClient **ret);
WalletClient *wallet_client_free(WalletClient *c); /* lets go of all; nothing is called back */
DEFINE_CLEANUP(WalletClient, wallet_client_free)
size_t wallet_client_n_waiting(const WalletClient *c);
void wallet_client_listen(WalletClient *c); /* the handler wants to hear of things from now on */
void wallet_client_noted(
                WalletClient *c, const char *job_id); /* its settlement is on disk at ours */

/* Every function below: a negative return means that it never started. The callback comes exactly
 * once, never before the function has returned, never after wallet_call_free(). ret may be NULL;
 * else *ret is cleared when the call is over, so it must live as long. error < 0: a reason for
 * people. */
WalletCall *wallet_call_free(WalletCall *call); /* cancels the waiting only */
DEFINE_CLEANUP(WalletCall, wallet_call_free)

typedef struct WalletAsk {
        const char *job_id, *stage; /* stage "pre", "post" or "" */
        int64_t amount_msat;
        const char *description;
        uint32_t expiry_s;
} WalletAsk;

typedef struct WalletInvoice {
        const char *hash, *bolt11; /* hash: 64 hex digits */
        int64_t expires_at;
} WalletInvoice;

/* 0: the invoice is durable here, or was so already. -EHOSTDOWN: no wallet is set up. -EISCONN: it
 * is paid already; settled() tells. */
typedef void (*wallet_invoice_done_t)(
                int error, const char *reason, const WalletInvoice *invoice, void *userdata);
int wallet_invoice(WalletClient *c, const WalletAsk *ask, wallet_invoice_done_t done,
                void *userdata, WalletCall **ret);

/* status: "open", "paid", "late" (paid after its expiry), "expired" or "none". */
typedef struct WalletJobPayment {
        const char *job_id, *stage;
        int64_t received_msat;
        const char *status;
} WalletJobPayment;

#define WALLET_JOBS_MAX 1000 /* ids in one question */
typedef void (*wallet_job_payments_done_t)(int error, const char *reason,
                const WalletJobPayment *payments, size_t n, void *userdata);
int wallet_job_payments(WalletClient *c, const char *const *job_ids, size_t n,
                wallet_job_payments_done_t done, void *userdata, WalletCall **ret);

/* state: "new", "sent", "settled", "failed", "pending" or "unknown". Only settled and failed are
 * final; ask again with the same id, or wait for payment_changed. */
typedef struct WalletPaid {
        const char *state, *hash, *preimage; /* preimage: "" where there is none */
        int64_t fee_msat;
        const char *reason; /* for people; "" */
} WalletPaid;
typedef void (*wallet_paid_done_t)(
                int error, const char *reason, const WalletPaid *paid, void *userdata);

typedef struct WalletPay {
        const char *id;      /* the caller's, ≤ 128 characters; repeating it never pays again */
        const char *account; /* "owner", "agent:NAME", … */
        const char *destination;                             /* BOLT11, LNURL or name@host */
        int64_t amount_msat;                                 /* 0: the invoice's */
        int64_t fee_max_msat;                                /* -1: the wallet's own limit */
        const char *grant, *purpose, *ref, *payee, *comment; /* NULL or "": not said */
        /* NIP-57: the signed request (kind 9734) for this amount, as its JSON; destination is an
         * LNURL or name@host then. Its server gets it byte for byte, and its invoice is paid only
         * if it is for this very request. NULL: no zap. */
        const char *zap;
} WalletPay;
int wallet_pay(WalletClient *c, const WalletPay *pay, wallet_paid_done_t done, void *userdata,
                WalletCall **ret);
/* -ENOENT: the wallet does not know this id or hash. */
int wallet_lookup(WalletClient *c, const char *id_or_hash, wallet_paid_done_t done, void *userdata,
                WalletCall **ret);
/* Pays the held money of a job back. destination: BOLT11, LNURL or name@host. */
int wallet_refund(WalletClient *c, const char *job_id, const char *destination,
                wallet_paid_done_t done, void *userdata, WalletCall **ret);

/* What the host does for its agents: grants and their ticks are "agent:NAME" on the account of the
 * same name; money moves from "owner" and "provider" to agents and back. */

/* 0: done, and on disk; also where it was so already. -EDQUOT: there is not so much money, or a
 * limit; -EINVAL, -ENOENT (no such grant), -EBUSY (frozen). */
typedef void (*wallet_done_t)(int error, const char *reason, void *userdata);

/* json: as books_set_grant() has it; "{}" is no limit. */
int wallet_set_grant(WalletClient *c, const char *name, const char *account, const char *json,
                wallet_done_t done, void *userdata, WalletCall **ret);
int wallet_revoke_grant(WalletClient *c, const char *name, wallet_done_t done, void *userdata,
                WalletCall **ret);
/* A new tick empties the grant's window of a tick; the same one again does nothing. */
int wallet_begin_tick(WalletClient *c, const char *grant, const char *tick, wallet_done_t done,
                void *userdata, WalletCall **ret);

typedef struct WalletTransfer {
        const char *id; /* the caller's, ≤ 128 characters; repeating it moves nothing again */
        const char *from, *to, *text;
        int64_t msat;
} WalletTransfer;
int wallet_transfer(WalletClient *c, const WalletTransfer *t, wallet_done_t done, void *userdata,
                WalletCall **ret);

typedef struct WalletAccount {
        const char *account;
        int64_t balance_msat, reserved_msat; /* to spend: the difference */
        bool frozen;
} WalletAccount;
typedef void (*wallet_accounts_done_t)(int error, const char *reason, const WalletAccount *accounts,
                size_t n, void *userdata);
/* In this order, at most 1000; one that nobody has used is empty. */
int wallet_accounts(WalletClient *c, const char *const *names, size_t n,
                wallet_accounts_done_t done, void *userdata, WalletCall **ret);

/* An invoice that fills an account; each call makes another one. That it was paid says
 * invoice_settled. */
typedef struct WalletFill {
        const char *account;
        int64_t amount_msat; /* 0: any amount */
        const char *description;
        uint32_t expiry_s; /* 0: an hour */
} WalletFill;
int wallet_fill(WalletClient *c, const WalletFill *fill, wallet_invoice_done_t done, void *userdata,
                WalletCall **ret);

/* A receipt (NIP-57) is said to have paid this job, which costs asked_msat; recipient_hex: whom it
 * should be for. 0: it has, and settled() tells. -EINVAL: it never will. -EHOSTDOWN: zaps are not
 * taken. Else it may be asked again. */
typedef struct WalletZap {
        const char *job_id, *recipient_hex, *receipt;
        int64_t asked_msat;
} WalletZap;
int wallet_zapped(WalletClient *c, const WalletZap *zap, wallet_done_t done, void *userdata,
                WalletCall **ret);
/* What stands behind name@host or an LNURL, as its server says. For a zap: the request names
 * `lnurl` and an amount within the limits, and a receipt is good only from nostr_pubkey. */
typedef struct WalletLnurl {
        int64_t min_msat, max_msat;
        uint32_t comment_max; /* characters; 0: none wanted */
        bool allows_nostr;
        const char *nostr_pubkey, *lnurl, *description; /* nostr_pubkey: "" without allows_nostr */
} WalletLnurl;
typedef void (*wallet_lnurl_done_t)(
                int error, const char *reason, const WalletLnurl *lnurl, void *userdata);
int wallet_lnurl(WalletClient *c, const char *destination, wallet_lnurl_done_t done, void *userdata,
                WalletCall **ret);
