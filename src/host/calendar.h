#pragma once
/* Calendar: "Mon..Fri 9..17:0/15" as systemd.time(7) writes it, by the minute: a calendar is the
 * set of the minutes that match; what is said of seconds is read and has no effect. Local time, or
 * UTC where the text ends with it. Pure but for the zone. */
#include "basic/macro.h"

#define CALENDAR_TEXT_MAX  256
#define CALENDAR_PARTS_MAX 32 /* in one list, such as "1,5,7..9/2" */
#define CALENDAR_YEAR_MIN  1970
#define CALENDAR_YEAR_MAX  2199

typedef struct CalendarPart {
        int16_t start, stop, step; /* stop -1: up to the end, where there is a step */
} CalendarPart;

typedef struct Calendar {
        uint64_t minutes;
        uint32_t hours, days, months; /* days 1 to 31, months 1 to 12 */
        uint8_t weekdays;             /* bit 0 is Monday */
        uint64_t years[(CALENDAR_YEAR_MAX - CALENDAR_YEAR_MIN) / 64 + 1];
        bool from_the_end; /* days are counted from the month's last, and are in parts */
        CalendarPart parts[CALENDAR_PARTS_MAX];
        size_t n_parts;
        bool utc;
} Calendar;

/* -EINVAL with a reason. */
int calendar_parse(const char *text, Calendar *ret, const char **reterr);
/* Seconds since 1970. Times that a change of the clock leaves out do not come. */
bool calendar_matches(const Calendar *c, int64_t at);
/* The start of the first matching minute after that time; -ENOENT: none will come. */
int calendar_next(const Calendar *c, int64_t after, int64_t *ret);

/* "22:00-07:00", local time: from, inclusive, up to, exclusive; over midnight if it must. */
typedef struct DaySpan {
        uint16_t from, to; /* minutes of the day */
} DaySpan;
int day_span_parse(const char *text, DaySpan *ret);
bool day_span_contains(const DaySpan *s, int64_t at);
/* When it ends that contains this time. */
int64_t day_span_end(const DaySpan *s, int64_t at);
