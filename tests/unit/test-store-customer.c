/* store/table-customer: what is remembered of customers, once per job, and forgotten in time. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "schema.h"
#include "table-customer.h"

#define ALICE "aa00000000000000000000000000000000000000000000000000000000000000"
#define BOB   "bb00000000000000000000000000000000000000000000000000000000000000"
#define TODAY INT64_C(20000)

typedef struct World {
        char folder[64], path[96], trail[1024];
        Sql *db;
        CustomerTable *customers;
} World;

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-customer-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(customer_table_new(w->db, &w->customers), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        w->customers = customer_table_free(w->customers);
        w->db = sql_close(w->db);
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

static int note(World *w, const char *what, unsigned job, const char *customer, int64_t day) {
        const char *reason;
        char id[65];

        (void) snprintf(id, sizeof(id), "%064x", job);
        return customer_note(w->customers, &(CustomerNote){ what, id, customer, day }, &reason);
}

static int on_count(const char *customer, int64_t n, void *userdata) {
        World *w = userdata;
        size_t size = strlen(w->trail);

        (void) snprintf(w->trail + size, sizeof(w->trail) - size, "%.2s:%lld ", customer,
                        (long long) n);
        return 0;
}

static void assert_counts(World *w, const char *what, int64_t since, const char *expected) {
        w->trail[0] = '\0';
        assert_int_equal(customer_counts(w->customers, what, since, 100, on_count, w), 0);
        assert_string_equal(w->trail, expected);
}

static void each_job_is_noted_once(void **state) {
        World *w = *state;

        for (int i = 0; i < 3; i++) {
                assert_int_equal(note(w, "free", 1, ALICE, TODAY), 0);
                assert_int_equal(note(w, "free", 2, ALICE, TODAY), 0);
                assert_int_equal(note(w, "free", 3, BOB, TODAY), 0);
                assert_int_equal(note(w, "unpaid", 3, BOB, TODAY), 0);
        }
        assert_counts(w, "free", TODAY, "bb:1 aa:2 ");
        assert_counts(w, "unpaid", TODAY - 90, "bb:1 ");
        assert_counts(w, "free", TODAY + 1, "");
}

static void what_counts_no_more_goes(void **state) {
        World *w = *state;

        assert_int_equal(note(w, "free", 1, ALICE, TODAY), 0);
        assert_int_equal(note(w, "unpaid", 2, ALICE, TODAY), 0);
        assert_int_equal(note(w, "free", 3, BOB, TODAY + 2), 0);
        assert_counts(w, "free", 0, "bb:1 ");
        assert_counts(w, "unpaid", 0, "aa:1 ");
        assert_int_equal(note(w, "free", 4, BOB, TODAY + CUSTOMER_FORGETS + 1), 0);
        assert_counts(w, "unpaid", 0, "");
}

static void nonsense_is_refused(void **state) {
        World *w = *state;

        assert_int_equal(note(w, "rich", 1, ALICE, TODAY), -EINVAL);
        assert_int_equal(note(w, "free", 1, "alice", TODAY), -EINVAL);
        assert_int_equal(note(w, "free", 1, ALICE, -1), -EINVAL);
        assert_int_equal(note(w, "free", 1, ALICE, INT64_MAX), -EINVAL);
        assert_counts(w, "free", 0, "");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(each_job_is_noted_once),
                T(what_counts_no_more_goes),
                T(nonsense_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
