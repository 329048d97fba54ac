#include "schedule.h"

#define HOUR_MS        INT64_C(3600000)
#define CATCH_UP_MAX   30 /* seconds over which what was missed is spread */
#define FIRST_MAX      30
#define BACKOFF_FIRST  30
#define BACKOFF_MAX    3600
#define QUIET_ROUNDS   8 /* windows that lie in quiet hours are passed over, so often */
#define WINDOW_SECONDS 60

/* A number of the agent and a count, evenly spread (splitmix64). */
static uint64_t chance(const uint8_t key[static 32], uint64_t n) {
        uint64_t x;

        memcpy(&x, key, sizeof(x));
        x += (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        return x ^ (x >> 31);
}

static int64_t spread(const Schedule *s, uint64_t n, int64_t below) {
        return below > 0 ? (int64_t) (chance(s->key, n) % (uint64_t) below) : 0;
}

int64_t schedule_quiet_until(const Schedule *s, int64_t now) {
        int64_t until = 0;

        /* One may begin where the other ends. */
        for (size_t round = 0; round <= s->n_quiet; round++) {
                int64_t at = MAX(until, now), before = until;

                for (size_t i = 0; i < s->n_quiet; i++)
                        if (day_span_contains(&s->quiet[i], at))
                                until = MAX(until, day_span_end(&s->quiet[i], at));
                if (until == before)
                        break;
        }
        return until;
}

/* The first time at or after `at` that lies in a window; inside its minute each agent has a second
 * of its own. */
static int64_t into_window(const Schedule *s, int64_t at, uint64_t n) {
        int64_t best = SCHEDULE_NEVER;

        if (s->n_windows == 0)
                return at;
        for (size_t i = 0; i < s->n_windows; i++) {
                int64_t next;

                if (calendar_matches(&s->windows[i], at))
                        return at;
                if (calendar_next(&s->windows[i], at, &next) >= 0)
                        best = MIN(best, next);
        }
        return best == SCHEDULE_NEVER ? best : best + spread(s, n, WINDOW_SECONDS);
}

static int64_t out_of_quiet(const Schedule *s, int64_t at, uint64_t n) {
        int64_t until = at == SCHEDULE_NEVER ? 0 : schedule_quiet_until(s, at);

        return until > at ? until + spread(s, n, WINDOW_SECONDS) : at;
}

/* The heartbeat after the last tick, without regard to windows. */
static int64_t heartbeat_due(const Schedule *s, const ScheduleState *state, int64_t now) {
        int64_t width = s->heartbeat * MIN(s->jitter_percent, 100U) / 100;
        /* The clock may have been set back since. */
        int64_t last = MIN(state->last, now);

        if (last == 0)
                return now + spread(s, state->n, MIN(s->heartbeat, (int64_t) FIRST_MAX));
        return last + MAX(s->heartbeat - width + spread(s, state->n, 2 * width + 1), (int64_t) 1);
}

int64_t schedule_next(const Schedule *s, const ScheduleState *state, int64_t now) {
        int64_t at = SCHEDULE_NEVER;

        if (s->heartbeat > 0) {
                at = into_window(s, heartbeat_due(s, state, now), state->n);
                for (int i = 0; i < QUIET_ROUNDS && at != SCHEDULE_NEVER; i++) {
                        int64_t loud = out_of_quiet(s, at, state->n);

                        if (loud == at)
                                break;
                        at = into_window(s, loud, state->n);
                }
        }
        if (state->wish > 0) /* it asked for this moment, so windows do not move it */
                at = MIN(at, state->wish);
        if (at == SCHEDULE_NEVER)
                return at;
        if (at < now) /* missed; once, and not all agents in the same second */
                at = now + spread(s, state->n, MIN(s->heartbeat / 10, (int64_t) CATCH_UP_MAX));
        at = MAX(at, state->not_before);
        return out_of_quiet(s, at, state->n);
}

int64_t schedule_backoff(const uint8_t key[static 32], unsigned failures) {
        unsigned doublings = MIN(failures - 1, 16U);
        int64_t wait;

        if (failures == 0)
                return 0;
        wait = MIN(BACKOFF_FIRST * (INT64_C(1) << doublings), (int64_t) BACKOFF_MAX);
        return wait + (int64_t) (chance(key, failures) % (uint64_t) (wait / 4 + 1));
}

int64_t pace_wait(const Pace *p, uint32_t per_hour, unsigned at_once, int64_t now_ms) {
        int64_t each = per_hour > 0 ? HOUR_MS / per_hour : HOUR_MS;
        /* Set back by more than it could ever owe: the clock was changed. */
        int64_t due = p->due > now_ms + each * at_once ? 0 : p->due;

        if (per_hour == 0)
                return HOUR_MS;
        return MAX(due - each * (at_once - 1) - now_ms, (int64_t) 0);
}

bool pace_take(Pace *p, uint32_t per_hour, unsigned at_once, int64_t now_ms) {
        int64_t each;

        if (per_hour == 0 || pace_wait(p, per_hour, at_once, now_ms) > 0)
                return false;
        each = HOUR_MS / per_hour;
        if (p->due > now_ms + each * at_once)
                p->due = 0;
        p->due = MAX(p->due, now_ms) + each;
        return true;
}
