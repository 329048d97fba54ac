/* Rows of invoices and ledger_cursors, see table-invoice.h. */
#include "table-invoice.h"

#include <stdio.h>

enum {
        Q_ADD,
        Q_FIND,
        Q_STAGE,
        Q_PAID,
        Q_SETTLE,
        Q_END,
        Q_TIP,
        Q_CURSOR_SET,
        Q_CURSOR_GET,
        Q_GET,
        Q_OPEN,
        Q_JOB,
        _Q_MAX,
};

#define COLUMNS                                                                              \
        "SELECT id, bolt11, account, job_id, stage, description, amount_msats, created_at, " \
        "expires_at, status, preimage, driver, paid_amount_msats, paid_at FROM invoices "

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO invoices (id, bolt11, account, job_id, stage, description, "
                  "amount_msats, created_at, expires_at) "
                  "VALUES (?, ?, ?, nullif(?, ''), ?, ?, ?, ?, ?)",
        [Q_FIND] = "SELECT bolt11, status, account, job_id, stage, amount_msats, driver, "
                   "paid_amount_msats FROM invoices WHERE id = ?",
        /* The one a customer has paid, or is to pay. */
        [Q_STAGE] = "SELECT bolt11, status FROM invoices WHERE job_id = ?1 AND stage = ?2 "
                    "AND status IN ('pending', 'paid') ORDER BY status LIMIT 1",
        [Q_PAID] = "SELECT 1 FROM invoices WHERE job_id = ?1 AND status = 'paid' "
                   "AND (stage IN (?2, 'zap') OR ?2 = 'zap') LIMIT 1",
        [Q_SETTLE] = "UPDATE invoices SET status = 'paid', driver = ?2, preimage = ?3, "
                     "paid_amount_msats = ?4, fee_msats = ?5, paid_at = ?6 "
                     "WHERE id = ?1 AND status <> 'paid'",
        [Q_END] = "UPDATE invoices SET status = ?2 WHERE id = ?1 AND status = 'pending'",
        [Q_TIP] = "INSERT INTO earnings (id, amount_msats, source, payment_hash, preimage, "
                  "earned_at) VALUES (?1, ?2, 'tip', ?1, ?3, ?4)",
        [Q_CURSOR_SET] = "INSERT INTO ledger_cursors VALUES (?1, ?2) "
                         "ON CONFLICT DO UPDATE SET cursor = ?2 WHERE cursor <> ?2",
        [Q_CURSOR_GET] = "SELECT cursor FROM ledger_cursors WHERE driver = ?",
        [Q_GET] = COLUMNS "WHERE id = ?",
        [Q_OPEN] = COLUMNS "WHERE status = 'pending' AND id > ?1 ORDER BY id LIMIT ?2",
        [Q_JOB] = COLUMNS "WHERE job_id = ? ORDER BY created_at, id",
};

struct InvoiceTable {
        Sql *db;
        Ledger *ledger;
        JobMoney *money;
        SqlStatement *q[_Q_MAX];
};

