/* Rows of payments, see table-payment.h. */
#include "table-payment.h"

#include <stdio.h>

#include "basic/log.h"

enum {
        Q_ADD,
        Q_BY_ID,
        Q_BY_HASH,
        Q_BY_REF,
        Q_SENT,
        Q_UNKNOWN,
        Q_FAILED,
        Q_SETTLED,
        Q_FREE_REF,
        Q_APPROVED,
        Q_OPEN,
        Q_GET,
        Q_REFUND,
        Q_UNDERWAY,
        _Q_MAX,
};

#define COLUMNS                                                                                   \
        "SELECT id, account, payment_hash, bolt11, payee, grant_name, purpose, ref, verify_url, " \
        "amount_msats, fee_max_msats, status, opaque, preimage, error_message, driver, "          \
        "fee_msats, created_at, sent_at, settled_at, tries FROM payments "

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO payments (id, account, payment_hash, bolt11, payee, grant_name, "
                  "purpose, ref, amount_msats, fee_max_msats, status, tick, created_at, "
                  "reserved_msats, counted_msats, verify_url) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                  "?8, ?9, ?10, ?11, ?12, ?13, ?14, ?9 + ?10, ?15)",
        [Q_BY_ID] = "SELECT id, account, payment_hash, status, amount_msats, fee_max_msats, "
                    "grant_name, ref, driver FROM payments WHERE id = ?",
        [Q_BY_HASH] = "SELECT id, account FROM payments WHERE payment_hash = ? "
                      "AND status <> 'failed'",
        [Q_BY_REF] = "SELECT id, account FROM payments WHERE ref = ?1 AND purpose = ?2 "
                     "AND account = ?3 AND ref <> '' AND status <> 'failed'",
        [Q_SENT] = "UPDATE payments SET status = 'sent', tries = tries + 1, "
                   "opaque = coalesce(nullif(?2, ''), opaque), "
                   "driver = coalesce(nullif(?3, ''), driver), "
                   "sent_at = coalesce(sent_at, ?4) WHERE id = ?1",
        [Q_UNKNOWN] = "UPDATE payments SET status = 'unknown', error_message = ?3, "
                      "opaque = coalesce(nullif(?2, ''), opaque) WHERE id = ?1",
        [Q_FAILED] = "UPDATE payments SET status = 'failed', error_message = ?2, settled_at = ?3, "
                     "reserved_msats = 0, counted_msats = 0 WHERE id = ?1",
        [Q_SETTLED] = "UPDATE payments SET status = 'settled', preimage = ?2, error_message = ?3, "
                      "driver = ?4, fee_msats = ?5, settled_at = ?6, reserved_msats = 0, "
                      "counted_msats = amount_msats + ?5 WHERE id = ?1",
        [Q_FREE_REF] = "UPDATE payments SET ref = '' WHERE id = ?1 AND EXISTS (SELECT 1 FROM "
                       "payments AS p WHERE p.ref = payments.ref AND p.purpose = payments.purpose "
                       "AND p.account = payments.account AND p.ref <> '' "
                       "AND p.status <> 'failed')",
        [Q_APPROVED] = "UPDATE payments SET status = 'new', error_message = ?2 WHERE id = ?1",
        [Q_OPEN] = COLUMNS "WHERE status IN ('waiting', 'new', 'sent', 'unknown') AND id > ?1 "
                           "ORDER BY id LIMIT ?2",
        [Q_GET] = COLUMNS "WHERE id = ?1 OR payment_hash = ?1 "
                          "ORDER BY id <> ?1, status = 'failed', seq DESC LIMIT 1",
        [Q_REFUND] = COLUMNS "WHERE ref = ?1 AND purpose = 'refund' AND account = 'refunds' "
                             "AND ref <> '' AND status <> 'failed'",
        [Q_UNDERWAY] = "SELECT coalesce(sum(amount_msats + fee_max_msats), 0) FROM payments "
                       "WHERE status IN ('waiting', 'new', 'sent', 'unknown') "
                       "AND status IN ('sent', 'unknown') AND driver = ?",
};

struct PaymentTable {
        Sql *db;
        Ledger *ledger;
        JobMoney *money;
        InvoiceTable *invoices;
        GrantTable *grants;
        SqlStatement *q[_Q_MAX];
};

