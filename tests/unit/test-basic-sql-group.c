/* basic/sql-group: one commit for many, refusals that undo only themselves, failures that are told
 * to all. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/resource.h>

#include "basic/sql-group.h"

typedef struct World {
        char folder[64], path[96];
        sd_event *event;
        Sql *db;
        SqlGroup *group;
        int n_done, n_failed, n_undone, last_error;
} World;

static const SqlMigration schema[] = {
        { "rows", "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB) STRICT" },
};

static void on_undone(_unused_ int error, void *userdata) {
        World *w = userdata;

        assert_int_equal(w->n_failed, w->n_undone++); /* before the callers are told */
}

static void on_done(int error, const char *reason, void *userdata) {
        World *w = userdata;

        assert_int_equal(error < 0, reason != NULL);
        w->last_error = error;
        w->n_failed += error < 0;
        w->n_done++;
}

static void wait_for(World *w, int n) {
        while (w->n_done < n)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-group-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/test.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, ELEMENTSOF(schema), &w->db, &reason), 0);
        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(sql_group_new(w->db, w->event, &w->group), 0);
        sql_group_on_undone(w->group, on_undone, w);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        w->group = sql_group_free(w->group);
        w->db = sql_close(w->db);
        sd_event_unref(w->event);
        assert_int_equal(unlink(w->path), 0); /* a clean close leaves one file */
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

static void add(World *w, const char *name) {
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "INSERT INTO rows (name) VALUES ('%s')", name) > 0);
        assert_int_equal(sql_exec(w->db, text), 0);
}

static int64_t seen_from_outside(World *w) {
        const char *reason;
        SqlStatement *q;
        int64_t n;
        Sql *db;

        assert_int_equal(sql_open(w->path, schema, ELEMENTSOF(schema), &db, &reason), 0);
        assert_int_equal(sql_prepare(db, "SELECT count(*) FROM rows", &q), 0);
        assert_int_equal(sql_step(q), 1);
        n = sql_int(q, 0);
        (void) sql_reset(q);
        (void) sql_close(db);
        return n;
}

static void request(World *w, const char *name, bool lazy) {
        assert_int_equal(sql_request_begin(w->group), 0);
        add(w, name);
        assert_int_equal(sql_request_ok(w->group, lazy, on_done, w), 0);
}

static void many_requests_share_one_commit_and_all_are_told(void **state) {
        World *w = *state;

        for (int i = 0; i < 100; i++)
                request(w, "row", false);
        assert_int_equal(w->n_done, 0);
        assert_int_equal(seen_from_outside(w), 0);
        wait_for(w, 100);
        assert_int_equal(w->n_done, 100);
        assert_int_equal(w->n_failed, 0);
        assert_int_equal(seen_from_outside(w), 100);
}

static void a_refused_request_undoes_only_itself(void **state) {
        World *w = *state;

        request(w, "first", false);
        assert_int_equal(sql_request_begin(w->group), 0);
        add(w, "refused");
        add(w, "refused too");
        sql_request_refuse(w->group);
        request(w, "second", false);
        wait_for(w, 2);
        assert_int_equal(w->n_failed, 0);
        assert_int_equal(seen_from_outside(w), 2);
}

static void a_refused_request_alone_keeps_no_lock(void **state) {
        World *w = *state;

        assert_int_equal(sql_request_begin(w->group), 0);
        add(w, "refused");
        sql_request_refuse(w->group);
        assert_false(sql_in_transaction(w->db));
        assert_true(sql_group_is_idle(w->group));
}

