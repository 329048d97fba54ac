/* Rows of why_counts, why_bids and why_events, see table-why.h. */
#include "table-why.h"

#define ID_SIZE    64
#define PREFIX_MIN 8

enum {
        Q_BATCH,
        Q_SET_BATCH,
        Q_COUNT,
        Q_BID,
        Q_EVENT,
        Q_OLD_COUNTS,
        Q_OLD_BIDS,
        Q_OLD_EVENTS,
        Q_MANY_COUNTS,
        Q_COUNTS,
        Q_BIDS,
        Q_FIND,
        _Q_MAX
};

#define KEEP(column) #column " = coalesce(excluded." #column ", " #column ")"
#define TO_TEXT(x)   #x
#define TEXT_OF(x)   TO_TEXT(x)

static const char *const texts[_Q_MAX] = {
        [Q_BATCH] = "SELECT 1 FROM why_batches WHERE source = ? AND number >= ?",
        [Q_SET_BATCH] = "INSERT INTO why_batches VALUES (1, ?, ?) ON CONFLICT DO UPDATE"
                        " SET source = excluded.source, number = excluded.number",
        [Q_COUNT] = "INSERT INTO why_counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                    " SET requests = requests + excluded.requests",
        [Q_BID] = "INSERT INTO why_bids VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                  " SET requests = requests + excluded.requests",
        [Q_EVENT] = "INSERT INTO why_events (id, seen_at, relay, kind, verdict, reason, class,"
                    " backend, model, bid_msats, price_msats, wait_ms, run_ms)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
                    " SET verdict = excluded.verdict, " KEEP(reason) ", " KEEP(class) ", " KEEP(backend) ", " KEEP(
                                    model) ", " KEEP(price_msats) ", " KEEP(wait_ms) ", " KEEP(run_ms),
        [Q_OLD_COUNTS] = "DELETE FROM why_counts WHERE hour < ?",
        [Q_OLD_BIDS] = "DELETE FROM why_bids WHERE hour < ?",
        [Q_OLD_EVENTS] = "DELETE FROM why_events WHERE seq <="
                         " (SELECT max(seq) FROM why_events) - " TEXT_OF(WHY_EVENTS_MAX),
        [Q_MANY_COUNTS] = "DELETE FROM why_counts WHERE hour ="
                          " (SELECT min(hour) FROM why_counts)"
                          " AND (SELECT count(*) FROM why_counts) > " TEXT_OF(WHY_COUNTS_MAX),
        [Q_COUNTS] = "SELECT relay, kind, verdict, sum(requests) FROM why_counts WHERE hour >= ?"
                     " GROUP BY relay, kind, verdict",
        [Q_BIDS] = "SELECT kind, percent, sum(requests) FROM why_bids WHERE hour >= ?"
                   " GROUP BY kind, percent",
        [Q_FIND] = "SELECT id, seen_at, relay, kind, verdict, reason, class, backend, model,"
                   " bid_msats, price_msats, wait_ms, run_ms FROM why_events"
                   " WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2",
};

struct WhyTable {
        SqlStatement *q[_Q_MAX];
        int64_t cleaned; /* the hour in which it was */
};

int why_table_new(Sql *db, WhyTable **ret) {
        _cleanup_(why_table_freep) WhyTable *t = NULL;
        int r;

        t = new0(WhyTable, 1);
        if (!t)
                return -ENOMEM;

        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

WhyTable *why_table_free(WhyTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_fit(const char *text) {
        return strlen(text) <= WHY_TEXT_MAX;
}

int why_begin(WhyTable *t, const char *source, uint64_t number) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_BATCH];
        SqlStatement *set = t->q[Q_SET_BATCH];
        int r;

        if (isempty(source) || !is_fit(source) || number > INT64_MAX)
                return -EINVAL;
        sql_bind_text(q, 1, source);
        sql_bind_int(q, 2, (int64_t) number);
        r = sql_step(q);
        if (r != 0)
                return r < 0 ? r : 0;

        sql_bind_text(set, 1, source);
        sql_bind_int(set, 2, (int64_t) number);
        r = sql_run(set);
        return r < 0 ? r : 1;
}

int why_add_count(WhyTable *t, const WhyCount *c) {
        SqlStatement *q = t->q[Q_COUNT];

        if (!is_fit(c->relay) || isempty(c->verdict) || !is_fit(c->verdict) || c->n > INT32_MAX)
                return -EINVAL;
        sql_bind_int(q, 1, c->hour);
        sql_bind_text(q, 2, c->relay);
        sql_bind_int(q, 3, c->kind);
        sql_bind_text(q, 4, c->verdict);
        sql_bind_int(q, 5, (int64_t) c->n);
        return sql_run(q);
}

