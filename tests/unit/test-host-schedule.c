/* host/schedule: when an agent wakes, and how often others may wake it. */
#include "tests/unit/unit.h"

#include <time.h>

#include "schedule.h"

#define NOW   INT64_C(1767225600) /* 2026-01-01 00:00 UTC, a Thursday */
#define HOUR_ 3600
#define DAY   86400

static const uint8_t key[32] = { 1, 2, 3 }, other[32] = { 9, 9, 9 };

static Calendar parsed(const char *text) {
        const char *reason;
        Calendar c;

        assert_int_equal(calendar_parse(text, &c, &reason), 0);
        return c;
}

static DaySpan span(const char *text) {
        DaySpan s;

        assert_int_equal(day_span_parse(text, &s), 0);
        return s;
}

static void use_utc(void) {
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        tzset();
}

static void a_heartbeat_varies_by_its_jitter_and_no_more(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 900, .jitter_percent = 10 };
        int64_t least = INT64_MAX, most = 0;

        for (uint64_t n = 0; n < 1000; n++) {
                int64_t at = schedule_next(&s, &(ScheduleState){ .last = NOW, .n = n }, NOW);

                least = MIN(least, at - NOW);
                most = MAX(most, at - NOW);
        }
        assert_in_range(least, 810, 815);
        assert_in_range(most, 985, 990);
}

static void it_is_always_the_same_and_another_agents_is_another(_unused_ void **state) {
        Schedule mine = { .key = key, .heartbeat = 900, .jitter_percent = 10 }, his = mine;
        unsigned same = 0;

        his.key = other;
        for (uint64_t n = 0; n < 100; n++) {
                ScheduleState state_n = { .last = NOW, .n = n };

                assert_int_equal(schedule_next(&mine, &state_n, NOW),
                                schedule_next(&mine, &state_n, NOW + 60));
                same += schedule_next(&mine, &state_n, NOW) == schedule_next(&his, &state_n, NOW);
        }
        assert_true(same < 10);
}

static void without_jitter_it_is_exact(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 60 };

        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW }, NOW), NOW + 60);
}

static void what_was_missed_is_made_up_for_once_and_soon(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 900, .jitter_percent = 10 };
        int64_t at = schedule_next(&s, &(ScheduleState){ .last = NOW - 10 * DAY, .n = 5 }, NOW);

        assert_in_range(at, NOW, NOW + 30);
        at = schedule_next(&s, &(ScheduleState){ .last = at, .n = 6 }, at);
        assert_in_range(at, NOW + 810, NOW + 30 + 990);
}

static void the_first_heartbeat_comes_soon(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 900, .jitter_percent = 10 };

        assert_in_range(schedule_next(&s, &(ScheduleState){ 0 }, NOW), NOW, NOW + 30);
}

static void who_does_not_wake_by_himself_wakes_by_wish_only(_unused_ void **state) {
        Schedule s = { .key = key };

        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW }, NOW), SCHEDULE_NEVER);
        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW, .wish = NOW + 77 }, NOW),
                        NOW + 77);
}

static void the_agents_wish_counts_where_it_is_earlier(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 900 };

        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW, .wish = NOW + 100 }, NOW),
                        NOW + 100);
        assert_int_equal(
                        schedule_next(&s, &(ScheduleState){ .last = NOW, .wish = NOW + 5000 }, NOW),
                        NOW + 900);
        assert_in_range(schedule_next(&s, &(ScheduleState){ .last = NOW, .wish = NOW - 5 }, NOW),
                        NOW, NOW + 30);
}

static void a_window_moves_the_heartbeat_into_its_next_minute(_unused_ void **state) {
        Calendar windows[] = { parsed("9..16:* UTC"), parsed("20:00 UTC") };
        Schedule s = { .key = key, .heartbeat = 900, .windows = windows, .n_windows = 2 };
        int64_t at;

        use_utc();
        at = schedule_next(&s, &(ScheduleState){ .last = NOW + 10 * HOUR_ }, NOW + 10 * HOUR_);
        assert_int_equal(at, NOW + 10 * HOUR_ + 900); /* inside */
        at = schedule_next(&s, &(ScheduleState){ .last = NOW + HOUR_ }, NOW + HOUR_);
        assert_in_range(at, NOW + 9 * HOUR_, NOW + 9 * HOUR_ + 59);
        at = schedule_next(&s, &(ScheduleState){ .last = NOW + 17 * HOUR_ }, NOW + 17 * HOUR_);
        assert_in_range(at, NOW + 20 * HOUR_, NOW + 20 * HOUR_ + 59);
}

static void a_window_that_never_comes_is_never(_unused_ void **state) {
        Calendar windows[] = { parsed("2001-1-1") };
        Schedule s = { .key = key, .heartbeat = 900, .windows = windows, .n_windows = 1 };

        use_utc();
        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW }, NOW), SCHEDULE_NEVER);
}

