/* One transaction for many requests, see sql-group.h. */
#include "basic/sql-group.h"

#include "basic/fault.h"
#include "basic/log.h"

/* The log goes into the file when it is quiet; under load when it has become this long. */
#define LOG_PAGES_MAX  2000
#define QUIET_USEC     (2 * SEC)
#define QUIET_ACCURACY SEC

enum { Q_BEGIN, Q_COMMIT, Q_ROLLBACK, Q_SAVE, Q_RELEASE, Q_UNDO, _Q_MAX };

static const char *const texts[_Q_MAX] = {
        [Q_BEGIN] = "BEGIN IMMEDIATE",
        [Q_COMMIT] = "COMMIT",
        [Q_ROLLBACK] = "ROLLBACK",
        [Q_SAVE] = "SAVEPOINT request",
        [Q_RELEASE] = "RELEASE request",
        [Q_UNDO] = "ROLLBACK TO request",
};

typedef struct Waiter {
        sql_done_t done;
        void *userdata;
} Waiter;

struct SqlGroup {
        Sql *db;
        sd_event *event;
        sd_event_source *commit, *soon, *lazy, *quiet;
        SqlStatement *q[_Q_MAX];
        Waiter waiters[SQL_REQUESTS_MAX];
        size_t n_waiters, n_requests;
        uint64_t since_usec; /* of the first request of this transaction */
        sql_undone_t undone;
        void *undone_userdata;
        bool inside; /* between begin and ok or refuse */
};

