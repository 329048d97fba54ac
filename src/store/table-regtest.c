/* Rows of regtest_…, see table-regtest.h. */
#include "table-regtest.h"

#include <stdio.h>

#define FAUCET "faucet" /* has what it wants */

enum {
        Q_KEY_ADD,
        Q_KEY,
        Q_ADD,
        Q_INVOICE,
        Q_SETTLE,
        Q_PAYMENT,
        Q_ADD_PAYMENT,
        Q_BEGIN,
        Q_POST,
        Q_SETTLED,
        Q_BALANCE,
        Q_FUNDED,
        Q_LIST,
        _Q_MAX,
};

#define STATE \
        "iif(settled_tx IS NOT NULL, 'settled', iif(expires_at > unixepoch(), 'open', 'expired'))"

static const char *const texts[_Q_MAX] = {
        [Q_KEY_ADD] = "INSERT INTO regtest_node VALUES (1, ?) ON CONFLICT DO NOTHING",
        [Q_KEY] = "SELECT secret FROM regtest_node",
        [Q_ADD] = "INSERT INTO regtest_invoices (hash, preimage, account, bolt11, description, "
                  "amount_msats, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (hash) DO NOTHING",
        [Q_INVOICE] = "SELECT hash, preimage, account, bolt11, description, amount_msats, "
                      "created_at, expires_at, " STATE ", received_msats, settled_at "
                      "FROM regtest_invoices WHERE hash = ?",
        /* Expiry is judged here, by the clock of the machine that has the money. */
        [Q_SETTLE] = "UPDATE regtest_invoices SET settled_tx = ?2, received_msats = ?3, "
                     "settled_at = unixepoch() WHERE hash = ?1 AND settled_tx IS NULL "
                     "AND expires_at > unixepoch()",
        [Q_PAYMENT] = "SELECT p.amount_msats, preimage, paid_at FROM regtest_payments p "
                      "JOIN regtest_invoices USING (hash) WHERE payer = ? AND hash = ?",
        [Q_ADD_PAYMENT] = "INSERT INTO regtest_payments VALUES (?, ?, ?, unixepoch(), ?)",
        [Q_BEGIN] = "INSERT INTO regtest_transactions (id, what, made_at) "
                    "VALUES (?, ?, unixepoch())",
        [Q_POST] = "INSERT INTO regtest_postings VALUES (?, ?, ?)",
        [Q_SETTLED] = "SELECT settled_tx, hash, received_msats, settled_at, preimage "
                      "FROM regtest_invoices WHERE account = ? AND settled_tx > ? "
                      "ORDER BY settled_tx LIMIT ?",
        [Q_BALANCE] = "SELECT balance_msats FROM regtest_accounts WHERE name = ?",
        [Q_FUNDED] = "SELECT 1 FROM regtest_transactions WHERE id = ?",
        [Q_LIST] = "SELECT * FROM ("
                   "SELECT 1, " STATE ", hash, bolt11, description, "
                   "iif(settled_tx IS NULL, '', preimage), coalesce(received_msats, amount_msats), "
                   "created_at AS at, settled_at, expires_at FROM regtest_invoices "
                   "WHERE account = ?1 AND ?2 <> 'outgoing' AND (?7 OR settled_tx IS NOT NULL) "
                   "UNION ALL "
                   "SELECT 0, 'settled', hash, bolt11, description, preimage, p.amount_msats, "
                   "paid_at AS at, paid_at, expires_at FROM regtest_payments p "
                   "JOIN regtest_invoices USING (hash) WHERE payer = ?1 AND ?2 <> 'incoming'"
                   ") WHERE at >= ?3 AND at <= ?4 ORDER BY at DESC LIMIT ?5 OFFSET ?6",
};

struct RegtestTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

