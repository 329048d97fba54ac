#pragma once
/* Payments: intents to pay others, from the reservation to the outcome. waiting → new → sent →
 * settled | failed, and unknown in between. One payment hash is paid once. Every changing call
 * belongs between sql_request_begin() and _ok(). */
#include "table-grant.h"
#include "table-invoice.h"

#define PAYMENT_OPAQUE_MAX (UINT64_C(64) * 1024)
#define PAYMENT_VERIFY_MAX 4096 /* as long as LNURL_URL_MAX */

/* Borrowed strings. */
typedef struct Intent {
        const char *id, *account, *hash, *bolt11, *payee, *grant, *purpose, *ref;
        int64_t amount_msat, fee_max_msat;
        const char *verify; /* LUD-21: where the payee's server says whether it was paid; or NULL */
} Intent;

typedef struct IntentMove {
        const char *id, *state, *opaque, *preimage, *reason, *driver;
        int64_t fee_msat;
} IntentMove;

typedef struct PaymentTable PaymentTable;
int payment_table_new(Ledger *ledger, JobMoney *money, InvoiceTable *invoices, GrantTable *grants,
                PaymentTable **ret);
PaymentTable *payment_table_free(PaymentTable *t);
DEFINE_CLEANUP(PaymentTable, payment_table_free)

int payment_add(PaymentTable *t, const Intent *i, Outcome *ret);
int payment_move(PaymentTable *t, const IntentMove *m, Outcome *ret);
int payment_approve(PaymentTable *t, const char *id, bool yes, const char *note, Outcome *ret);

/* What was sent by this driver and has no outcome yet, with the fees it may take. */
int payment_underway(PaymentTable *t, const char *driver, int64_t *ret_msat);

#define PAYMENT_ROW "(sssssssssxxsssssxxxxx)"
SqlStatement *payment_open(PaymentTable *t, const char *after, unsigned limit);
#define PAYMENT_REFUND_OF "refund-of:" /* and a job's id: what pays it back, and has not failed */
SqlStatement *payment_get(PaymentTable *t, const char *id_or_hash);
