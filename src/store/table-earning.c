/* Rows of earnings and earning_totals, see table-earning.h. */
#include "table-earning.h"

#define DAY 86400 /* seconds */

enum { Q_LIST, Q_TOTALS, Q_SUM, Q_BY_SOURCE, Q_BY_KIND, Q_BY_DAY, _Q_MAX };

#define GROUPED(what)                                                          \
        "SELECT " what ", sum(earnings), sum(amount_msats) FROM earning_days " \
        "WHERE day >= ?1 AND earnings <> 0 GROUP BY 1 ORDER BY 1"

static const char *const texts[_Q_MAX] = {
        [Q_LIST] = "SELECT id, job_id, source, amount_msats, payment_hash, earned_at "
                   "FROM earnings ORDER BY rowid DESC LIMIT ?",
        [Q_TOTALS] = "SELECT source, earnings, amount_msats FROM earning_totals ORDER BY source",
        [Q_BY_SOURCE] = GROUPED("source"),
        [Q_BY_KIND] = GROUPED("CAST (kind AS TEXT)"),
        [Q_BY_DAY] = GROUPED("date(day * 86400, 'unixepoch')"),
        [Q_SUM] = "SELECT total(earnings), sum(amount_msats) FROM earning_totals",
};

struct EarningTable {
        SqlStatement *q[_Q_MAX];
};

int earning_table_new(Sql *db, EarningTable **ret) {
        _cleanup_(earning_table_freep) EarningTable *t = NULL;
        int r;

        t = new0(EarningTable, 1);
        if (!t)
                return -ENOMEM;

        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

EarningTable *earning_table_free(EarningTable *t) {
        return mfree(t); /* the statements belong to the database */
}

int earning_list(EarningTable *t, unsigned limit, earning_row_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_LIST];
        int r;

        sql_bind_int(q, 1, limit);
        while ((r = sql_step(q)) > 0) {
                Earning e = {
                        .id = sql_text(q, 0),
                        .job_id = sql_text(q, 1),
                        .source = sql_text(q, 2),
                        .amount_msat = sql_int(q, 3),
                        .payment_hash = sql_text(q, 4),
                        .earned_at = sql_int(q, 5),
                };

                r = row(&e, userdata);
                if (r < 0)
                        return r;
        }
        return r;
}

int earning_totals(EarningTable *t, earning_total_t total, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_TOTALS];
        int r;

        while ((r = sql_step(q)) > 0) {
                r = total(sql_text(q, 0), sql_int(q, 1), sql_int(q, 2), userdata);
                if (r < 0)
                        return r;
        }
        return r;
}

static int query_of(const char *group) {
        return streq(group, "source") ? Q_BY_SOURCE
               : streq(group, "kind") ? Q_BY_KIND
               : streq(group, "day")  ? Q_BY_DAY
                                      : -EINVAL;
}

int earning_groups(EarningTable *t, const char *group, int64_t since, earning_total_t total,
                void *userdata) {
        int query = query_of(group), r;
        SqlStatement *q;

        if (query < 0)
                return query;
        q = t->q[query];
        sql_bind_int(q, 1, since / DAY);
        while ((r = sql_step(q)) > 0) {
                r = total(sql_text(q, 0), sql_int(q, 1), sql_int(q, 2), userdata);
                if (r < 0)
                        break;
        }
        (void) sql_reset(q);
        return r;
}

int earning_sum(EarningTable *t, int64_t *ret_n, int64_t *ret_msat) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_SUM];
        int r;

        r = sql_step(q);
        if (r < 0)
                return r;
        *ret_n = r > 0 ? sql_int(q, 0) : 0;
        *ret_msat = r > 0 ? sql_int(q, 1) : 0;
        return 0;
}