static void quiet_hours_postpone_heartbeats_wishes_and_what_was_missed(_unused_ void **state) {
        DaySpan quiet[] = { span("22:00-07:00"), span("07:00-08:00") };
        Schedule s = { .key = key, .heartbeat = 900, .quiet = quiet, .n_quiet = 2 };
        int64_t morning = NOW + 8 * HOUR_, night = NOW + HOUR_;

        use_utc();
        assert_int_equal(schedule_quiet_until(&s, night), morning);
        assert_int_equal(schedule_quiet_until(&s, NOW + 12 * HOUR_), 0);
        assert_in_range(schedule_next(&s, &(ScheduleState){ .last = night }, night), morning,
                        morning + 59);
        assert_in_range(schedule_next(&s, &(ScheduleState){ .last = night, .wish = night + 5 },
                                        night),
                        morning, morning + 59);
        assert_in_range(schedule_next(&s, &(ScheduleState){ .last = 1 }, night), morning,
                        morning + 59);
}

static void a_window_inside_quiet_hours_is_passed_over(_unused_ void **state) {
        Calendar windows[] = { parsed("0..23/3:00 UTC") };
        DaySpan quiet[] = { span("22:00-07:00") };
        Schedule s = { .key = key,
                .heartbeat = 60,
                .windows = windows,
                .n_windows = 1,
                .quiet = quiet,
                .n_quiet = 1 };

        use_utc();
        assert_in_range(schedule_next(&s, &(ScheduleState){ .last = NOW }, NOW), NOW + 9 * HOUR_,
                        NOW + 9 * HOUR_ + 59);
}

static void a_clock_that_was_set_back_does_not_put_it_to_sleep(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 900 };

        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW + 365 * DAY }, NOW),
                        NOW + 900);
}

static void backing_off_grows_and_has_an_end(_unused_ void **state) {
        Schedule s = { .key = key, .heartbeat = 60 };
        int64_t before = 0;

        assert_int_equal(schedule_backoff(key, 0), 0);
        for (unsigned n = 1; n < 40; n++) {
                int64_t wait = schedule_backoff(key, n);

                assert_in_range(wait, 30, 4500);
                assert_true(n > 7 || wait > before);
                before = wait;
        }
        assert_int_equal(schedule_next(&s, &(ScheduleState){ .last = NOW, .not_before = NOW + 500 },
                                         NOW),
                        NOW + 500);
}

static void a_pace_lets_a_few_through_at_once_and_then_evenly(_unused_ void **state) {
        int64_t now = NOW * 1000;
        unsigned n = 0;
        Pace p = { 0 };

        for (int i = 0; i < 10000; i++) /* in a minute */
                n += pace_take(&p, 60, 2, now + i * 6);
        assert_int_equal(n, 2);
        assert_true(pace_wait(&p, 60, 2, now + 59994) > 0);
        for (int minute = 1; minute <= 60; minute++)
                n += pace_take(&p, 60, 2, now + minute * 60000);
        assert_in_range(n, 60, 63);
}

static void a_pace_waits_exactly_as_long_as_it_says(_unused_ void **state) {
        int64_t now = NOW * 1000, wait;
        Pace p = { 0 };

        while (pace_take(&p, 120, 3, now))
                ;
        wait = pace_wait(&p, 120, 3, now);
        assert_int_equal(wait, 30000);
        assert_false(pace_take(&p, 120, 3, now + wait - 1));
        assert_true(pace_take(&p, 120, 3, now + wait));
        assert_false(pace_take(&p, 0, 3, now + DAY * 1000));
}

static void a_pace_survives_a_clock_that_was_set_back(_unused_ void **state) {
        int64_t now = NOW * 1000;
        Pace p = { 0 };

        assert_true(pace_take(&p, 60, 1, now));
        assert_true(pace_take(&p, 60, 1, now - INT64_C(86400000)));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_heartbeat_varies_by_its_jitter_and_no_more),
                cmocka_unit_test(it_is_always_the_same_and_another_agents_is_another),
                cmocka_unit_test(without_jitter_it_is_exact),
                cmocka_unit_test(what_was_missed_is_made_up_for_once_and_soon),
                cmocka_unit_test(the_first_heartbeat_comes_soon),
                cmocka_unit_test(who_does_not_wake_by_himself_wakes_by_wish_only),
                cmocka_unit_test(the_agents_wish_counts_where_it_is_earlier),
                cmocka_unit_test(a_window_moves_the_heartbeat_into_its_next_minute),
                cmocka_unit_test(a_window_that_never_comes_is_never),
                cmocka_unit_test(quiet_hours_postpone_heartbeats_wishes_and_what_was_missed),
                cmocka_unit_test(a_window_inside_quiet_hours_is_passed_over),
                cmocka_unit_test(a_clock_that_was_set_back_does_not_put_it_to_sleep),
                cmocka_unit_test(backing_off_grows_and_has_an_end),
                cmocka_unit_test(a_pace_lets_a_few_through_at_once_and_then_evenly),
                cmocka_unit_test(a_pace_waits_exactly_as_long_as_it_says),
                cmocka_unit_test(a_pace_survives_a_clock_that_was_set_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