int why_add_bid(WhyTable *t, const WhyBid *b) {
        SqlStatement *q = t->q[Q_BID];

        if (b->percent > 100 || b->n > INT32_MAX)
                return -EINVAL;
        sql_bind_int(q, 1, b->hour);
        sql_bind_int(q, 2, b->kind);
        sql_bind_int(q, 3, b->percent);
        sql_bind_int(q, 4, (int64_t) b->n);
        return sql_run(q);
}

static void bind_known_text(SqlStatement *q, int i, const char *text) {
        sql_bind_text(q, i, isempty(text) ? NULL : text);
}

static void bind_known_int(SqlStatement *q, int i, int64_t v) {
        if (v < 0)
                sql_bind_null(q, i);
        else
                sql_bind_int(q, i, v);
}

int why_add_event(WhyTable *t, const WhyEvent *e) {
        SqlStatement *q = t->q[Q_EVENT];

        if (strlen(e->id) != ID_SIZE || isempty(e->verdict) || !is_fit(e->verdict) ||
                        !is_fit(e->relay) || !is_fit(e->reason) || !is_fit(e->class) ||
                        !is_fit(e->backend) || !is_fit(e->model))
                return -EINVAL;
        sql_bind_text(q, 1, e->id);
        sql_bind_int(q, 2, e->at);
        sql_bind_text(q, 3, e->relay);
        sql_bind_int(q, 4, e->kind);
        sql_bind_text(q, 5, e->verdict);
        bind_known_text(q, 6, e->reason);
        bind_known_text(q, 7, e->class);
        bind_known_text(q, 8, e->backend);
        bind_known_text(q, 9, e->model);
        bind_known_int(q, 10, e->bid_msat);
        bind_known_int(q, 11, e->price_msat);
        bind_known_int(q, 12, e->wait_ms);
        bind_known_int(q, 13, e->run_ms);
        return sql_run(q);
}

int why_end(WhyTable *t, int64_t now) {
        int64_t hour = now / 3600;
        int r;

        r = sql_run(t->q[Q_OLD_EVENTS]);
        if (r < 0 || t->cleaned == hour)
                return r;

        sql_bind_int(t->q[Q_OLD_COUNTS], 1, hour - WHY_HOURS_KEPT);
        sql_bind_int(t->q[Q_OLD_BIDS], 1, hour - WHY_HOURS_KEPT);
        r = sql_run(t->q[Q_OLD_COUNTS]) ?: sql_run(t->q[Q_OLD_BIDS])
                            ?: sql_run(t->q[Q_MANY_COUNTS]);
        if (r >= 0)
                t->cleaned = hour;
        return r;
}

int why_counts(WhyTable *t, int64_t hour, why_count_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_COUNTS];
        int r;

        sql_bind_int(q, 1, hour);
        while ((r = sql_step(q)) > 0) {
                r = row(&(WhyCount){ .hour = hour,
                                        .relay = sql_text(q, 0),
                                        .kind = (uint16_t) sql_int(q, 1),
                                        .verdict = sql_text(q, 2),
                                        .n = (uint64_t) sql_int(q, 3) },
                                userdata);
                if (r < 0)
                        break;
        }
        return r;
}

int why_bids(WhyTable *t, int64_t hour, why_bid_t row, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_BIDS];
        int r;

        sql_bind_int(q, 1, hour);
        while ((r = sql_step(q)) > 0) {
                r = row(&(WhyBid){ .hour = hour,
                                        .kind = (uint16_t) sql_int(q, 0),
                                        .percent = (uint32_t) sql_int(q, 1),
                                        .n = (uint64_t) sql_int(q, 2) },
                                userdata);
                if (r < 0)
                        break;
        }
        return r;
}

int why_event(WhyTable *t, const char *prefix, SqlStatement **ret, const char **reterr) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        size_t n = strlen(prefix);
        bool another;
        int r;

        if (n < PREFIX_MIN || n > ID_SIZE || strspn(prefix, "0123456789abcdef") != n) {
                *reterr = "an id is 8 to 64 lower case digits of hex";
                return -EINVAL;
        }

        /* Twice, because the first row is gone when one looks for a second. */
        sql_bind_text(q, 1, prefix);
        r = sql_step(q);
        if (r == 0)
                r = -ENOENT;
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }
        another = (r = sql_step(q)) > 0;
        if (r < 0 || another) {
                *reterr = another ? "several requests begin like this" : sql_reason(r);
                return another ? -ENOTUNIQ : r;
        }
        (void) sql_reset(q);
        sql_bind_text(q, 1, prefix);
        r = sql_step(q);
        if (r <= 0) {
                *reterr = sql_reason(r);
                return r < 0 ? r : -ENOENT;
        }
        *ret = TAKE_PTR(q);
        return 0;
}
