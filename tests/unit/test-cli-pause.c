/* cli/pause: how long the supervisor waits before it starts a service again. */
#include "tests/unit/unit.h"

#include "pause.h"

static usec_t after(unsigned times, usec_t ran) {
        usec_t pause = 0;

        for (unsigned i = 0; i < times; i++)
                pause = pause_after(pause, ran);
        return pause;
}

static void the_first_time_it_is_back_at_once(_unused_ void **state) {
        assert_int_equal(after(1, 0), PAUSE_FIRST);
        assert_int_equal(after(1, UINT64_MAX), PAUSE_FIRST);
}

static void what_breaks_down_at_the_start_is_tried_ever_more_rarely(_unused_ void **state) {
        assert_int_equal(after(2, 50 * MSEC), 2 * PAUSE_FIRST);
        assert_int_equal(after(5, 50 * MSEC), 16 * PAUSE_FIRST);
        assert_int_equal(after(100, 999 * MSEC), PAUSE_MAX);
}

static void what_worked_for_a_second_waits_no_longer_than_the_last_time(_unused_ void **state) {
        assert_int_equal(after(1000, SEC), PAUSE_FIRST);
        assert_int_equal(pause_after(8 * SEC, SEC), 8 * SEC);
}

static void what_worked_for_a_while_is_forgiven(_unused_ void **state) {
        assert_int_equal(pause_after(8 * SEC, 2 * SEC), 4 * SEC);
        assert_int_equal(pause_after(PAUSE_MAX, 5 * SEC), PAUSE_MAX / 16);
        assert_int_equal(pause_after(PAUSE_MAX, 10 * SEC), PAUSE_FIRST);
        assert_int_equal(pause_after(PAUSE_MAX, UINT64_MAX), PAUSE_FIRST);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_time_it_is_back_at_once),
                cmocka_unit_test(what_breaks_down_at_the_start_is_tried_ever_more_rarely),
                cmocka_unit_test(what_worked_for_a_second_waits_no_longer_than_the_last_time),
                cmocka_unit_test(what_worked_for_a_while_is_forgiven),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