int regtest_table_new(Sql *db, RegtestTable **ret) {
        _cleanup_(regtest_table_freep) RegtestTable *t = NULL;
        int r;

        t = new0(RegtestTable, 1);
        if (!t)
                return -ENOMEM;

        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

RegtestTable *regtest_table_free(RegtestTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_hex32(const char *s) {
        return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool is_name(const char *s) {
        return !isempty(s) && strlen(s) <= REGTEST_NAME_MAX;
}

int regtest_key(RegtestTable *t, const char *fresh, char ret[static 65]) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_KEY];
        int r;

        if (!is_hex32(fresh))
                return -EINVAL;

        sql_bind_text(t->q[Q_KEY_ADD], 1, fresh);
        r = sql_run(t->q[Q_KEY_ADD]);
        if (r < 0)
                return r;
        r = sql_step(q);
        if (r <= 0 || !is_hex32(sql_text(q, 0)))
                return r < 0 ? r : -EUCLEAN;
        memcpy(ret, sql_text(q, 0), 65);
        return 0;
}

int regtest_add_invoice(RegtestTable *t, const RegtestInvoice *i, const char **reterr) {
        SqlStatement *q = t->q[Q_ADD];
        int r;

        *reterr = NULL;
        if (!is_hex32(i->hash) || !is_hex32(i->preimage))
                *reterr = "its hash or its preimage is not 64 hex digits";
        else if (!is_name(i->account))
                *reterr = "its account has no name, or a long one";
        else if (isempty(i->bolt11) || strlen(i->bolt11) > REGTEST_BOLT11_MAX)
                *reterr = "its text is missing or too long";
        else if (i->amount_msat < 0 || i->amount_msat > REGTEST_AMOUNT_MAX)
                *reterr = "there is no such amount";
        if (*reterr)
                return -EINVAL;

        sql_bind_text(q, 1, i->hash);
        sql_bind_text(q, 2, i->preimage);
        sql_bind_text(q, 3, i->account);
        sql_bind_text(q, 4, i->bolt11);
        sql_bind_text(q, 5, i->description);
        sql_bind_int(q, 6, i->amount_msat);
        sql_bind_int(q, 7, i->created_at);
        sql_bind_int(q, 8, i->expires_at);
        r = sql_run(q);
        if (r < 0)
                *reterr = sql_reason(r);
        return r;
}

int regtest_invoice(
                RegtestTable *t, const char *hash, RegtestInvoice *ret, SqlStatement **ret_row) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_INVOICE];
        int r;

        sql_bind_text(q, 1, hash);
        r = sql_step(q);
        if (r <= 0)
                return r;

        *ret = (RegtestInvoice){
                .hash = sql_text(q, 0),
                .preimage = sql_text(q, 1),
                .account = sql_text(q, 2),
                .bolt11 = sql_text(q, 3),
                .description = sql_text(q, 4),
                .amount_msat = sql_int(q, 5),
                .created_at = sql_int(q, 6),
                .expires_at = sql_int(q, 7),
                .state = sql_text(q, 8),
                .received_msat = sql_int(q, 9),
                .settled_at = sql_int(q, 10),
        };
        *ret_row = TAKE_PTR(q);
        return 1;
}

/* Transactions. */

static int transaction_add(RegtestTable *t, const char *id, const char *what, int64_t *ret_seq) {
        SqlStatement *q = t->q[Q_BEGIN];
        int r;

        sql_bind_text(q, 1, id);
        sql_bind_text(q, 2, what);
        r = sql_run(q);
        if (r < 0)
                return r;
        *ret_seq = sql_last_id(t->db);
        return 0;
}

static int post(RegtestTable *t, int64_t seq, const char *account, int64_t msat) {
        SqlStatement *q = t->q[Q_POST];

        sql_bind_int(q, 1, seq);
        sql_bind_text(q, 2, account);
        sql_bind_int(q, 3, msat);
        return sql_run(q);
}

/* What arrives is posted first, so that who pays himself needs no more than he pays. */
static int transfer(RegtestTable *t, int64_t seq, const char *from, const char *to, int64_t msat) {
        int r;

        r = post(t, seq, to, msat);
        return r < 0 ? r : post(t, seq, from, -msat);
}

int regtest_payment(RegtestTable *t, const char *payer, const char *hash, RegtestPayment *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_PAYMENT];
        int r;

        *ret = (RegtestPayment){ .reason = "it was not paid from here" };
        sql_bind_text(q, 1, payer);
        sql_bind_text(q, 2, hash);
        r = sql_step(q);
        if (r <= 0)
                return r;

        ret->settled = ret->again = true;
        ret->amount_msat = sql_int(q, 0);
        (void) snprintf(ret->preimage, sizeof(ret->preimage), "%s", sql_text(q, 1));
        ret->paid_at = sql_int(q, 2);
        return 1;
}

/* Why it cannot be paid, or NULL. */
static const char *pay_fault(
                const RegtestInvoice *i, int64_t asked_msat, int64_t balance, int64_t *ret_msat) {
        if (streq(i->state, "settled"))
                return "somebody else has paid this invoice already";
        if (streq(i->state, "expired"))
                return "the invoice has expired";
        if (i->amount_msat == 0 && asked_msat <= 0)
                return "the invoice names no amount, and none was given";
        if (i->amount_msat > 0 && asked_msat > 0 && asked_msat != i->amount_msat)
                return "the amount is not the invoice's";
        *ret_msat = i->amount_msat ?: asked_msat;
        if (*ret_msat > balance)
                return "the payer does not have that much";
        return NULL;
}

