/* cli/advice: the nearest change that would have won more. */
#include "tests/unit/unit.h"

#include "advice.h"

static void the_price_that_would_have_earned_the_most_is_found(_unused_ void **state) {
        WhyLine lines[] = { { "wss://a", "too-cheap", 5050, 40 },
                { "wss://b", "too-cheap", 5050, 7 }, { "wss://a", "accepted", 5050, 3 } };
        WhyBidLine bids[] = { { 5050, 90, 2 }, { 5050, 60, 35 }, { 5050, 10, 10 },
                { 5100, 90, 1000 } };
        const WhyReport r = { lines, bids, ELEMENTSOF(lines), ELEMENTSOF(bids), 1000 };
        Advice a[ADVICE_MAX];

        assert_int_equal(advice_make(&r, a), 1);
        assert_string_equal(a[0].verdict, "too-cheap");
        assert_int_equal(a[0].kind, 5050);
        assert_int_equal(a[0].n, 37);
        assert_int_equal(a[0].percent, 60);
        assert_int_equal(a[0].price_msats, 600);
}

static void what_would_have_won_the_most_comes_first(_unused_ void **state) {
        WhyLine lines[] = { { "wss://a", "queue-full", 5050, 5 },
                { "wss://b", "queue-full", 5100, 4 }, { "wss://a", "unsupported-kind", 5100, 21 },
                { "wss://a", "unsupported-kind", 5300, 1 }, { "wss://a", "not-for-us", 5050, 1000 },
                { "wss://a", "of a later version", 1, 9 } };
        const WhyReport r = { lines, NULL, ELEMENTSOF(lines), 0, 0 };
        Advice a[ADVICE_MAX];

        assert_int_equal(advice_make(&r, a), 3);
        assert_string_equal(a[0].verdict, "unsupported-kind");
        assert_int_equal(a[0].kind, 5100);
        assert_int_equal(a[0].n, 21);
        assert_string_equal(a[1].verdict, "queue-full");
        assert_int_equal(a[1].kind, 0);
        assert_int_equal(a[1].n, 9);
        assert_int_equal(a[2].kind, 5300);
        assert_null(advice_change("not-for-us"));
        assert_string_equal(advice_meaning("of a later version"), "of a later version");
}

static void there_is_an_end_to_advice(_unused_ void **state) {
        WhyLine lines[3 * ADVICE_MAX];
        const WhyReport r = { lines, NULL, ELEMENTSOF(lines), 0, 0 };
        Advice a[ADVICE_MAX];

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                lines[i] = (WhyLine){ "wss://a", "unsupported-kind", (uint16_t) i, 1 };
        assert_int_equal(advice_make(&r, a), ADVICE_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_price_that_would_have_earned_the_most_is_found),
                cmocka_unit_test(what_would_have_won_the_most_comes_first),
                cmocka_unit_test(there_is_an_end_to_advice),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
