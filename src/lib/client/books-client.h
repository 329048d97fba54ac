#pragma once
/* BooksClient: the books in the store, for the wallet. Invoices that are to be paid to us, intents
 * to pay others, the double-entry ledger behind both, and the grants that limit who may spend. Only
 * the role "wallet" may call this interface (com.openagents.Pylon1.Store.Wallet).
 *
 * Amounts are msat. Times are seconds since 1970, as the store counts them: never backwards.
 *
 * Accounts: "wallet:DRIVER" what the backend holds for us · "owner" the person's own money ·
 * "provider" what was earned · "agent:NAME" · "held" customers' money for jobs that are not
 * delivered yet · "refunds" customers' money for jobs that cannot be delivered ("owed") · "fees"
 * what the house paid to forward money: of refunds, and what a backend kept of incoming money ·
 * "outside" what moved without Pylon. Balances are as people see them: what an account has
 * (wallet:*, fees: what is there, what was spent). Paying takes amount + fee from the account that
 * pays.
 *
 * What MoveJobs (client/store-client.h) does to a job's money, in the same transaction: to
 * "publishing" or "completed", held → provider, and a row in earnings · to "owed", held → refunds
 * (publishing → owed takes the earning back) · from "owed" to another state, refunds → held,
 * refused with -EBUSY while a refund is on the way · to failed, expired or cancelled it is refused
 * with -EBUSY as long as there is money of this job. So unpaid → queued may be lazy: that it is
 * paid is on disk already.
 *
 * As in client/store-client.h: what is asked within one turn of the event loop travels in one array
 * and is committed once; each caller has his own answer; a call whose answer was lost is repeated
 * by itself, and every changing call is idempotent by the id in it, so the repetition is answered
 * like the first. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define BOOKS_WAITING_MAX 16384 /* calls without an answer; then -ENOBUFS */
#define BOOKS_PAGE_MAX    1000
#define BOOKS_MSAT_MAX    INT64_C(2100000000000000000) /* all the bitcoin there will be */
#define BOOKS_TEXT_MAX    1024                         /* a description, a reason, a note */
#define BOOKS_OPAQUE_MAX  (UINT64_C(64) * 1024)
#define BOOKS_NAME_MAX    128 /* an id, an account, a grant, a purpose, a ref, a payee */

typedef struct BooksClient BooksClient;
typedef struct BooksCall BooksCall;

int books_client_new(sd_event *event, const char *socket_path, BooksClient **ret);
BooksClient *books_client_free(BooksClient *c); /* lets go of all calls; nothing is called back */
DEFINE_CLEANUP(BooksClient, books_client_free)
size_t books_client_n_waiting(const BooksClient *c);

/* Every function below: a negative return means that it never started. The callback comes exactly
 * once, never before the function has returned, never after books_call_free(). ret may be NULL;
 * else *ret is cleared when the call is over, so it must live as long. Strings are borrowed, in
 * both directions; "" (or NULL on the way in) is absent. */
BooksCall *books_call_free(BooksCall *call); /* cancels; what was asked may still happen */
DEFINE_CLEANUP(BooksCall, books_call_free)

/* 0: done, and on disk. 1: it was so already (see each call for the text). Negative: refused or
 * failed, and the text says why, in words for people. The refusals:
 *   -EINVAL  nonsense · -ENOENT no such row · -EALREADY it went further than that
 *   -EEXIST  another account's payment, or the same id for something else
 *   -EDQUOT  a limit of the grant; the text names it · -EBUSY frozen, or money hangs on it
 *   -ENOBUFS the account has not so much (what is reserved counts as spent)
 *   -EACCES  revoked, expired, or not this payee */
typedef void (*books_verdict_t)(int verdict, const char *text, void *userdata);

/* Invoices: money that comes to us. pending → paid, or expired or cancelled; and paid late from
 * these two, because a payment that was on the way cannot be refused. */

typedef struct BooksInvoice {
        const char *hash; /* payment hash, 64 lowercase hex digits: the key */
        const char *bolt11;
        const char *account; /* whose it will be; for a job: "held" */
        const char *job;     /* "": for no job */
        const char *stage;   /* "", or with a job "pre", "post" or "zap" */
        const char *description;
        int64_t amount_msat; /* 0: any amount, not with a job */
        int64_t created_at, expires_at;
        /* Only in answers. */
        const char *state, *preimage, *driver;
        int64_t received_msat, settled_at;
} BooksInvoice;

/* 1: the same (job, stage) or hash has one already: the text is the bolt11 that is open, or was
 * paid. A second invoice for the same (job, stage) is possible when the first has ended unpaid. */
int books_add_invoice(BooksClient *c, const BooksInvoice *invoice, books_verdict_t done,
                void *userdata, BooksCall **ret);

typedef struct BooksSettlement {
        const char *hash;
        const char *driver; /* booked on wallet:DRIVER */
        const char *preimage;
        const char *cursor;    /* where the driver's watch goes on; saved in the same transaction */
        int64_t received_msat; /* what the customer paid */
        int64_t fee_msat;      /* what the backend kept of it */
        int64_t settled_at;
} BooksSettlement;