static void group_calm(SqlGroup *g) {
        (void) sd_event_source_set_enabled(g->commit, SD_EVENT_OFF);
        (void) sd_event_source_set_priority(g->commit, SQL_COMMIT_PRIORITY);
        (void) sd_event_source_set_enabled(g->soon, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(g->lazy, SD_EVENT_OFF);
        g->n_requests = 0;
}

/* The transaction is over. Callers may begin the next one from their callbacks. */
static void group_tell(SqlGroup *g, int error) {
        Waiter waiters[SQL_REQUESTS_MAX];
        size_t n = g->n_waiters;

        memcpy(waiters, g->waiters, n * sizeof(Waiter));
        g->n_waiters = 0;
        group_calm(g);

        if (error < 0 && g->undone)
                g->undone(error, g->undone_userdata);
        for (size_t i = 0; i < n; i++)
                waiters[i].done(error, error < 0 ? sql_reason(error) : NULL, waiters[i].userdata);
}

static void group_fail(SqlGroup *g, int error) {
        log_debug("What was not committed is undone: %s", sql_reason(error));
        if (sql_in_transaction(g->db))
                (void) sql_run(g->q[Q_ROLLBACK]); /* the first error counts */
        group_tell(g, error);
}

static int group_checkpoint(SqlGroup *g) {
        int r;

        if (sql_log_pages(g->db) == 0 || sql_in_transaction(g->db))
                return 0;

        r = sql_checkpoint(g->db);
        if (r < 0) /* nothing is lost: it stays in the log, and the next one tries again */
                log_debug("The log was not moved into the file: %s", sql_reason(r));
        return r;
}

static int on_quiet(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        (void) group_checkpoint(userdata);
        return 0;
}

static int group_arm(sd_event_source *s, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(s, usec);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int sql_group_commit(SqlGroup *g) {
        int r;

        assert(!g->inside);

        if (!sql_in_transaction(g->db))
                return 0;

        r = fault("sql.commit.before");
        if (r >= 0)
                r = sql_run(g->q[Q_COMMIT]);
        if (r < 0) {
                group_fail(g, r);
                return r;
        }

        (void) fault("sql.commit.after"); /* only to be killed here: it is on disk */
        group_tell(g, 0);
        if (sql_log_pages(g->db) >= LOG_PAGES_MAX)
                (void) group_checkpoint(g);
        else if (sql_log_pages(g->db) > 0)
                (void) group_arm(g->quiet, QUIET_USEC);
        return 0;
}

static int on_commit(_unused_ sd_event_source *s, void *userdata) {
        (void) sql_group_commit(userdata); /* who waited has been told */
        return 0;
}

static int on_time(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        (void) sql_group_commit(userdata); /* who waited has been told */
        return 0;
}

int sql_request_begin(SqlGroup *g) {
        int r;

        assert(!g->inside);

        if (g->n_waiters >= SQL_REQUESTS_MAX) {
                r = sql_group_commit(g);
                if (r < 0)
                        return r;
        }
        if (!sql_in_transaction(g->db)) {
                r = sql_run(g->q[Q_BEGIN]);
                if (r < 0)
                        return r;
                (void) sd_event_now(g->event, CLOCK_MONOTONIC, &g->since_usec);
        }
        r = sql_run(g->q[Q_SAVE]);
        if (r < 0)
                return r;

        g->inside = true;
        return 0;
}

/* A full disk makes SQLite roll the whole transaction back in the middle of a request. */
static int group_check_lost(SqlGroup *g) {
        int r;

        if (sql_in_transaction(g->db))
                return 0;

        r = sql_last_error(g->db) ?: -EIO;
        group_fail(g, r);
        return r;
}

/* Unless it is armed for an earlier time. */
static int group_arm_within(SqlGroup *g, sd_event_source *s, uint64_t usec) {
        uint64_t armed, now;
        int on, r;

        r = sd_event_source_get_enabled(s, &on);
        if (r > 0 && sd_event_source_get_time(s, &armed) >= 0 &&
                        sd_event_now(g->event, CLOCK_MONOTONIC, &now) >= 0 && armed <= now + usec)
                return 0;
        return r < 0 ? r : group_arm(s, usec);
}

#define NOW UINT64_C(0) /* how long a request may wait for its commit */

static int group_schedule(SqlGroup *g, uint64_t within) {
        uint64_t now = 0;
        int r;

        g->n_requests++;
        if (within > NOW && g->n_requests < SQL_REQUESTS_MAX)
                return group_arm_within(
                                g, within < SQL_COMMIT_LAZY_USEC ? g->soon : g->lazy, within);

        (void) sd_event_now(g->event, CLOCK_MONOTONIC, &now);
        if (g->n_requests >= SQL_REQUESTS_MAX || now - g->since_usec >= SQL_COMMIT_USEC) {
                r = sd_event_source_set_priority(g->commit, SD_EVENT_PRIORITY_IMPORTANT);
                if (r < 0)
                        return r;
        }
        return sd_event_source_set_enabled(g->commit, SD_EVENT_ONESHOT);
}

static int request_end(SqlGroup *g, uint64_t within, sql_done_t done, void *userdata) {
        int r;

        assert(g->inside);
        g->inside = false;

        r = group_check_lost(g);
        if (r < 0)
                return r;
        r = sql_run(g->q[Q_RELEASE]);
        if (r >= 0)
                r = group_schedule(g, within);
        if (r < 0) {
                group_fail(g, r);
                return r;
        }

        if (done)
                g->waiters[g->n_waiters++] = (Waiter){ done, userdata };
        return 0;
}

int sql_request_ok(SqlGroup *g, bool lazy, sql_done_t done, void *userdata) {
        return request_end(g, lazy ? SQL_COMMIT_LAZY_USEC : NOW, done, userdata);
}

int sql_request_soon(SqlGroup *g, uint64_t within, sql_done_t done, void *userdata) {
        return request_end(g, within, done, userdata);
}

void sql_request_refuse(SqlGroup *g) {
        int r;

        assert(g->inside);
        g->inside = false;

        if (group_check_lost(g) < 0)
                return;
        r = sql_run(g->q[Q_UNDO]);
        if (r >= 0)
                r = sql_run(g->q[Q_RELEASE]);
        if (r >= 0 && g->n_requests == 0)
                r = sql_run(g->q[Q_ROLLBACK]); /* nobody else is in it: no lock is kept */
        if (r < 0)
                group_fail(g, r);
}

bool sql_group_is_idle(const SqlGroup *g) {
        return g->n_requests == 0 && !g->inside;
}

void sql_group_on_undone(SqlGroup *g, sql_undone_t undone, void *userdata) {
        g->undone = undone;
        g->undone_userdata = userdata;
}

static int group_add_timer(SqlGroup *g, sd_event_source **ret, uint64_t accuracy,
                sd_event_time_handler_t handler, const char *name) {
        int r;

        r = sd_event_add_time_relative(g->event, ret, CLOCK_MONOTONIC, SEC, accuracy, handler, g);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(*ret, name);
        return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int sql_group_new(Sql *db, sd_event *event, SqlGroup **ret) {
        _cleanup_(sql_group_freep) SqlGroup *g = NULL;
        int r;

        g = new0(SqlGroup, 1);
        if (!g)
                return -ENOMEM;

        g->db = db;
        g->event = sd_event_ref(event);
        r = sql_prepare_table(db, texts, _Q_MAX, g->q);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &g->commit, on_commit, g);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(g->commit, "sql-commit");
        r = group_add_timer(g, &g->soon, MSEC, on_time, "sql-commit-soon");
        if (r < 0)
                return r;
        r = group_add_timer(g, &g->lazy, 200 * MSEC, on_time, "sql-commit-lazy");
        if (r < 0)
                return r;
        r = group_add_timer(g, &g->quiet, QUIET_ACCURACY, on_quiet, "sql-checkpoint");
        if (r < 0)
                return r;
        group_calm(g);

        *ret = TAKE_PTR(g);
        return 0;
}

SqlGroup *sql_group_free(SqlGroup *g) {
        if (!g)
                return NULL;

        if (g->q[_Q_MAX - 1])
                (void) sql_group_commit(g); /* who waited has been told */
        g->commit = sd_event_source_disable_unref(g->commit);
        g->soon = sd_event_source_disable_unref(g->soon);
        g->lazy = sd_event_source_disable_unref(g->lazy);
        g->quiet = sd_event_source_disable_unref(g->quiet);
        g->event = sd_event_unref(g->event);
        return mfree(g);
}
