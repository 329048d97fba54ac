/* basic/text: UTF-8, numbers and lists from strangers. */
#include "tests/unit/unit.h"

#include "basic/text.h"

static void good_utf8_is_good(_unused_ void **state) {
        static const char *const good[] = { "", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac",
                "\xf0\x9f\x90\xb1", "\xf4\x8f\xbf\xbf", "\xee\x80\x80", "\x7f" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_is_valid(good[i], strlen(good[i])));
        assert_true(utf8_is_valid("a\0b", 3));
}

static void overlong_surrogate_huge_and_cut_utf8_is_bad(_unused_ void **state) {
        static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
                "\xf0\x80\x80\xaf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
                "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x90", "a\xc3(",
                "\xc3\xc3\xbc" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
}

static void a_prefix_ends_between_two_characters(_unused_ void **state) {
        assert_int_equal(utf8_prefix("abc", 3, 10), 3);
        assert_int_equal(utf8_prefix("abc", 3, 2), 2);
        assert_int_equal(utf8_prefix("a\xe2\x82\xac"
                                     "b",
                                         5, 3),
                        1);
        assert_int_equal(utf8_prefix("a\xe2\x82\xac"
                                     "b",
                                         5, 4),
                        4);
        assert_int_equal(utf8_prefix("\xf0\x9f\x90\xb1", 4, 3), 0);
}

static void numbers_are_plain_digits(_unused_ void **state) {
        static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "01", "00", "1_000", "0x1",
                "1.0", "1e3" };
        uint64_t u64;
        uint32_t u32;
        int64_t i64;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_u64(bad[i], &u64), -EINVAL);
        assert_int_equal(parse_u64("0", &u64), 0);
        assert_int_equal(u64, 0);
        assert_int_equal(parse_u64("18446744073709551615", &u64), 0);
        assert_true(u64 == UINT64_MAX);
        assert_int_equal(parse_u64("18446744073709551616", &u64), -ERANGE);
        assert_int_equal(parse_u32("4294967295", &u32), 0);
        assert_int_equal(parse_u32("4294967296", &u32), -ERANGE);
        assert_int_equal(parse_i64("9223372036854775807", &i64), 0);
        assert_int_equal(parse_i64("9223372036854775808", &i64), -ERANGE);
}

static void spans_have_units(_unused_ void **state) {
        static const struct {
                const char *text;
                usec_t usec;
        } rows[] = {
                { "0", 0 },
                { "90", 90 * SEC },
                { "90s", 90 * SEC },
                { "500ms", 500 * MSEC },
                { "5min", 5 * MIN_ },
                { "2h", 2 * HOUR },
                { "1d", 24 * HOUR },
        };
        usec_t v;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(parse_span(rows[i].text, &v), 0);
                assert_true(v == rows[i].usec);
        }
        assert_int_equal(parse_span("5 min", &v), -EINVAL);
        assert_int_equal(parse_span("min", &v), -EINVAL);
        assert_int_equal(parse_span("5m", &v), -EINVAL);
        assert_int_equal(parse_span("99999999999999999d", &v), -ERANGE);
}

static void lists_own_their_strings(_unused_ void **state) {
        _cleanup_strv_ char **l = NULL, **copy = NULL, **none = NULL;

        assert_int_equal(strv_length(NULL), 0);
        assert_false(strv_contains(NULL, "a"));
        assert_int_equal(strv_add(&l, "a"), 0);
        assert_int_equal(strv_add(&l, "b"), 0);
        assert_int_equal(strv_copy(l, &copy), 0);
        assert_int_equal(strv_length(copy), 2);
        assert_true(strv_contains(copy, "b"));
        assert_false(strv_contains(copy, "c"));
        assert_int_equal(strv_copy(NULL, &none), 0);
        assert_null(none);
}

static void edits_are_counted(_unused_ void **state) {
        char longer[EDIT_DISTANCE_MAX + 2];

        assert_int_equal(edit_distance("", ""), 0);
        assert_int_equal(edit_distance("relays", "relay"), 1);
        assert_int_equal(edit_distance("kitten", "sitting"), 3);
        assert_int_equal(edit_distance("", "abc"), 3);
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = 0;
        assert_int_equal(edit_distance(longer, "a"), EDIT_DISTANCE_MAX + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_utf8_is_good),
                cmocka_unit_test(overlong_surrogate_huge_and_cut_utf8_is_bad),
                cmocka_unit_test(a_prefix_ends_between_two_characters),
                cmocka_unit_test(numbers_are_plain_digits),
                cmocka_unit_test(spans_have_units),
                cmocka_unit_test(lists_own_their_strings),
                cmocka_unit_test(edits_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
