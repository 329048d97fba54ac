#pragma once
/* The invoices that others are to pay to us, and where each driver's watch goes on. Every changing
 * call belongs between sql_request_begin() and _ok(). */
#include "job-money.h"
#include "outcome.h"

#define INVOICE_BOLT11_MAX (UINT64_C(8) * 1024)

/* Borrowed strings. */
typedef struct Invoice {
        const char *hash, *bolt11, *account, *job, *stage, *description;
        int64_t amount_msat, created_at, expires_at;
} Invoice;

typedef struct Settlement {
        const char *hash, *driver, *preimage, *cursor;
        int64_t received_msat, fee_msat, settled_at;
} Settlement;

typedef struct InvoiceTable InvoiceTable;
int invoice_table_new(Ledger *ledger, JobMoney *money, InvoiceTable **ret);
InvoiceTable *invoice_table_free(InvoiceTable *t);
DEFINE_CLEANUP(InvoiceTable, invoice_table_free)

bool is_hash(const char *s); /* 64 lowercase hex digits */
bool is_short(const char *s, size_t max);

int invoice_add(InvoiceTable *t, const Invoice *i, Outcome *ret);
int invoice_settle(InvoiceTable *t, const Settlement *s, Outcome *ret);
int invoice_end(InvoiceTable *t, const char *hash, const char *state, Outcome *ret);
/* An intent of ours pays it without the driver. *ret_account gets the money: copy it. Refused
 * unless it is pending and of exactly this amount. */
int invoice_settle_inside(InvoiceTable *t, const char *hash, int64_t msat, const char **ret_account,
                Outcome *ret);

int cursor_set(InvoiceTable *t, const char *driver, const char *cursor, Outcome *ret);
/* "" where it was never set; borrowed until the statement is reset. */
int cursor_get(InvoiceTable *t, const char *driver, SqlStatement **ret, const char **ret_cursor);

/* Rows as they are on the bus. */
#define INVOICE_ROW "(ssssssxxxsssxx)"
SqlStatement *invoice_get(InvoiceTable *t, const char *hash);
SqlStatement *invoice_open(InvoiceTable *t, const char *after, unsigned limit);
SqlStatement *invoice_of_job(InvoiceTable *t, const char *job);
