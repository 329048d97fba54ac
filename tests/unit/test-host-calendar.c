/* host/calendar: the grammar and the next minute. calendar-against-systemd.py compares more. */
#include "tests/unit/unit.h"

#include <time.h>

#include "calendar.h"

static void use_zone(const char *zone) {
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
}

static int64_t at(const char *text) {
        struct tm tm = { .tm_isdst = -1 };

        assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
        tm.tm_isdst = -1;
        return mktime(&tm);
}

static Calendar parsed(const char *text) {
        const char *reason = "";
        Calendar c;

        if (calendar_parse(text, &c, &reason) < 0)
                fail_msg("\"%s\": %s", text, reason);
        return c;
}

static void assert_next(const char *calendar, const char *after, const char *expected) {
        Calendar c = parsed(calendar);
        int64_t next = -1;

        assert_int_equal(calendar_next(&c, at(after), &next), 0);
        if (next != at(expected))
                fail_msg("\"%s\" after %s: %jd instead of %s", calendar, after, (intmax_t) next,
                                expected);
        assert_true(calendar_matches(&c, next));
}

static void assert_refused(const char *text, const char *expected) {
        const char *reason = "";
        Calendar c;

        assert_int_equal(calendar_parse(text, &c, &reason), -EINVAL);
        assert_string_equal(reason, expected);
}

static void the_manuals_examples_are_understood(_unused_ void **state) {
        use_zone("UTC");
        assert_next("Sat,Mon..Thu,Sun", "2026-01-02 00:00:00", "2026-01-03 00:00:00");
        assert_next("Mon,Sun 12-*-* 2,1:23", "2011-12-31 00:00:00", "2012-01-01 01:23:00");
        assert_next("Wed *-1", "2026-01-01 00:00:00", "2026-04-01 00:00:00");
        assert_next("Wed..Wed,Wed *-1", "2026-01-01 00:00:00", "2026-04-01 00:00:00");
        assert_next("Wed, 17:48", "2026-01-01 00:00:00", "2026-01-07 17:48:00");
        assert_next("*-*-7 0:0:0", "2026-01-01 00:00:00", "2026-01-07 00:00:00");
        assert_next("10-15", "2026-01-01 00:00:00", "2026-10-15 00:00:00");
        assert_next("monday *-12-* 17:00", "2026-01-01 00:00:00", "2026-12-07 17:00:00");
        assert_next("Mon,Fri *-*-3,1,2 *:30:45", "2026-01-01 00:00:00", "2026-01-02 00:30:00");
        assert_next("12,14,13,12:20,10,30", "2026-01-01 12:30:00", "2026-01-01 13:10:00");
        assert_next("12..14:10,20,30", "2026-01-01 12:30:00", "2026-01-01 13:10:00");
        assert_next("mon,fri *-1/2-1,3 *:30:45", "2026-01-01 00:00:00", "2026-05-01 00:30:00");
        assert_next("03-05 08:05:40", "2026-01-01 00:00:00", "2026-03-05 08:05:00");
        assert_next("05:40", "2026-01-01 00:00:00", "2026-01-01 05:40:00");
        assert_next("Sat,Sun 12-05 08:05:40", "2026-01-01 00:00:00", "2026-12-05 08:05:00");
        assert_next("2003-02..04-05", "2003-01-01 00:00:00", "2003-02-05 00:00:00");
        assert_next("00:05:40.23/5", "2026-01-01 00:05:00", "2026-01-02 00:05:00");
}

static void a_list_a_range_and_a_step_mean_what_they_say(_unused_ void **state) {
        use_zone("UTC");
        assert_next("*:0/15", "2026-01-01 10:14:59", "2026-01-01 10:15:00");
        assert_next("*:0/15", "2026-01-01 10:15:00", "2026-01-01 10:30:00");
        assert_next("*:*/20", "2026-01-01 10:41:00", "2026-01-01 11:00:00");
        assert_next("9..17:30", "2026-01-01 17:30:00", "2026-01-02 09:30:00");
        assert_next("9..17/4:00", "2026-01-01 09:00:00", "2026-01-01 13:00:00");
        assert_next("*-*-1,5 11:12:13", "2026-01-01 11:12:00", "2026-01-05 11:12:00");
        assert_next("Mon..Fri 08:00", "2026-11-27 08:00:00", "2026-11-30 08:00:00");
        assert_next("Thu,Fri 2026-*-1,5 11:12", "2026-01-01 11:12:00", "2026-02-05 11:12:00");
}