int invoice_table_new(Ledger *ledger, JobMoney *money, InvoiceTable **ret) {
        _cleanup_(invoice_table_freep) InvoiceTable *t = NULL;
        int r;

        t = new0(InvoiceTable, 1);
        if (!t)
                return -ENOMEM;

        *t = (InvoiceTable){ .db = ledger_db(ledger), .ledger = ledger, .money = money };
        r = sql_prepare_table(t->db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

InvoiceTable *invoice_table_free(InvoiceTable *t) {
        return mfree(t); /* the statements belong to the database */
}

bool is_hash(const char *s) {
        return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

bool is_short(const char *s, size_t max) {
        return strnlen(s, max + 1) <= max;
}

static const char *invoice_fault(const Invoice *i) {
        AccountKind kind = account_kind(i->account);
        bool for_job = !isempty(i->job);

        if (!is_hash(i->hash))
                return "its payment hash is none";
        if (isempty(i->bolt11) || !is_short(i->bolt11, INVOICE_BOLT11_MAX))
                return "its invoice is missing or too long";
        if (for_job ? !is_hash(i->job) || !streq(i->account, ACCOUNT_HELD) : kind != ACCOUNT_MINE)
                return "its account cannot be paid";
        if (for_job ? !streq(i->stage, "pre") && !streq(i->stage, "post") && !streq(i->stage, "zap")
                    : !isempty(i->stage))
                return "there is no such stage";
        if (i->amount_msat < (for_job ? 1 : 0) || i->amount_msat > LEDGER_MSAT_MAX)
                return "its amount is out of range";
        if (i->created_at < 0 || i->expires_at < 0)
                return "its time is negative";
        if (!is_short(i->description, LEDGER_TEXT_MAX))
                return "its description is too long";
        return NULL;
}

/* Says 1 with the invoice there is, where this one is not to be added. */
static int invoice_there(InvoiceTable *t, const Invoice *i, bool *ret_there, Outcome *ret) {
        SqlStatement *q = t->q[Q_FIND];
        int r;

        sql_bind_text(q, 1, i->hash);
        r = sql_step(q);
        if (r == 0 && !isempty(i->job)) {
                q = t->q[Q_STAGE];
                sql_bind_text(q, 1, i->job);
                sql_bind_text(q, 2, i->stage);
                r = sql_step(q);
        }
        *ret_there = r > 0;
        if (r > 0) {
                r = outcome_quote(ret, 1, sql_text(q, 0));
                (void) sql_reset(q);
        }
        return MIN(r, 0);
}

int invoice_add(InvoiceTable *t, const Invoice *i, Outcome *ret) {
        const char *fault = invoice_fault(i);
        SqlStatement *q = t->q[Q_ADD];
        bool there;
        int r;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        r = invoice_there(t, i, &there, ret);
        if (r < 0 || there)
                return r;

        sql_bind_text(q, 1, i->hash);
        sql_bind_text(q, 2, i->bolt11);
        sql_bind_text(q, 3, i->account);
        sql_bind_text(q, 4, i->job);
        sql_bind_text(q, 5, i->stage);
        sql_bind_text(q, 6, i->description);
        sql_bind_int(q, 7, i->amount_msat);
        sql_bind_int(q, 8, i->created_at);
        sql_bind_int(q, 9, i->expires_at);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

/* What is known of an invoice, copied, because statements run in between. */
typedef struct Known {
        char account[LEDGER_NAME_MAX + 16], job[65], stage[8];
        int64_t amount_msat, received_msat;
        bool paid, pending, inside;
} Known;

/* 1 = found. */
static int invoice_find(InvoiceTable *t, const char *hash, Known *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        int r;

        sql_bind_text(q, 1, hash);
        r = sql_step(q);
        if (r <= 0)
                return r;

        *ret = (Known){
                .amount_msat = sql_int(q, 5),
                .received_msat = sql_int(q, 7),
                .paid = streq(sql_text(q, 1), "paid"),
                .pending = streq(sql_text(q, 1), "pending"),
                .inside = streq(sql_text(q, 6), "internal"),
        };
        (void) snprintf(ret->account, sizeof(ret->account), "%s", sql_text(q, 2));
        (void) snprintf(ret->job, sizeof(ret->job), "%s", sql_text(q, 3));
        (void) snprintf(ret->stage, sizeof(ret->stage), "%s", sql_text(q, 4));
        return account_kind(ret->account) == ACCOUNT_UNKNOWN ? -EUCLEAN : 1;
}

/* Has another invoice of this stage been paid already? A zap pays for any of them. */
static int stage_is_paid(InvoiceTable *t, const Known *k) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_PAID];

        if (isempty(k->job))
                return 0;
        sql_bind_text(q, 1, k->job);
        sql_bind_text(q, 2, k->stage);
        return sql_step(q);
}

static int tip(InvoiceTable *t, const char *hash, int64_t msat, const char *preimage, int64_t now) {
        SqlStatement *q = t->q[Q_TIP];

        sql_bind_text(q, 1, hash);
        sql_bind_int(q, 2, msat);
        sql_bind_text(q, 3, preimage);
        sql_bind_int(q, 4, now);
        return sql_run(q);
}

/* The row, and where the money belongs by what it was for. */
static int invoice_pay(
                InvoiceTable *t, const Settlement *s, const Known *k, const char **ret_account) {
        SqlStatement *q = t->q[Q_SETTLE];
        int surplus, r;
        int64_t now;

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        surplus = stage_is_paid(t, k);
        if (surplus < 0)
                return surplus;

        sql_bind_text(q, 1, s->hash);
        sql_bind_text(q, 2, s->driver);
        sql_bind_text(q, 3, s->preimage);
        sql_bind_int(q, 4, s->received_msat);
        sql_bind_int(q, 5, s->fee_msat);
        sql_bind_int(q, 6, s->settled_at > 0 ? s->settled_at : now);
        r = sql_run(q);
        if (r < 0)
                return r;

        *ret_account = k->account;
        if (!isempty(k->job))
                return job_money_receive(t->money, k->job, s->received_msat, surplus, ret_account);
        if (streq(k->account, ACCOUNT_PROVIDER))
                return tip(t, s->hash, s->received_msat, s->preimage, now);
        return 0;
}

static const char *settlement_fault(const Settlement *s) {
        if (!is_hash(s->hash))
                return "its payment hash is none";
        if (isempty(s->driver) || !is_short(s->driver, 32) || streq(s->driver, "internal"))
                return "its driver is none";
        if (!isempty(s->preimage) && !is_hash(s->preimage))
                return "its preimage is none";
        if (s->received_msat < 1 || s->received_msat > LEDGER_MSAT_MAX)
                return "its amount is out of range";
        if (s->fee_msat < 0 || s->fee_msat > s->received_msat)
                return "its fee is out of range";
        if (s->settled_at < 0 || !is_short(s->cursor, LEDGER_TEXT_MAX))
                return "its time is negative, or its cursor too long";
        return NULL;
}

/* wallet:DRIVER and fees get what the account has more by it. */
static int book_received(InvoiceTable *t, const Settlement *s, const char *kind,
                const char *account, const char *text) {
        char wallet[80];

        (void) snprintf(wallet, sizeof(wallet), ACCOUNT_WALLET "%s", s->driver);
        return ledger_book(t->ledger, kind, s->hash, text,
                        (const LedgerMove[]){
                                        { wallet, account, s->received_msat - s->fee_msat },
                                        { ACCOUNT_FEES, account, s->fee_msat },
                        },
                        2);
}

/* It was paid inside this machine, and then by somebody through the backend all the same. */
static int settle_again(InvoiceTable *t, const Settlement *s, const Known *k, Outcome *ret) {
        int r;

        if (!k->inside)
                return outcome_quote(ret, 1, k->job);
        r = ledger_has(t->ledger, "again", s->hash);
        if (r == 0)
                r = book_received(t, s, "again", ACCOUNT_OWNER, "paid a second time");
        return r < 0 ? r : outcome_quote(ret, 1, k->job);
}

int invoice_settle(InvoiceTable *t, const Settlement *s, Outcome *ret) {
        const char *fault = settlement_fault(s), *account;
        char wallet[80];
        Known k = { 0 };
        int r, found;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        (void) snprintf(wallet, sizeof(wallet), ACCOUNT_WALLET "%s", s->driver);
        if (account_kind(wallet) == ACCOUNT_UNKNOWN)
                return outcome_say(ret, -EINVAL, "its driver is none");

        found = invoice_find(t, s->hash, &k);
        r = MIN(found, 0);
        if (r >= 0)
                r = ledger_fits(t->ledger, wallet, s->received_msat);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -EINVAL, "that is more money than there is");
        if (!isempty(s->cursor)) {
                r = cursor_set(t, s->driver, s->cursor, ret);
                if (r < 0)
                        return r;
        }
        if (found == 0)
                return outcome_say(ret, -ENOENT, "no invoice of ours has this payment hash");
        if (k.paid)
                return settle_again(t, s, &k, ret);

        r = invoice_pay(t, s, &k, &account);
        if (r >= 0)
                r = book_received(t, s, "invoice", account, "");
        return r < 0 ? r : outcome_quote(ret, 0, k.job);
}

int invoice_settle_inside(InvoiceTable *t, const char *hash, int64_t msat, const char **ret_account,
                Outcome *ret) {
        Known k = { 0 };
        const char *account;
        int r;

        r = invoice_find(t, hash, &k);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -ENOENT, "no invoice of ours has this payment hash");
        if (!k.pending)
                return outcome_say(ret, -EALREADY, "the invoice is not open any more");
        if (k.amount_msat > 0 && k.amount_msat != msat)
                return outcome_say(ret, -EINVAL, "the invoice is of another amount");

        r = invoice_pay(t,
                        &(Settlement){ .hash = hash,
                                        .driver = "internal",
                                        .preimage = "",
                                        .received_msat = msat },
                        &k, &account);
        if (r < 0)
                return r;
        r = outcome_quote(ret, 0, account);
        *ret_account = ret->text;
        return r;
}