/* Invoice, ledger and cursor in one transaction. With a job: to "held"; straight to "provider" with
 * its earnings row where the job is publishing or completed; and where the job had ended without
 * being delivered it becomes "owed" again and the money is in "refunds". 1: booked before (the text
 * is the job's id, or ""). -ENOENT: not an invoice of ours; the cursor is saved all the same. */
int books_settle_invoice(BooksClient *c, const BooksSettlement *settlement, books_verdict_t done,
                void *userdata, BooksCall **ret);

/* state: "expired" or "cancelled". 1: it has ended like this before. -EALREADY: it is paid. Ask the
 * backend one last time before. */
int books_end_invoice(BooksClient *c, const char *hash, const char *state, books_verdict_t done,
                void *userdata, BooksCall **ret);

/* Callbacks for lists: error < 0 with a reason, or n rows. */
typedef void (*books_invoices_t)(int error, const char *reason, const BooksInvoice *invoices,
                size_t n, void *userdata);

/* The pending ones in the order of their hashes; the next page comes after the last hash. An empty
 * page is the end. */
int books_open_invoices(BooksClient *c, const char *after, unsigned limit, books_invoices_t done,
                void *userdata, BooksCall **ret);
/* By hash: one or none. */
int books_get_invoice(BooksClient *c, const char *hash, books_invoices_t done, void *userdata,
                BooksCall **ret);
/* All of these jobs, at most 1000 jobs. */
int books_job_invoices(BooksClient *c, const char *const *jobs, size_t n_jobs,
                books_invoices_t done, void *userdata, BooksCall **ret);

/* "" where it was never set. */
typedef void (*books_text_t)(int error, const char *reason, const char *text, void *userdata);
int books_get_cursor(BooksClient *c, const char *driver, books_text_t done, void *userdata,
                BooksCall **ret);
/* For what moved the cursor without being ours. */
int books_set_cursor(BooksClient *c, const char *driver, const char *cursor, books_verdict_t done,
                void *userdata, BooksCall **ret);

/* Intents: money that we pay. waiting → new → sent → settled | failed; "unknown" is a sent one of
 * which the backend could not say what became of it. Settled and failed are final, but a failed one
 * whose money turns out to be gone can be settled. Every state but settled and failed holds
 * amount + fee_max of the account and of the grant. */

typedef struct BooksIntent {
        const char *id; /* the caller's; the same id again is the same payment */
        const char *account;
        const char *hash, *bolt11;
        const char *payee;         /* as the grant's list has it */
        const char *grant;         /* "": only the account's balance limits it */
        const char *purpose, *ref; /* with a ref: (account, purpose, ref) is paid once at most */
        const char *verify;        /* LUD-21: where the payee's server says whether it is settled */
        int64_t amount_msat, fee_max_msat;
        const char *driver; /* for books_send_intent(), and in answers */
        /* Only in answers. */
        const char *state, *opaque, *preimage, *reason;
        int64_t fee_msat, created_at, sent_at, settled_at;
        int64_t tries; /* how often it was moved to "sent" */
} BooksIntent;

/* Reserves, and writes the intent, in one transaction. 0: the text is "new", or "waiting" where a
 * person has to approve it first. 1: joined to an earlier one that is not failed, or this very id
 * is there already: the text is the id of that one, whose state counts. -EEXIST: another account
 * pays this invoice, or the id was used for another payment.
 *
 * The account "refunds" pays back what a job brought: purpose "refund", ref the job's id, at most
 * what is owed for that job; its fee is borne by "fees". */
int books_add_intent(BooksClient *c, const BooksIntent *intent, books_verdict_t done,
                void *userdata, BooksCall **ret);
/* The same, and moved to "sent" by its driver in the same transaction: the text is "sent" then. */
int books_send_intent(BooksClient *c, const BooksIntent *intent, books_verdict_t done,
                void *userdata, BooksCall **ret);

typedef struct BooksMove {
        const char *id;
        const char *state;    /* "sent", "settled", "failed", "unknown" */
        const char *opaque;   /* "": as it was */
        const char *preimage; /* with settled; "" is settled without proof */
        const char *reason;   /* with failed and unknown; the note of a person who resolved it */
        const char *driver;   /* with sent and settled; "": the one it was sent by */
        int64_t fee_msat;     /* with settled: the real one */
} BooksMove;

/* settled books amount + fee and frees the rest of the reservation; failed frees all. A fee above
 * fee_max is booked too, and freezes grant and account: 1, the text says so. Driver "internal" with
 * settled: the invoice with this hash is ours and pending; it becomes paid in the same transaction
 * without a wallet account. Repeated: 0. -EALREADY: it is over, with another outcome. */
int books_move_intent(BooksClient *c, const BooksMove *move, books_verdict_t done, void *userdata,
                BooksCall **ret);

/* A person decides about a waiting one: → new, or → failed. 1: it waits no more; the text is its
 * state. */