static int pay(RegtestTable *t, const char *payer, const char *hash, const char *payee,
                int64_t msat) {
        SqlStatement *q = t->q[Q_SETTLE];
        int64_t seq;
        int r;

        r = transaction_add(t, hash, "payment", &seq);
        if (r >= 0)
                r = transfer(t, seq, payer, payee, msat);
        if (r < 0)
                return r;

        sql_bind_text(q, 1, hash);
        sql_bind_int(q, 2, seq);
        sql_bind_int(q, 3, msat);
        r = sql_run(q);
        if (r >= 0 && sql_changes(t->db) != 1)
                r = -EIO; /* it expired this very second: nothing of it happens, and he asks again
                           */
        if (r < 0)
                return r;

        q = t->q[Q_ADD_PAYMENT];
        sql_bind_text(q, 1, payer);
        sql_bind_text(q, 2, hash);
        sql_bind_int(q, 3, msat);
        sql_bind_int(q, 4, seq);
        return sql_run(q);
}

int regtest_pay(RegtestTable *t, const char *payer, const char *hash, int64_t amount_msat,
                RegtestPayment *ret) {
        _cleanup_sql_ SqlStatement *row = NULL;
        _cleanup_free_ char *payee = NULL;
        RegtestInvoice i;
        int64_t balance, msat;
        int r;

        *ret = (RegtestPayment){ .reason = "there is no route to this payee" };
        if (!is_name(payer) || !is_hex32(hash))
                return 0;
        r = regtest_payment(t, payer, hash, ret);
        if (r != 0)
                return MIN(r, 0);
        ret->reason = "there is no route to this payee";
        r = regtest_balance(t, payer, &balance);
        if (r < 0)
                return r;
        r = regtest_invoice(t, hash, &i, &row);
        if (r <= 0)
                return r;
        ret->reason = pay_fault(&i, amount_msat,
                        streq(payer, FAUCET) ? REGTEST_AMOUNT_MAX : balance, &msat);
        if (ret->reason)
                return 0;

        payee = strdup(i.account);
        if (!payee)
                return -ENOMEM;
        row = sql_reset(row);
        r = pay(t, payer, hash, payee, msat);
        if (r >= 0)
                r = regtest_payment(t, payer, hash, ret);
        ret->again = false;
        return MIN(r, 0);
}

int regtest_settled(RegtestTable *t, const char *account, int64_t after, unsigned limit,
                regtest_settled_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_SETTLED];
        int r;

        sql_bind_text(q, 1, account);
        sql_bind_int(q, 2, after);
        sql_bind_int(q, 3, limit);
        while ((r = sql_step(q)) > 0) {
                r = row(sql_int(q, 0), sql_text(q, 1), sql_int(q, 2), sql_int(q, 3), sql_text(q, 4),
                                userdata);
                if (r < 0)
                        return r;
        }
        return r;
}

int regtest_balance(RegtestTable *t, const char *account, int64_t *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_BALANCE];
        int r;

        sql_bind_text(q, 1, account);
        r = sql_step(q);
        if (r < 0)
                return r;
        *ret = r > 0 ? sql_int(q, 0) : 0;
        return 0;
}

static int funded(RegtestTable *t, const char *id) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FUNDED];

        sql_bind_text(q, 1, id);
        return sql_step(q);
}

int regtest_fund(RegtestTable *t, const char *id, const char *account, int64_t msat, int64_t *ret,
                const char **reterr) {
        int64_t seq;
        int r;

        *reterr = NULL;
        if (!is_name(id) || !is_name(account))
                *reterr = "its id or its account has no name, or a long one";
        else if (msat <= 0 || msat > REGTEST_AMOUNT_MAX / 1000)
                *reterr = "there is no such amount";
        if (*reterr)
                return -EINVAL;

        r = funded(t, id);
        if (r == 0) {
                r = transaction_add(t, id, "faucet", &seq);
                if (r >= 0)
                        r = transfer(t, seq, FAUCET, account, msat);
        }
        if (r >= 0)
                r = regtest_balance(t, account, ret);
        if (r < 0)
                *reterr = sql_reason(r);
        return r;
}

int regtest_list(RegtestTable *t, const RegtestQuery *query, regtest_entry_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_LIST];
        int r;

        sql_bind_text(q, 1, query->account);
        sql_bind_text(q, 2, query->kind);
        sql_bind_int(q, 3, query->from);
        sql_bind_int(q, 4, query->until > 0 ? query->until : INT64_MAX);
        sql_bind_int(q, 5, query->limit);
        sql_bind_int(q, 6, query->offset);
        sql_bind_int(q, 7, query->unpaid);
        while ((r = sql_step(q)) > 0) {
                RegtestEntry e = {
                        .incoming = sql_int(q, 0),
                        .state = sql_text(q, 1),
                        .hash = sql_text(q, 2),
                        .bolt11 = sql_text(q, 3),
                        .description = sql_text(q, 4),
                        .preimage = sql_text(q, 5),
                        .amount_msat = sql_int(q, 6),
                        .created_at = sql_int(q, 7),
                        .settled_at = sql_int(q, 8),
                        .expires_at = sql_int(q, 9),
                };

                r = row(&e, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
