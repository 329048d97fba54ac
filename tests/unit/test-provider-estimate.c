/* provider/estimate: how long work took, and how long somebody will wait. */
#include "tests/unit/unit.h"

#include "estimate.h"

static void nobody_knows_before_anything_was_done(_unused_ void **state) {
        Durations d;

        durations_init(&d);
        assert_int_equal(durations_mean(&d, "ollama/a"), 0);
        assert_int_equal(estimate_wait(1, 4, 0, 0), 0);
        durations_done(&d);
}

static void each_model_has_its_own_time_and_a_new_one_that_of_all(_unused_ void **state) {
        Durations d;

        durations_init(&d);
        durations_note(&d, "ollama/a", 10 * SEC);
        durations_note(&d, "ollama/b", 2 * SEC);
        assert_int_equal(durations_mean(&d, "ollama/a"), 10 * SEC);
        assert_int_equal(durations_mean(&d, "ollama/b"), 2 * SEC);
        assert_int_equal(durations_mean(&d, "ollama/c"), 6 * SEC);
        durations_done(&d);
}

static void what_was_lately_weighs_more(_unused_ void **state) {
        Durations d;

        durations_init(&d);
        for (unsigned i = 0; i < 1000; i++)
                durations_note(&d, "pow", 10 * SEC);
        for (unsigned i = 0; i < 40; i++)
                durations_note(&d, "pow", 2 * SEC);
        assert_in_range(durations_mean(&d, "pow"), 2 * SEC, 2 * SEC + 100 * MSEC);
        durations_note(&d, "pow", UINT64_MAX);
        assert_in_range(durations_mean(&d, "pow"), 2 * SEC, 5 * 24 * HOUR);
        durations_done(&d);
}

static void strangers_names_take_a_bounded_room(_unused_ void **state) {
        char name[300];
        Durations d;

        durations_init(&d);
        for (unsigned i = 0; i < 2 * ESTIMATE_KEYS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "%u%0250u", i, 0);
                durations_note(&d, name, SEC);
        }
        assert_int_equal(map_size(&d.means), ESTIMATE_KEYS_MAX);
        assert_int_equal(durations_mean(&d, name), SEC);
        durations_done(&d);
}

static void the_wait_grows_with_the_position_and_shrinks_with_slots(_unused_ void **state) {
        assert_int_equal(estimate_wait(1, 1, 0, 10 * SEC), 10 * SEC);
        assert_int_equal(estimate_wait(1, 1, 1, 10 * SEC), 15 * SEC);
        assert_int_equal(estimate_wait(4, 4, 0, 10 * SEC), 10 * SEC);
        assert_int_equal(estimate_wait(5, 4, 0, 10 * SEC), 20 * SEC);
        assert_int_equal(estimate_wait(3, 0, 0, SEC), 3 * SEC);
        assert_in_range(estimate_wait(SIZE_MAX / 2, 1, 1, 24 * HOUR), HOUR, 30 * 24 * HOUR);
        for (size_t position = 1; position < 100; position++)
                assert_true(estimate_wait(position, 3, 3, SEC) <=
                                estimate_wait(position + 1, 3, 3, SEC));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody_knows_before_anything_was_done),
                cmocka_unit_test(each_model_has_its_own_time_and_a_new_one_that_of_all),
                cmocka_unit_test(what_was_lately_weighs_more),
                cmocka_unit_test(strangers_names_take_a_bounded_room),
                cmocka_unit_test(the_wait_grows_with_the_position_and_shrinks_with_slots),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