static void days_are_counted_from_the_end_of_the_month(_unused_ void **state) {
        use_zone("UTC");
        assert_next("*-02~01", "2026-01-01 00:00:00", "2026-02-28 00:00:00");
        assert_next("*-02~01", "2028-01-01 00:00:00", "2028-02-29 00:00:00");
        assert_next("Mon *-05~07/1", "2026-01-01 00:00:00", "2026-05-25 00:00:00");
        assert_next("*-02~5..9/3", "2026-01-01 00:00:00", "2026-02-21 00:00:00");
}

static void shorthands_are_read_in_any_case(_unused_ void **state) {
        use_zone("UTC");
        assert_next("minutely", "2026-01-01 00:00:01", "2026-01-01 00:01:00");
        assert_next("Hourly", "2026-01-01 00:00:01", "2026-01-01 01:00:00");
        assert_next("daily", "2026-01-01 00:00:00", "2026-01-02 00:00:00");
        assert_next("WEEKLY", "2026-01-01 00:00:00", "2026-01-05 00:00:00");
        assert_next("monthly", "2026-01-01 00:00:00", "2026-02-01 00:00:00");
        assert_next("quarterly", "2026-01-01 00:00:00", "2026-04-01 00:00:00");
        assert_next("semiannually", "2026-01-01 00:00:00", "2026-07-01 00:00:00");
        assert_next("yearly", "2026-01-01 00:00:00", "2027-01-01 00:00:00");
}

static void every_second_of_a_minute_matches(_unused_ void **state) {
        Calendar c;

        use_zone("UTC");
        c = parsed("Mon..Fri 9..16:* UTC");
        assert_true(calendar_matches(&c, at("2026-11-27 09:00:00")));
        assert_true(calendar_matches(&c, at("2026-11-27 16:59:59")));
        assert_false(calendar_matches(&c, at("2026-11-27 17:00:00")));
        assert_false(calendar_matches(&c, at("2026-11-28 09:00:00")));
}

static void a_leap_day_is_found_and_an_impossible_one_is_not(_unused_ void **state) {
        Calendar c;
        int64_t next;

        use_zone("UTC");
        assert_next("Sun *-02-29", "2026-01-01 00:00:00", "2032-02-29 00:00:00");
        c = parsed("*-02-30");
        assert_int_equal(calendar_next(&c, at("2026-01-01 00:00:00"), &next), -ENOENT);
        c = parsed("2025-*-*");
        assert_int_equal(calendar_next(&c, at("2026-01-01 00:00:00"), &next), -ENOENT);
        assert_int_equal(calendar_next(&c, -5, &next), -ENOENT);
        assert_int_equal(calendar_next(&c, INT64_MAX, &next), -ENOENT);
}

static void local_time_follows_the_zone_and_utc_does_not(_unused_ void **state) {
        Calendar local = parsed("10:00"), utc = parsed("10:00 UTC");
        int64_t next;

        use_zone("Europe/Berlin");
        assert_int_equal(calendar_next(&local, 1767225600, &next), 0); /* 2026-01-01 00:00 UTC */
        assert_int_equal(next, 1767225600 + 9 * 3600);
        assert_int_equal(calendar_next(&utc, 1767225600, &next), 0);
        assert_int_equal(next, 1767225600 + 10 * 3600);
}

