/* Rows of job_funds and earnings, see job-money.h. */
#include "job-money.h"

enum {
        Q_FUNDS,
        Q_PUT,
        Q_TAKE,
        Q_EARN,
        Q_UNEARN,
        Q_SOLD,
        Q_STATUS,
        Q_REVIVE,
        Q_PAID,
        Q_REFUNDING,
        _Q_MAX,
};

#define OF_JOB "id >= ?1 AND id < ?1 || ';'" /* the id of the job, or with ":n" behind it */

static const char *const texts[_Q_MAX] = {
        [Q_FUNDS] = "SELECT place, msats FROM job_funds WHERE job_id = ?",
        [Q_PUT] = "INSERT INTO job_funds VALUES (?1, ?2, ?3) "
                  "ON CONFLICT DO UPDATE SET msats = msats + excluded.msats",
        [Q_TAKE] = "UPDATE job_funds SET msats = msats - ?3 WHERE job_id = ?1 AND place = ?2",
        [Q_EARN] = "INSERT INTO earnings (id, job_id, amount_msats, source, payment_hash, "
                   "preimage, earned_at) SELECT iif(n = 0, ?1, ?1 || ':' || n), ?1, ?2, 'job', "
                   "i.id, i.preimage, ?3 FROM (SELECT count(*) AS n FROM earnings "
                   "WHERE " OF_JOB ") LEFT JOIN (SELECT id, preimage FROM invoices "
                   "WHERE job_id = ?1 AND status = 'paid' "
                   "ORDER BY paid_at DESC, id LIMIT 1) AS i",
        [Q_SOLD] = "INSERT INTO earnings (id, amount_msats, source, earned_at) "
                   "VALUES ('transfer:' || ?1, ?2, 'other', ?3)",
        [Q_UNEARN] = "DELETE FROM earnings WHERE " OF_JOB,
        [Q_STATUS] = "SELECT status FROM jobs WHERE id = ?",
        [Q_REVIVE] = "UPDATE jobs SET status = 'owed', completed_at = NULL, "
                     "error_message = 'it was paid after it had ended' WHERE id = ?",
        [Q_PAID] = "UPDATE jobs SET paid_at = coalesce(paid_at, ?2) WHERE id = ?1",
        [Q_REFUNDING] = "SELECT 1 FROM payments WHERE ref = ? AND purpose = 'refund' "
                        "AND account = 'refunds' AND ref <> '' AND status <> 'failed' "
                        "AND status <> 'settled'",
};

typedef enum Place { PLACE_HELD, PLACE_REFUNDS, PLACE_SURPLUS, PLACE_PROVIDER, _PLACE_MAX } Place;

static const struct {
        const char *name, *account;
} places[_PLACE_MAX] = {
        [PLACE_HELD] = { "held", ACCOUNT_HELD },
        [PLACE_REFUNDS] = { "refunds", ACCOUNT_REFUNDS },
        [PLACE_SURPLUS] = { "surplus", ACCOUNT_REFUNDS },
        [PLACE_PROVIDER] = { "provider", ACCOUNT_PROVIDER },
};

struct JobMoney {
        Ledger *ledger;
        SqlStatement *q[_Q_MAX];
};