int payment_table_new(Ledger *ledger, JobMoney *money, InvoiceTable *invoices, GrantTable *grants,
                PaymentTable **ret) {
        _cleanup_(payment_table_freep) PaymentTable *t = NULL;
        int r;

        t = new0(PaymentTable, 1);
        if (!t)
                return -ENOMEM;

        *t = (PaymentTable){
                .db = ledger_db(ledger),
                .ledger = ledger,
                .money = money,
                .invoices = invoices,
                .grants = grants,
        };
        r = sql_prepare_table(t->db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

PaymentTable *payment_table_free(PaymentTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_refund(const char *account) {
        return streq(account, ACCOUNT_REFUNDS);
}

/* Reserving. */

static const char *intent_fault(const Intent *i) {
        const char *const names[] = { i->payee, i->grant, i->purpose, i->ref };

        if (isempty(i->id) || !is_short(i->id, LEDGER_NAME_MAX))
                return "an intent has an id of 1 to 128 bytes";
        for (size_t n = 0; n < ELEMENTSOF(names); n++)
                if (!is_short(names[n], LEDGER_NAME_MAX))
                        return "one of its names is longer than 128 bytes";
        if (!is_hash(i->hash))
                return "its payment hash is none";
        if (isempty(i->bolt11) || !is_short(i->bolt11, INVOICE_BOLT11_MAX))
                return "its invoice is missing or too long";
        if (i->verify && !is_short(i->verify, PAYMENT_VERIFY_MAX))
                return "the URL that verifies it is too long";
        if (i->amount_msat < 1 || i->amount_msat > LEDGER_MSAT_MAX)
                return "its amount is out of range";
        if (i->fee_max_msat < 0 || i->fee_max_msat > LEDGER_MSAT_MAX)
                return "its limit of the fee is out of range";
        if (is_refund(i->account))
                return streq(i->purpose, "refund") && is_hash(i->ref) && isempty(i->grant)
                                       ? NULL
                                       : "a refund is for a job, by its id";
        if (account_kind(i->account) != ACCOUNT_MINE)
                return "this account cannot pay";
        return NULL;
}

/* One that this intent would repeat: says 1 with its id, or refuses. */
static int intent_there(PaymentTable *t, const Intent *i, bool *ret_there, Outcome *ret) {
        _cleanup_sql_ SqlStatement *q = NULL;
        int r;

        *ret_there = true;
        q = t->q[Q_BY_ID];
        sql_bind_text(q, 1, i->id);
        r = sql_step(q);
        if (r < 0)
                return r;
        if (r > 0 && (!streq(sql_text(q, 1), i->account) || !streq(sql_text(q, 2), i->hash)))
                return outcome_say(ret, -EEXIST, "its id was used for another payment");
        if (r > 0)
                return outcome_quote(ret, 1, i->id);

        q = t->q[Q_BY_HASH];
        sql_bind_text(q, 1, i->hash);
        r = sql_step(q);
        if (r < 0)
                return r;
        if (r > 0 && !streq(sql_text(q, 1), i->account))
                return outcome_say(ret, -EEXIST, "another account pays this invoice");
        if (r == 0 && !isempty(i->ref)) {
                q = t->q[Q_BY_REF];
                sql_bind_text(q, 1, i->ref);
                sql_bind_text(q, 2, i->purpose);
                sql_bind_text(q, 3, i->account);
                r = sql_step(q);
        }
        *ret_there = r > 0;
        return r <= 0 ? r : outcome_quote(ret, 1, sql_text(q, 0));
}

/* What cannot be spent twice: the account's money, or what is owed for the job. */
static int account_has_room(PaymentTable *t, const Intent *i, Outcome *ret) {
        int64_t wanted = i->amount_msat, owed = INT64_MAX;
        LedgerAccount a;
        int r;

        r = ledger_account(t->ledger, i->account, &a);
        if (r >= 0 && is_refund(i->account))
                r = job_money_owed(t->money, i->ref, &owed);
        if (r < 0)
                return r;

        if (!is_refund(i->account))
                wanted += i->fee_max_msat; /* of a refund the house bears it */
        if (a.frozen)
                return outcome_say(ret, -EBUSY, "the account is frozen until a person looks at it");
        if (i->amount_msat > owed)
                return outcome_say(ret, -ENOBUFS, "so much is not owed for this job");
        if (wanted > a.available)
                return outcome_say(ret, -ENOBUFS, "the account has not so much");
        return outcome_say(ret, 0, "");
}

static int intent_insert(PaymentTable *t, const Intent *i, const GrantAnswer *g) {
        SqlStatement *q = t->q[Q_ADD];
        int64_t now;
        int r;

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, i->id);
        sql_bind_text(q, 2, i->account);
        sql_bind_text(q, 3, i->hash);
        sql_bind_text(q, 4, i->bolt11);
        sql_bind_text(q, 5, i->payee);
        sql_bind_text(q, 6, i->grant);
        sql_bind_text(q, 7, i->purpose);
        sql_bind_text(q, 8, i->ref);
        sql_bind_int(q, 9, i->amount_msat);
        sql_bind_int(q, 10, i->fee_max_msat);
        sql_bind_text(q, 11, g->waits ? "waiting" : "new");
        sql_bind_text(q, 12, g->tick);
        sql_bind_int(q, 13, now);
        sql_bind_int(q, 14, i->amount_msat + (is_refund(i->account) ? 0 : i->fee_max_msat));
        sql_bind_text(q, 15, i->verify ?: "");
        return sql_run(q);
}

int payment_add(PaymentTable *t, const Intent *i, Outcome *ret) {
        const char *fault = intent_fault(i);
        GrantAnswer g = { 0 };
        bool there;
        int r;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        r = intent_there(t, i, &there, ret);
        if (r < 0 || there)
                return r;
        r = account_has_room(t, i, ret);
        if (r < 0 || ret->verdict < 0)
                return r;
        if (!isempty(i->grant)) {
                r = grant_ask(t->grants,
                                &(GrantQuestion){ i->grant, i->account, i->payee, i->amount_msat,
                                                i->fee_max_msat },
                                &g, ret);
                if (r < 0 || ret->verdict < 0)
                        return r;
        }

        r = intent_insert(t, i, &g);
        return r < 0 ? r : outcome_say(ret, 0, g.waits ? "waiting" : "new");
}

/* Moving. */

typedef enum State { WAITING, NEW, SENT, UNKNOWN, SETTLED, FAILED, _STATE_MAX } State;

/* clang-format off */
static const struct {
        const char *name;
        uint32_t next; /* what MoveIntents may lead to */
} states[_STATE_MAX] = {
        [WAITING] = { "waiting", B(FAILED) },
        [NEW]     = { "new",     B(SENT) | B(SETTLED) | B(FAILED) },
        [SENT]    = { "sent",    B(SENT) | B(UNKNOWN) | B(SETTLED) | B(FAILED) },
        [UNKNOWN] = { "unknown", B(SENT) | B(UNKNOWN) | B(SETTLED) | B(FAILED) },
        [SETTLED] = { "settled", 0 },
        [FAILED]  = { "failed",  B(SETTLED) }, /* its money is gone after all */
};
/* clang-format on */

static int state_of(const char *name) {
        for (int i = 0; i < _STATE_MAX; i++)
                if (streq(states[i].name, name))
                        return i;
        return -EINVAL;
}

typedef struct Payment {
        char account[LEDGER_NAME_MAX + 16], hash[65], grant[LEDGER_NAME_MAX + 1];
        char ref[LEDGER_NAME_MAX + 1], driver[64];
        int64_t amount_msat, fee_max_msat;
        State state;
} Payment;

/* 1 = found. */
static int payment_find(PaymentTable *t, const char *id, Payment *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_BY_ID];
        int r;

        sql_bind_text(q, 1, id);
        r = sql_step(q);
        if (r <= 0)
                return r;

        r = state_of(sql_text(q, 3));
        if (r < 0)
                return -EUCLEAN;
        *ret = (Payment){
                .state = (State) r,
                .amount_msat = sql_int(q, 4),
                .fee_max_msat = sql_int(q, 5),
        };
        (void) snprintf(ret->account, sizeof(ret->account), "%s", sql_text(q, 1));
        (void) snprintf(ret->hash, sizeof(ret->hash), "%s", sql_text(q, 2));
        (void) snprintf(ret->grant, sizeof(ret->grant), "%s", sql_text(q, 6));
        (void) snprintf(ret->ref, sizeof(ret->ref), "%s", sql_text(q, 7));
        (void) snprintf(ret->driver, sizeof(ret->driver), "%s", sql_text(q, 8));
        return 1;
}

static const char *move_fault(const IntentMove *m) {
        if (!is_short(m->opaque, PAYMENT_OPAQUE_MAX))
                return "its opaque part is too large";
        if (!is_short(m->reason, LEDGER_TEXT_MAX) || !is_short(m->driver, 32))
                return "one of its texts is too long";
        if (!isempty(m->preimage) && !is_hash(m->preimage))
                return "its preimage is none";
        if (m->fee_msat < 0 || m->fee_msat > LEDGER_MSAT_MAX)
                return "its fee is out of range";
        return NULL;
}

/* The money that left by a wallet. The fee of a refund is the house's. */
static int book_sent(PaymentTable *t, const IntentMove *m, const Payment *p) {
        bool refund = is_refund(p->account);
        char wallet[80];
        int r;

        (void) snprintf(wallet, sizeof(wallet), ACCOUNT_WALLET "%s", p->driver);
        r = ledger_book(t->ledger, refund ? "refund" : "payment", m->id, m->reason,
                        (const LedgerMove[]){
                                        { p->account, wallet, p->amount_msat },
                                        { refund ? ACCOUNT_FEES : p->account, wallet, m->fee_msat },
                        },
                        2);
        if (r < 0 || !refund)
                return r;
        return job_money_refunded(t->money, p->ref, p->amount_msat);
}

/* Payer and payee are both here, and no backend knows of it. */
static int book_inside(PaymentTable *t, const IntentMove *m, const Payment *p, Outcome *ret) {
        const char *account;
        int r;

        r = invoice_settle_inside(t->invoices, p->hash, p->amount_msat, &account, ret);
        if (r < 0 || ret->verdict < 0)
                return r;
        if (streq(account, p->account)) /* it paid itself: nothing moves */
                return ledger_book(t->ledger, "payment", m->id, m->reason, NULL, 0);
        return ledger_book(t->ledger, "payment", m->id, m->reason,
                        &(LedgerMove){ p->account, account, p->amount_msat }, 1);
}

/* More left than was reserved: it is booked, nobody spends on, and a person is told. */
static int alarm_about(PaymentTable *t, const IntentMove *m, const Payment *p) {
        int r;

        log_event(LOG_ERR, LOG_ID_PAYMENT_EXCEEDED,
                        LOG_FIELDS("PYLON_PAYMENT", m->id, "PYLON_ACCOUNT", p->account),
                        "Payment %s took more of \"%s\" than was reserved: the fee was %lld msat, "
                        "the limit %lld msat. The account is frozen.",
                        m->id, p->account, (long long) m->fee_msat, (long long) p->fee_max_msat);
        r = ledger_freeze(t->ledger, p->account, "a payment took more than was reserved");
        if (r < 0 || isempty(p->grant))
                return r;
        return grant_freeze(t->grants, p->grant, "a payment took more than was reserved");
}

static int payment_settled(PaymentTable *t, const IntentMove *m, Payment *p, Outcome *ret) {
        bool inside = streq(m->driver, "internal"), exceeded;
        SqlStatement *q = t->q[Q_SETTLED];
        int64_t now;
        int r;

        if (!isempty(m->driver))
                (void) snprintf(p->driver, sizeof(p->driver), "%s", m->driver);
        if (!inside && (p->state == NEW || isempty(p->driver)))
                return outcome_say(ret, -EINVAL, "it was not sent yet");
        if (inside && (p->state == FAILED || m->fee_msat > 0 || is_refund(p->account)))
                return outcome_say(ret, -EINVAL, "this cannot be settled inside");

        (void) outcome_say(ret, 0, "");
        r = inside ? book_inside(t, m, p, ret) : book_sent(t, m, p);
        if (r >= 0 && ret->verdict >= 0)
                r = ledger_now(t->ledger, &now);
        if (r < 0 || ret->verdict < 0)
                return r;
        if (p->state == FAILED) { /* the one that replaced it keeps its place */
                sql_bind_text(t->q[Q_FREE_REF], 1, m->id);
                r = sql_run(t->q[Q_FREE_REF]);
                if (r < 0)
                        return r;
        }

        sql_bind_text(q, 1, m->id);
        sql_bind_text(q, 2, m->preimage);
        sql_bind_text(q, 3, m->reason);
        sql_bind_text(q, 4, p->driver);
        sql_bind_int(q, 5, m->fee_msat);
        sql_bind_int(q, 6, now);
        r = sql_run(q);
        exceeded = m->fee_msat > p->fee_max_msat || p->state == FAILED;
        if (r >= 0 && exceeded)
                r = alarm_about(t, m, p);
        if (r < 0)
                return r;
        return exceeded ? outcome_say(ret, 1, "it took more than was reserved: it is frozen now")
                        : outcome_say(ret, 0, "");
}

static int payment_update(PaymentTable *t, const IntentMove *m, State to, Outcome *ret) {
        SqlStatement *q = t->q[to == SENT ? Q_SENT : to == FAILED ? Q_FAILED : Q_UNKNOWN];
        int64_t now;
        int r;

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, m->id);
        if (to == FAILED) {
                sql_bind_text(q, 2, m->reason);
                sql_bind_int(q, 3, now);
        } else {
                sql_bind_text(q, 2, m->opaque);
                sql_bind_text(q, 3, to == SENT ? m->driver : m->reason);
                if (to == SENT)
                        sql_bind_int(q, 4, now);
        }
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

/* Why it cannot go there; 0 in *ret_verdict where it can. */
static const char *transition_fault(const Payment *p, State to, int *ret_verdict) {
        *ret_verdict = 0;
        if (states[p->state].next & B(to))
                return NULL;
        *ret_verdict = -EALREADY;
        if (p->state == SETTLED)
                return "it is settled";
        if (p->state == FAILED)
                return "it has failed";
        *ret_verdict = -EINVAL;
        return p->state == WAITING ? "a person has to approve it first"
                                   : "this state does not follow the present one";
}

/* Its money is gone after all: is the invoice being paid by another intent? */
static int replaced(PaymentTable *t, const Payment *p) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_BY_HASH];

        if (p->state != FAILED)
                return 0;
        sql_bind_text(q, 1, p->hash);
        return sql_step(q);
}