int invoice_end(InvoiceTable *t, const char *hash, const char *state, Outcome *ret) {
        SqlStatement *q = t->q[Q_END];
        Known k = { 0 };
        int r;

        if (!streq(state, "expired") && !streq(state, "cancelled"))
                return outcome_say(ret, -EINVAL, "an invoice ends expired or cancelled");
        r = invoice_find(t, hash, &k);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -ENOENT, "no invoice of ours has this payment hash");
        if (k.paid)
                return outcome_say(ret, -EALREADY, "it is paid");
        if (!k.pending)
                return outcome_say(ret, 1, "");

        sql_bind_text(q, 1, hash);
        sql_bind_text(q, 2, state);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int cursor_set(InvoiceTable *t, const char *driver, const char *cursor, Outcome *ret) {
        SqlStatement *q = t->q[Q_CURSOR_SET];
        int r;

        if (isempty(driver) || !is_short(driver, 32) || !is_short(cursor, LEDGER_TEXT_MAX))
                return outcome_say(ret, -EINVAL, "the driver is none, or the cursor too long");
        sql_bind_text(q, 1, driver);
        sql_bind_text(q, 2, cursor);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int cursor_get(InvoiceTable *t, const char *driver, SqlStatement **ret, const char **ret_cursor) {
        SqlStatement *q = t->q[Q_CURSOR_GET];
        int r;

        sql_bind_text(q, 1, driver);
        r = sql_step(q);
        if (r < 0)
                return r;
        *ret = q;
        *ret_cursor = r > 0 ? sql_text(q, 0) : "";
        return 0;
}

SqlStatement *invoice_get(InvoiceTable *t, const char *hash) {
        sql_bind_text(t->q[Q_GET], 1, hash);
        return t->q[Q_GET];
}

SqlStatement *invoice_open(InvoiceTable *t, const char *after, unsigned limit) {
        SqlStatement *q = t->q[Q_OPEN];

        sql_bind_text(q, 1, after);
        sql_bind_int(q, 2, limit);
        return q;
}

SqlStatement *invoice_of_job(InvoiceTable *t, const char *job) {
        sql_bind_text(t->q[Q_JOB], 1, job);
        return t->q[Q_JOB];
}
