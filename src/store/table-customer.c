/* Rows of customer_notes, see table-customer.h. */
#include "table-customer.h"

enum { Q_ADD, Q_COUNTS, Q_OLD, Q_TRIM, _Q_MAX };

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO customer_notes (what, job_id, customer_pubkey, day) "
                  "VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [Q_COUNTS] = "SELECT customer_pubkey, count(*) FROM customer_notes "
                     "WHERE what = ?1 AND day >= ?2 GROUP BY 1 ORDER BY max(seq) DESC LIMIT ?3",
        /* What can count no more, whenever a new day begins; and never more than there is room. */
        [Q_OLD] = "DELETE FROM customer_notes WHERE what = ?1 AND day < ?2",
        [Q_TRIM] = "DELETE FROM customer_notes "
                   "WHERE seq <= (SELECT max(seq) FROM customer_notes) - ?",
};

struct CustomerTable {
        SqlStatement *q[_Q_MAX];
        int64_t day; /* up to which the old ones are gone */
};

int customer_table_new(Sql *db, CustomerTable **ret) {
        _cleanup_(customer_table_freep) CustomerTable *t = NULL;
        int r;

        t = new0(CustomerTable, 1);
        if (!t)
                return -ENOMEM;

        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

CustomerTable *customer_table_free(CustomerTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_hex32(const char *s) {
        return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static int drop_old(CustomerTable *t, const char *what, int64_t before) {
        SqlStatement *q = t->q[Q_OLD];

        sql_bind_text(q, 1, what);
        sql_bind_int(q, 2, before);
        return sql_run(q);
}

static int make_room(CustomerTable *t, int64_t day) {
        SqlStatement *q = t->q[Q_TRIM];
        int r = 0;

        if (day > t->day) {
                r = drop_old(t, CUSTOMER_NOTE_FREE, day - 1);
                if (r >= 0)
                        r = drop_old(t, CUSTOMER_NOTE_UNPAID, day - CUSTOMER_FORGETS);
                if (r < 0)
                        return r;
                t->day = day;
        }
        sql_bind_int(q, 1, CUSTOMER_NOTES_MAX);
        return sql_run(q);
}

int customer_note(CustomerTable *t, const CustomerNote *n, const char **reterr) {
        SqlStatement *q = t->q[Q_ADD];
        int r;

        *reterr = NULL;
        if (!streq(n->what, CUSTOMER_NOTE_FREE) && !streq(n->what, CUSTOMER_NOTE_UNPAID))
                *reterr = "there is no such note";
        else if (!is_hex32(n->job) || !is_hex32(n->customer))
                *reterr = "its job or its customer is not 64 hex digits";
        else if (n->day < 0 || n->day > INT32_MAX)
                *reterr = "there is no such day";
        if (*reterr)
                return -EINVAL;

        sql_bind_text(q, 1, n->what);
        sql_bind_text(q, 2, n->job);
        sql_bind_text(q, 3, n->customer);
        sql_bind_int(q, 4, n->day);
        r = sql_run(q);
        if (r >= 0)
                r = make_room(t, n->day);
        if (r < 0)
                *reterr = sql_reason(r);
        return r;
}

int customer_counts(CustomerTable *t, const char *what, int64_t day, unsigned limit,
                customer_count_t count, void *userdata) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_COUNTS];
        int r;

        sql_bind_text(q, 1, what);
        sql_bind_int(q, 2, day);
        sql_bind_int(q, 3, limit);
        while ((r = sql_step(q)) > 0) {
                r = count(sql_text(q, 0), sql_int(q, 1), userdata);
                if (r < 0)
                        return r;
        }
        return r;
}