static void hours_that_the_clock_leaves_out_do_not_come_and_others_come_twice(
                _unused_ void **state) {
        Calendar half_past_two = parsed("02:30");
        int64_t next;

        use_zone("Europe/Berlin");
        assert_next("02:30", "2026-03-28 12:00:00", "2026-03-30 02:30:00");
        /* 2026-10-25: 02:30 at 00:30 and at 01:30 UTC */
        assert_int_equal(calendar_next(&half_past_two, 1792886400, &next), 0);
        assert_int_equal(next, 1792888200);
        assert_int_equal(calendar_next(&half_past_two, next, &next), 0);
        assert_int_equal(next, 1792888200 + 3600);
        use_zone("UTC");
}

static void what_is_no_calendar_is_refused_with_a_reason(_unused_ void **state) {
        static const char *const bad[] = { "", "12", "*", "Mon,,Tue", "Sat..Mon", "*-*-0", "0/0:0",
                "*:0/90", "*-0/2-1", "10..5:0", "2026", "foo", "25:00", "10:60", "10:00:60",
                "*-13-1", "*-*-32", "*-*-*-*", "10:00 Europe/Berlin", "Mon 10", "10:", "*-02~29",
                "@5", "1,,2:00", "2200-1-1", "1969-1-1", "10:00 ", " 10:00", "1..2..3:00" };
        const char *reason;
        Calendar c;
        char longer[400];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                reason = NULL;
                if (calendar_parse(bad[i], &c, &reason) != -EINVAL)
                        fail_msg("\"%s\" was taken", bad[i]);
                assert_non_null(reason);
        }
        assert_refused("Sat..Mon", "a range of weekdays ends before it begins");
        assert_refused("*:0/0", "a step of 0 leads nowhere");
        memset(longer, '1', sizeof(longer));
        longer[sizeof(longer) - 1] = '\0';
        assert_refused(longer, "it is too long");
}

static void quiet_hours_go_over_midnight(_unused_ void **state) {
        DaySpan s;

        use_zone("Europe/Berlin");
        assert_int_equal(day_span_parse("22:00-07:30", &s), 0);
        assert_true(day_span_contains(&s, at("2026-01-01 22:00:00")));
        assert_true(day_span_contains(&s, at("2026-01-02 07:29:59")));
        assert_false(day_span_contains(&s, at("2026-01-02 07:30:00")));
        assert_false(day_span_contains(&s, at("2026-01-01 21:59:59")));
        assert_int_equal(day_span_end(&s, at("2026-01-01 23:00:00")), at("2026-01-02 07:30:00"));
        assert_int_equal(day_span_end(&s, at("2026-01-02 03:00:00")), at("2026-01-02 07:30:00"));
        assert_int_equal(day_span_parse("9:00-17:00", &s), 0);
        assert_true(day_span_contains(&s, at("2026-01-01 12:00:00")));
        assert_false(day_span_contains(&s, at("2026-01-01 17:00:00")));
        use_zone("UTC");
}

static void what_is_no_span_of_the_day_is_refused(_unused_ void **state) {
        static const char *const bad[] = { "", "22:00", "22:00-", "-07:00", "22:00-07:00 ",
                "25:00-07:00", "22:60-07:00", "10:00-10:00", "24:00-07:00", "22:0-07:00",
                "2200-0700" };
        DaySpan s;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(day_span_parse(bad[i], &s), -EINVAL);
        assert_int_equal(day_span_parse("22:00-24:00", &s), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_manuals_examples_are_understood),
                cmocka_unit_test(a_list_a_range_and_a_step_mean_what_they_say),
                cmocka_unit_test(days_are_counted_from_the_end_of_the_month),
                cmocka_unit_test(shorthands_are_read_in_any_case),
                cmocka_unit_test(every_second_of_a_minute_matches),
                cmocka_unit_test(a_leap_day_is_found_and_an_impossible_one_is_not),
                cmocka_unit_test(local_time_follows_the_zone_and_utc_does_not),
                cmocka_unit_test(hours_that_the_clock_leaves_out_do_not_come_and_others_come_twice),
                cmocka_unit_test(what_is_no_calendar_is_refused_with_a_reason),
                cmocka_unit_test(quiet_hours_go_over_midnight),
                cmocka_unit_test(what_is_no_span_of_the_day_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
