#pragma once
/* The regtest node: the lightning network of this machine, on which no sat is real. Its accounts
 * are "self", which is the wallet, and those of whoever else is connected; what an account has is
 * the sum of its postings, and each transaction's postings sum up to 0. */
#include "basic/sql.h"

#define REGTEST_SELF       "self"
#define REGTEST_NAME_MAX   128
#define REGTEST_BOLT11_MAX 8192
#define REGTEST_AMOUNT_MAX INT64_C(2100000000000000000)

typedef struct RegtestTable RegtestTable;

int regtest_table_new(Sql *db, RegtestTable **ret);
RegtestTable *regtest_table_free(RegtestTable *t);
DEFINE_CLEANUP(RegtestTable, regtest_table_free)

/* The node's secret as hex. The first that was ever offered is kept. */
int regtest_key(RegtestTable *t, const char *fresh, char ret[static 65]);

typedef struct RegtestInvoice {
        const char *hash, *preimage, *account, *bolt11, *description;
        int64_t amount_msat; /* 0: whoever pays says it */
        int64_t created_at, expires_at;
        const char *state; /* not for adding: "open", "settled" or "expired" */
        int64_t received_msat, settled_at;
} RegtestInvoice;

/* Adding again is harmless. -EINVAL with a reason. */
int regtest_add_invoice(RegtestTable *t, const RegtestInvoice *i, const char **reterr);
/* 1 = found; its strings belong to the row, which the caller resets. */
int regtest_invoice(RegtestTable *t, const char *hash, RegtestInvoice *ret, SqlStatement **ret_row);

/* How a payment ended; nothing of it happened where it failed. */
typedef struct RegtestPayment {
        bool settled, again; /* again: by the same payer before; this is what it was then */
        char preimage[65];
        int64_t amount_msat, paid_at;
        const char *reason; /* static; where it failed */
} RegtestPayment;
int regtest_pay(RegtestTable *t, const char *payer, const char *hash, int64_t amount_msat,
                RegtestPayment *ret);
/* 1 = this payer paid it. */
int regtest_payment(RegtestTable *t, const char *payer, const char *hash, RegtestPayment *ret);

/* Invoices of the account which were settled after this transaction, in their order. */
typedef int (*regtest_settled_t)(int64_t seq, const char *hash, int64_t received_msat,
                int64_t settled_at, const char *preimage, void *userdata);
int regtest_settled(RegtestTable *t, const char *account, int64_t after, unsigned limit,
                regtest_settled_t row, void *userdata);

int regtest_balance(RegtestTable *t, const char *account, int64_t *ret);
/* Money out of nothing; once for each id. */
int regtest_fund(RegtestTable *t, const char *id, const char *account, int64_t msat, int64_t *ret,
                const char **reterr);

typedef struct RegtestEntry {
        bool incoming;
        const char *state, *hash, *bolt11, *description, *preimage;
        int64_t amount_msat, created_at, settled_at, expires_at;
} RegtestEntry;
typedef int (*regtest_entry_t)(const RegtestEntry *e, void *userdata);
/* What an account received and paid, the newest first; kind "incoming", "outgoing" or "". */
typedef struct RegtestQuery {
        const char *account, *kind;
        int64_t from, until; /* seconds, by creation; until 0: now */
        uint32_t offset, limit;
        bool unpaid; /* also open and expired invoices */
} RegtestQuery;
int regtest_list(RegtestTable *t, const RegtestQuery *query, regtest_entry_t row, void *userdata);
