#pragma once
/* Ledger: accounts, and entries that move money between them. Every changing call belongs between
 * sql_request_begin() and _ok().
 *
 * Inside, a debit is positive: what we have (wallet:*) and have spent (fees) is, what we owe
 * (everything else, and our own people's accounts with it) is negative, and all together is 0. What
 * people see is ledger_shown(). */
#include "basic/sql.h"

#define LEDGER_MSAT_MAX  INT64_C(2100000000000000000) /* all the bitcoin there will be */
#define LEDGER_TEXT_MAX  1024
#define LEDGER_NAME_MAX  128

#define ACCOUNT_OWNER    "owner"
#define ACCOUNT_PROVIDER "provider"
#define ACCOUNT_HELD     "held"
#define ACCOUNT_REFUNDS  "refunds"
#define ACCOUNT_FEES     "fees"
#define ACCOUNT_OUTSIDE  "outside"
#define ACCOUNT_AGENT    "agent:"
#define ACCOUNT_WALLET   "wallet:"

typedef enum AccountKind {
        ACCOUNT_UNKNOWN, /* no name of an account */
        ACCOUNT_ASSET,   /* wallet:*, fees: shown as it is */
        ACCOUNT_MINE,    /* owner, provider, agent:*: may spend */
        ACCOUNT_HOUSE,   /* held, refunds, outside */
} AccountKind;
AccountKind account_kind(const char *name);

typedef struct Ledger Ledger;
int ledger_new(Sql *db, Ledger **ret);
Ledger *ledger_free(Ledger *l);
DEFINE_CLEANUP(Ledger, ledger_free)
Sql *ledger_db(Ledger *l);

/* Seconds, never less than once before, whatever the system's clock says. */
int ledger_now(Ledger *l, int64_t *ret);
void ledger_set_clock(Ledger *l, int64_t seconds); /* for tests; 0: the system's */

typedef struct LedgerMove {
        const char *debit, *credit; /* credit gives, debit gets */
        int64_t msat;               /* 0: nothing is written of it */
} LedgerMove;

/* Would an account still be a sum that makes sense with so much more? */
int ledger_fits(Ledger *l, const char *name, int64_t msat); /* 1 or 0 */
/* kind and ref are what the entry is of; the same again is -EEXIST, unless a kind says otherwise.
 */
int ledger_book(Ledger *l, const char *kind, const char *ref, const char *text,
                const LedgerMove *moves, size_t n);
int ledger_has(Ledger *l, const char *kind, const char *ref); /* 1 or 0 */

typedef struct LedgerAccount {
        int64_t msat;      /* as people see it */
        int64_t reserved;  /* of it */
        int64_t available; /* to spend */
        bool frozen;
} LedgerAccount;
/* An account nobody has used is empty. */
int ledger_account(Ledger *l, const char *name, LedgerAccount *ret);
/* why "": it may spend again. 1: it was so already. */
int ledger_freeze(Ledger *l, const char *name, const char *why);

/* Lists, as statements to step and reset; their columns are the rows of the bus. */
SqlStatement *ledger_balances(Ledger *l); /* account, shown, reserved, frozen */
/* entry, booked_at, kind, ref, account, text, shown. account "": all but wallet:*. Newest first. */
SqlStatement *ledger_history(Ledger *l, const char *account, int64_t before, unsigned limit);
/* The same with msat as it is inside, oldest first: `limit` entries, whole. after < 0: the last. */
SqlStatement *ledger_list(Ledger *l, int64_t after, unsigned limit);