int books_approve(BooksClient *c, const char *id, bool yes, const char *note, books_verdict_t done,
                void *userdata, BooksCall **ret);

typedef void (*books_intents_t)(int error, const char *reason, const BooksIntent *intents, size_t n,
                void *userdata);
/* Those neither settled nor failed, by id; the next page comes after the last id. */
int books_open_intents(BooksClient *c, const char *after, unsigned limit, books_intents_t done,
                void *userdata, BooksCall **ret);
/* By id, or by payment hash (then the one that is not failed, else the latest), or BOOKS_REFUND_OF
 * and a job's id: what pays it back, unless that failed. One or none. */
#define BOOKS_REFUND_OF "refund-of:"
int books_get_intent(BooksClient *c, const char *id_or_hash, books_intents_t done, void *userdata,
                BooksCall **ret);

/* Grants: how much of an account somebody may spend. The JSON is an object with
 *   per_payment_msat per_tick_msat per_hour_msat per_day_msat total_msat   amount + fee; absent: no
 * limit fee_max_msat          of one payment approve_above_msat    amount + fee_max above this
 * waits for a person payees                array of texts; absent: anybody expires_at Unknown names
 * are refused. Setting it again replaces the limits, keeps what was spent, and ends a freeze or
 * revocation. What is reserved counts, and what is unknown never leaves its window. */
int books_set_grant(BooksClient *c, const char *name, const char *account, const char *json,
                books_verdict_t done, void *userdata, BooksCall **ret);
int books_revoke_grant(BooksClient *c, const char *name, books_verdict_t done, void *userdata,
                BooksCall **ret);
/* A new tick empties the window "tick"; the same tick again does nothing. */
int books_begin_tick(BooksClient *c, const char *grant, const char *tick, books_verdict_t done,
                void *userdata, BooksCall **ret);

typedef struct BooksGrant {
        const char *name, *account;
        const char *json;  /* as it was set */
        const char *state; /* "active", "revoked", "frozen", "expired" */
        const char *used; /* {"tick_msat":…,"hour_msat":…,"day_msat":…,"total_msat":…}: now */
} BooksGrant;
typedef void (*books_grants_t)(
                int error, const char *reason, const BooksGrant *grants, size_t n, void *userdata);
int books_grants(BooksClient *c, books_grants_t done, void *userdata, BooksCall **ret);

typedef struct BooksTransfer {
        const char *id, *from, *to, *text;
        int64_t msat;
} BooksTransfer;
/* Money that moves inside, without Lightning: earnings to an agent. 1: done before, by this id. */
int books_transfer(BooksClient *c, const BooksTransfer *transfer, books_verdict_t done,
                void *userdata, BooksCall **ret);

typedef struct BooksDeposit {
        const char *id, *driver, *account, *text;
        int64_t msat;
} BooksDeposit;
/* Money that is in the backend without an invoice of ours: what was there when the wallet was
 * connected (to "owner"), the faucet, what the person moved by hand (to "owner" or "outside"; then
 * negative, too). 1: done before, by this id. */
int books_deposit(BooksClient *c, const BooksDeposit *deposit, books_verdict_t done, void *userdata,
                BooksCall **ret);
/* A person has looked at a frozen account. */
int books_unfreeze(BooksClient *c, const char *account, books_verdict_t done, void *userdata,
                BooksCall **ret);

typedef struct BooksBalance {
        const char *account;
        int64_t balance_msat, reserved_msat; /* to spend: the difference */
        bool frozen;
} BooksBalance;
typedef void (*books_balances_t)(int error, const char *reason, const BooksBalance *balances,
                size_t n, void *userdata);
int books_balances(BooksClient *c, books_balances_t done, void *userdata, BooksCall **ret);
/* These, at most 1000, in this order; one that nobody has used is empty. */
int books_accounts(BooksClient *c, const char *const *names, size_t n, books_balances_t done,
                void *userdata, BooksCall **ret);

typedef struct BooksLine {
        int64_t entry, booked_at;
        const char *kind; /* "invoice" "payment" "earned" "owed" "resumed" "again" "refund"
                             "transfer" "deposit" */
        const char *ref;  /* payment hash, intent's id, job's id, the id given */
        const char *account;
        const char *text;
        int64_t msat; /* positive: the account has more by it */
} BooksLine;
typedef void (*books_lines_t)(
                int error, const char *reason, const BooksLine *lines, size_t n, void *userdata);
/* Newest first, entries before that one (0: the newest). account "": all but wallet:*. */
int books_history(BooksClient *c, const char *account, int64_t before, unsigned limit,
                books_lines_t done, void *userdata, BooksCall **ret);

/* All invariants, and these balances of drivers against wallet:DRIVER. 0: all is well; 1: something
 * is wrong; the text has a line for each check. */
typedef struct BooksDriver {
        const char *driver;
        int64_t balance_msat;
} BooksDriver;
int books_verify(BooksClient *c, const BooksDriver *drivers, size_t n, books_verdict_t done,
                void *userdata, BooksCall **ret);
