#pragma once
/* Schedule: when an agent wakes by itself, and how often others may wake it. Pure: the time is an
 * argument, and chance is a number made of the agent's key, so that a thousand agents do not wake
 * together and each always wakes at the same times. Seconds since 1970. */
#include "calendar.h"

#define SCHEDULE_NEVER INT64_MAX

typedef struct Schedule {
        const uint8_t *key; /* 32 bytes */
        int64_t heartbeat;  /* seconds; 0: it does not wake by itself */
        unsigned jitter_percent;
        const Calendar *windows; /* none: always */
        size_t n_windows;
        const DaySpan *quiet;
        size_t n_quiet;
} Schedule;

typedef struct ScheduleState {
        int64_t last;       /* the last tick; 0: there was none */
        int64_t wish;       /* the agent's own; 0: none. It counts where it is earlier */
        int64_t not_before; /* back-off; 0: none */
        uint64_t n;         /* of ticks so far: what the jitter is made of */
} ScheduleState;

/* At or after now; SCHEDULE_NEVER. What was missed meanwhile is made up for once, soon. */
int64_t schedule_next(const Schedule *s, const ScheduleState *state, int64_t now);
/* The end of the quiet hours that now is in; 0: it is not quiet. */
int64_t schedule_quiet_until(const Schedule *s, int64_t now);
/* Seconds without a tick after so many failures in a row. */
int64_t schedule_backoff(const uint8_t key[static 32], unsigned failures);

/* Pace: so many in an hour, a few of them at once. Evenly spread, not counted: it needs 8 bytes. */
typedef struct Pace {
        int64_t due; /* milliseconds: when all that was let through is paid for */
} Pace;
/* Lets one through, and remembers it. */
bool pace_take(Pace *p, uint32_t per_hour, unsigned at_once, int64_t now_ms);
/* Milliseconds until the next one would be let through; 0: now. */
int64_t pace_wait(const Pace *p, uint32_t per_hour, unsigned at_once, int64_t now_ms);