int payment_move(PaymentTable *t, const IntentMove *m, Outcome *ret) {
        const char *fault = move_fault(m);
        Payment p = { 0 };
        int r, verdict, to = state_of(m->state);

        if (fault || to < 0)
                return outcome_say(ret, -EINVAL, fault ?: "there is no such state");
        r = payment_find(t, m->id, &p);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -ENOENT, "there is no such payment");
        if (p.state == (State) to && (to == SETTLED || to == FAILED))
                return outcome_say(ret, 0, ""); /* repeated */

        fault = transition_fault(&p, (State) to, &verdict);
        if (fault)
                return outcome_say(ret, verdict, fault);
        r = replaced(t, &p);
        if (r < 0)
                return r;
        if (r > 0)
                return outcome_say(ret, -EEXIST, "another payment of this invoice is there");
        if (to == SENT && isempty(m->driver) && isempty(p.driver))
                return outcome_say(ret, -EINVAL, "its driver is missing");
        return to == SETTLED ? payment_settled(t, m, &p, ret)
                             : payment_update(t, m, (State) to, ret);
}

int payment_approve(PaymentTable *t, const char *id, bool yes, const char *note, Outcome *ret) {
        SqlStatement *q = t->q[Q_APPROVED];
        Payment p = { 0 };
        int r;

        if (!is_short(note, LEDGER_TEXT_MAX))
                return outcome_say(ret, -EINVAL, "the note is too long");
        r = payment_find(t, id, &p);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -ENOENT, "there is no such payment");
        if (p.state != WAITING)
                return outcome_say(ret, 1, states[p.state].name);
        if (!yes)
                return payment_update(t, &(IntentMove){ .id = id, .reason = note }, FAILED, ret);

        sql_bind_text(q, 1, id);
        sql_bind_text(q, 2, note);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

SqlStatement *payment_open(PaymentTable *t, const char *after, unsigned limit) {
        SqlStatement *q = t->q[Q_OPEN];

        sql_bind_text(q, 1, after);
        sql_bind_int(q, 2, limit);
        return q;
}

SqlStatement *payment_get(PaymentTable *t, const char *id_or_hash) {
        const char *job = startswith(id_or_hash, PAYMENT_REFUND_OF);

        if (job) {
                sql_bind_text(t->q[Q_REFUND], 1, job);
                return t->q[Q_REFUND];
        }
        sql_bind_text(t->q[Q_GET], 1, id_or_hash);
        return t->q[Q_GET];
}

int payment_underway(PaymentTable *t, const char *driver, int64_t *ret_msat) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_UNDERWAY];
        int r;

        sql_bind_text(q, 1, driver);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret_msat = sql_int(q, 0);
        return 0;
}
