/* provider/customer: how much each has open, and how often he asks. */
#include "tests/unit/unit.h"

#include "customer.h"

static void the_jobs_of_each_customer_are_counted(_unused_ void **state) {
        Customer *a, *b;
        Customers c;

        customers_init(&c, 2);
        assert_int_equal(customers_add_job(&c, "a", 100, &a), 0);
        assert_int_equal(customers_add_job(&c, "a", 11, &a), 0);
        assert_int_equal(customers_add_job(&c, "b", 5, &b), 0);
        assert_int_equal(customers_add_job(&c, "c", 5, &b), -ENOBUFS);
        assert_ptr_equal(customers_get(&c, "a"), a);
        assert_int_equal(a->n_jobs, 2);
        assert_int_equal(a->bytes, 111);
        assert_null(customers_get(&c, "c"));
        customers_remove_job(&c, customers_get(&c, "b"), 5);
        assert_null(customers_get(&c, "b"));
        assert_int_equal(customers_add_job(&c, "c", 5, &b), 0);
        customers_remove_job(&c, a, 100);
        assert_int_equal(a->n_jobs, 1);
        assert_int_equal(a->bytes, 11);
        customers_done(&c);
}

static const PaceLimit three_a_minute = { .n = 3, .span = MIN_ };

static void who_asks_too_often_hears_when_he_may_ask_again(_unused_ void **state) {
        usec_t now = 1000 * SEC, wait;
        Pace p;

        pace_init(&p, 8);
        for (unsigned i = 0; i < 3; i++)
                assert_true(pace_take(&p, "a", &three_a_minute, now, &wait));
        assert_false(pace_take(&p, "a", &three_a_minute, now, &wait));
        assert_int_equal(wait, 20 * SEC);
        assert_true(pace_take(&p, "b", &three_a_minute, now, &wait));
        assert_false(pace_take(&p, "a", &three_a_minute, now + 20 * SEC - 1, &wait));
        assert_int_equal(wait, 1);
        assert_true(pace_take(&p, "a", &three_a_minute, now + 20 * SEC, &wait));
        assert_false(pace_take(&p, "a", &three_a_minute, now + 20 * SEC, &wait));
        for (unsigned i = 0; i < 3; i++)
                assert_true(pace_take(&p, "a", &three_a_minute, now + HOUR, &wait));
        assert_false(pace_take(&p, "a", &three_a_minute, now + HOUR, &wait));
        pace_done(&p);
}

static void without_a_limit_nobody_waits(_unused_ void **state) {
        usec_t wait;
        Pace p;

        pace_init(&p, 1);
        for (unsigned i = 0; i < 1000; i++)
                assert_true(pace_take(&p, "a", &(PaceLimit){}, SEC, &wait));
        assert_int_equal(map_size(&p.buckets), 0);
        pace_done(&p);
}

static void many_keys_share_one_bucket_and_take_no_memory(_unused_ void **state) {
        usec_t now = 1000 * SEC, wait;
        unsigned n_taken = 0;
        char key[16];
        Pace p;

        pace_init(&p, 10);
        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(key, sizeof(key), "%u", i);
                n_taken += pace_take(&p, key, &three_a_minute, now, &wait);
        }
        assert_int_equal(n_taken, 10 + 3);
        assert_int_equal(map_size(&p.buckets), 10);
        assert_true(pace_take(&p, "another", &three_a_minute, now + MIN_, &wait));
        assert_int_equal(map_size(&p.buckets), 1);
        pace_done(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_jobs_of_each_customer_are_counted),
                cmocka_unit_test(who_asks_too_often_hears_when_he_may_ask_again),
                cmocka_unit_test(without_a_limit_nobody_waits),
                cmocka_unit_test(many_keys_share_one_bucket_and_take_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
