/* cli/text: numbers and times for people. */
#include "tests/unit/unit.h"

#include "text.h"

static void assert_span(usec_t span, const char *expected) {
        char text[TEXT_MAX];

        text_span(span, text);
        assert_string_equal(text, expected);
}

static void spans_have_at_most_two_units(_unused_ void **state) {
        assert_span(0, "0s");
        assert_span(59 * SEC, "59s");
        assert_span(60 * SEC, "1min");
        assert_span(HOUR + 5 * MIN_, "1h 5min");
        assert_span(47 * HOUR, "47h");
        assert_span(72 * HOUR, "3 days");
        assert_span(UINT64_MAX, "213503982 days");
}

static void assert_ago(int64_t then, const char *expected) {
        char text[TEXT_MAX];

        text_ago(then, 1000000, text);
        assert_string_equal(text, expected);
}

static void times_are_told_from_now(_unused_ void **state) {
        assert_ago(0, "-");
        assert_ago(-1, "-");
        assert_ago(1000000, "now");
        assert_ago(2000000, "now");
        assert_ago(999000, "16min ago");
}

static void assert_until(int64_t then, const char *expected) {
        char text[TEXT_MAX];

        text_until(then, 1000000, text);
        assert_string_equal(text, expected);
}

static void times_to_come_are_told_too(_unused_ void **state) {
        assert_until(0, "-");
        assert_until(1, "now");
        assert_until(1000000, "now");
        assert_until(1000300, "in 5min");
}

static void assert_msats(int64_t msats, const char *expected) {
        char text[TEXT_MAX];

        text_msats(msats, text);
        assert_string_equal(text, expected);
}

static void millisats_lose_nothing(_unused_ void **state) {
        assert_msats(0, "0 sat");
        assert_msats(12000, "12 sat");
        assert_msats(1500, "1.500 sat");
        assert_msats(1, "0.001 sat");
        assert_msats(-1500, "-1.500 sat");
        assert_msats(INT64_MIN, "-9223372036854775.808 sat");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(spans_have_at_most_two_units),
                cmocka_unit_test(times_are_told_from_now),
                cmocka_unit_test(times_to_come_are_told_too),
                cmocka_unit_test(millisats_lose_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