static void a_failed_commit_fails_all_and_undoes_all(void **state) {
        struct rlimit before, small;
        World *w = *state;

        /* No file of this process may grow: what a full disk does, at the moment of the commit. */
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = (struct rlimit){ 4096, before.rlim_max };
        (void) signal(SIGXFSZ, SIG_IGN);

        for (int i = 0; i < 3; i++)
                request(w, "row", i == 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        wait_for(w, 3);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

        assert_int_equal(w->n_done, 3);
        assert_int_equal(w->n_failed, 3);
        assert_int_equal(w->n_undone, 1);
        assert_int_equal(w->last_error, -EIO);
        assert_int_equal(seen_from_outside(w), 0);

        request(w, "after", false); /* and it goes on */
        assert_int_equal(sql_group_commit(w->group), 0);
        assert_int_equal(seen_from_outside(w), 1);
}

static void a_full_database_fails_those_who_waited_and_goes_on(void **state) {
        World *w = *state;

        assert_int_equal(sql_exec(w->db, "PRAGMA max_page_count = 12"), 0);
        request(w, "first", false);
        assert_int_equal(sql_request_begin(w->group), 0);
        assert_int_equal(sql_exec(w->db, "INSERT INTO rows (name, data) VALUES ('large', "
                                         "zeroblob(100000))"),
                        -ENOSPC);
        sql_request_refuse(w->group);
        assert_int_equal(w->n_failed, 1);
        assert_int_equal(w->last_error, -ENOSPC);
        request(w, "second", false);
        wait_for(w, 2);
        assert_int_equal(w->last_error, 0);
        assert_int_equal(seen_from_outside(w), 1);
}

static void a_transaction_that_sqlite_gave_up_fails_those_who_waited(void **state) {
        World *w = *state;

        request(w, "first", false);
        assert_int_equal(sql_request_begin(w->group), 0);
        assert_int_equal(sql_exec(w->db, "ROLLBACK"), 0); /* as SQLite itself does */
        sql_request_refuse(w->group);
        assert_int_equal(w->n_failed, 1);
        assert_int_equal(w->n_undone, 1);

        assert_int_equal(sql_request_begin(w->group), 0);
        assert_int_equal(sql_exec(w->db, "ROLLBACK"), 0);
        assert_int_equal(sql_request_ok(w->group, false, on_done, w), -EIO);
        assert_int_equal(w->n_done, 1);
        assert_int_equal(w->n_undone, 2);
}

static void a_lazy_request_reaches_the_disk_within_a_second(void **state) {
        uint64_t from, to;
        World *w = *state;

        assert_true(sd_event_now(w->event, CLOCK_MONOTONIC, &from) >= 0);
        request(w, "lazy", true);
        wait_for(w, 1);
        assert_true(sd_event_now(w->event, CLOCK_MONOTONIC, &to) >= 0);
        assert_true(to - from >= SQL_COMMIT_LAZY_USEC - 10 * MSEC);
        assert_int_equal(seen_from_outside(w), 1);
}

static void a_lazy_request_rides_with_the_next_commit(void **state) {
        World *w = *state;

        request(w, "lazy", true);
        request(w, "eager", false);
        wait_for(w, 2);
        assert_int_equal(seen_from_outside(w), 2);
}

static void soon(World *w, const char *name, uint64_t within) {
        assert_int_equal(sql_request_begin(w->group), 0);
        add(w, name);
        assert_int_equal(sql_request_soon(w->group, within, on_done, w), 0);
}

static void a_request_without_hurry_rides_with_the_next_commit_and_waits_for_it(void **state) {
        World *w = *state;

        soon(w, "soon", MIN_);
        assert_true(sd_event_run(w->event, 20 * MSEC) >= 0);
        assert_int_equal(w->n_done, 0);
        assert_int_equal(seen_from_outside(w), 0);
        request(w, "now", false);
        wait_for(w, 2);
        assert_int_equal(seen_from_outside(w), 2);
}

static void a_request_without_hurry_has_a_commit_of_its_own_in_the_end(void **state) {
        World *w = *state;

        soon(w, "later", MIN_);
        soon(w, "soon", 5 * MSEC);
        soon(w, "later", MIN_);
        wait_for(w, 3);
        assert_int_equal(seen_from_outside(w), 3);
}

static void more_than_the_maximum_are_committed_in_parts(void **state) {
        World *w = *state;

        for (int i = 0; i < SQL_REQUESTS_MAX + 1; i++)
                request(w, "row", true);
        assert_int_equal(w->n_done, SQL_REQUESTS_MAX);
        assert_int_equal(seen_from_outside(w), SQL_REQUESTS_MAX);
        wait_for(w, SQL_REQUESTS_MAX + 1);
        assert_int_equal(seen_from_outside(w), SQL_REQUESTS_MAX + 1);
}

static void a_clean_stop_commits_what_is_open(void **state) {
        World *w = *state;

        request(w, "lazy", true);
        w->group = sql_group_free(w->group);
        assert_int_equal(w->n_done, 1);
        assert_int_equal(seen_from_outside(w), 1);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(many_requests_share_one_commit_and_all_are_told),
                T(a_refused_request_undoes_only_itself),
                T(a_refused_request_alone_keeps_no_lock),
                T(a_failed_commit_fails_all_and_undoes_all),
                T(a_full_database_fails_those_who_waited_and_goes_on),
                T(a_transaction_that_sqlite_gave_up_fails_those_who_waited),
                T(a_lazy_request_reaches_the_disk_within_a_second),
                T(a_lazy_request_rides_with_the_next_commit),
                T(a_request_without_hurry_rides_with_the_next_commit_and_waits_for_it),
                T(a_request_without_hurry_has_a_commit_of_its_own_in_the_end),
                T(more_than_the_maximum_are_committed_in_parts),
                T(a_clean_stop_commits_what_is_open),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