int job_money_new(Ledger *ledger, JobMoney **ret) {
        _cleanup_(job_money_freep) JobMoney *m = NULL;
        int r;

        m = new0(JobMoney, 1);
        if (!m)
                return -ENOMEM;

        m->ledger = ledger;
        r = sql_prepare_table(ledger_db(ledger), texts, _Q_MAX, m->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

JobMoney *job_money_free(JobMoney *m) {
        return mfree(m); /* the statements belong to the database */
}

static int funds_read(JobMoney *m, const char *job, int64_t ret[static _PLACE_MAX]) {
        _cleanup_sql_ SqlStatement *q = m->q[Q_FUNDS];
        int r;

        memset(ret, 0, _PLACE_MAX * sizeof(*ret));
        sql_bind_text(q, 1, job);
        while ((r = sql_step(q)) > 0)
                for (int i = 0; i < _PLACE_MAX; i++)
                        if (streq(places[i].name, sql_text(q, 0)))
                                ret[i] = sql_int(q, 1);
        return r;
}

static int funds_change(JobMoney *m, int query, const char *job, Place place, int64_t msat) {
        SqlStatement *q = m->q[query];

        if (msat == 0)
                return 0;
        sql_bind_text(q, 1, job);
        sql_bind_text(q, 2, places[place].name);
        sql_bind_int(q, 3, msat);
        return sql_run(q);
}

static int run_on_job(JobMoney *m, int query, const char *job) {
        sql_bind_text(m->q[query], 1, job);
        return sql_run(m->q[query]);
}

static int earn(JobMoney *m, int query, const char *id, int64_t msat) {
        SqlStatement *q = m->q[query];
        int64_t now;
        int r;

        r = ledger_now(m->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, id);
        sql_bind_int(q, 2, msat);
        sql_bind_int(q, 3, now);
        return sql_run(q);
}

int job_money_sold(JobMoney *m, const char *id, int64_t msat) {
        return earn(m, Q_SOLD, id, msat);
}

/* All of two places goes to a third. */
static int gather(JobMoney *m, const char *job, const char *kind, const Place from[static 2],
                Place to, const int64_t funds[static _PLACE_MAX]) {
        LedgerMove moves[2];
        int r = 0;

        if (funds[from[0]] + funds[from[1]] == 0)
                return 0;

        for (int i = 0; r >= 0 && i < 2; i++) {
                moves[i] = (LedgerMove){
                        .debit = places[from[i]].account,
                        .credit = places[to].account,
                        .msat = funds[from[i]],
                };
                r = funds_change(m, Q_TAKE, job, from[i], funds[from[i]]);
        }
        if (r >= 0)
                r = funds_change(m, Q_PUT, job, to, funds[from[0]] + funds[from[1]]);
        return r < 0 ? r : ledger_book(m->ledger, kind, job, "", moves, 2);
}

#define ENDS (B(JOB_FAILED) | B(JOB_EXPIRED) | B(JOB_CANCELLED))
#define OURS (B(JOB_PUBLISHING) | B(JOB_COMPLETED))

bool job_money_cares(JobState from, JobState to) {
        return from != to && (B(to) & (ENDS | OURS | B(JOB_OWED)) || from == JOB_OWED);
}

int job_money_check(
                JobMoney *m, const char *job, JobState from, JobState to, const char **ret_fault) {
        int64_t funds[_PLACE_MAX];
        int r;

        *ret_fault = NULL;
        if (B(to) & ENDS) {
                r = funds_read(m, job, funds);
                if (r < 0)
                        return r;
                for (int i = 0; i < _PLACE_MAX; i++)
                        if (funds[i] > 0)
                                *ret_fault = "it was paid: until it is delivered or paid back it is owed";
                return 0;
        }
        if (from != JOB_OWED)
                return 0;

        {
                _cleanup_sql_ SqlStatement *q = m->q[Q_REFUNDING];

                sql_bind_text(q, 1, job);
                r = sql_step(q);
        }
        if (r > 0)
                *ret_fault = "its refund is on the way";
        return MIN(r, 0);
}

int job_money_follow(JobMoney *m, const char *job, JobState from, JobState to) {
        static const Place unearned[2] = { PLACE_HELD, PLACE_REFUNDS };
        static const Place undelivered[2] = { PLACE_HELD, PLACE_PROVIDER };
        int64_t funds[_PLACE_MAX], msat;
        int r;

        r = funds_read(m, job, funds);
        if (r < 0)
                return r;

        if (B(to) & OURS) {
                msat = funds[PLACE_HELD] + funds[PLACE_REFUNDS];
                r = gather(m, job, "earned", unearned, PLACE_PROVIDER, funds);
                return r < 0 || msat == 0 ? r : earn(m, Q_EARN, job, msat);
        }
        if (to == JOB_OWED) {
                r = gather(m, job, "owed", undelivered, PLACE_REFUNDS, funds);
                return r < 0 || funds[PLACE_PROVIDER] == 0 ? r : run_on_job(m, Q_UNEARN, job);
        }
        if (from != JOB_OWED || B(to) & ENDS || funds[PLACE_REFUNDS] == 0)
                return 0;

        r = funds_change(m, Q_TAKE, job, PLACE_REFUNDS, funds[PLACE_REFUNDS]);
        if (r >= 0)
                r = funds_change(m, Q_PUT, job, PLACE_HELD, funds[PLACE_REFUNDS]);
        if (r < 0)
                return r;
        return ledger_book(m->ledger, "resumed", job, "",
                        &(LedgerMove){ ACCOUNT_REFUNDS, ACCOUNT_HELD, funds[PLACE_REFUNDS] }, 1);
}

/* -1: the store does not know the job (yet). */
static int status_of(JobMoney *m, const char *job, int *ret) {
        _cleanup_sql_ SqlStatement *q = m->q[Q_STATUS];
        int r;

        *ret = -1;
        sql_bind_text(q, 1, job);
        r = sql_step(q);
        if (r > 0)
                *ret = job_state_of(sql_text(q, 0));
        return MIN(r, 0);
}

int job_money_receive(JobMoney *m, const char *job, int64_t msat, bool surplus,
                const char **ret_account) {
        SqlStatement *q = m->q[Q_PAID];
        Place place = PLACE_HELD;
        int64_t now;
        int r, status;

        r = status_of(m, job, &status);
        if (r >= 0)
                r = ledger_now(m->ledger, &now);
        if (r < 0)
                return r;

        if (surplus)
                place = PLACE_SURPLUS;
        else if (status >= 0 && B(status) & OURS)
                place = PLACE_PROVIDER;
        else if (status >= 0 && B(status) & (ENDS | B(JOB_OWED)))
                place = PLACE_REFUNDS;
        if (status >= 0 && B(status) & ENDS)
                r = run_on_job(m, Q_REVIVE, job);
        if (r >= 0)
                r = funds_change(m, Q_PUT, job, place, msat);
        if (r >= 0 && place == PLACE_PROVIDER)
                r = earn(m, Q_EARN, job, msat);
        if (r < 0)
                return r;

        *ret_account = places[place].account;
        sql_bind_text(q, 1, job);
        sql_bind_int(q, 2, now);
        return sql_run(q);
}

int job_money_owed(JobMoney *m, const char *job, int64_t *ret_msat) {
        int64_t funds[_PLACE_MAX];
        int r;

        r = funds_read(m, job, funds);
        if (r < 0)
                return r;
        *ret_msat = funds[PLACE_REFUNDS] + funds[PLACE_SURPLUS];
        return 0;
}

int job_money_refunded(JobMoney *m, const char *job, int64_t msat) {
        int64_t funds[_PLACE_MAX], first;
        int r;

        r = funds_read(m, job, funds);
        if (r < 0)
                return r;

        first = MIN(msat, funds[PLACE_SURPLUS]);
        r = funds_change(m, Q_TAKE, job, PLACE_SURPLUS, first);
        if (r < 0)
                return r;
        return funds_change(m, Q_TAKE, job, PLACE_REFUNDS, msat - first);
}
