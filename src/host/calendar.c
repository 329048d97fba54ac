/* The grammar of calendar events, of systemd.time(7), and the search for the next minute. */
#include "calendar.h"

#include <ctype.h>
#include <strings.h>
#include <time.h>

#define MINUTE     60
#define DAYS_AHEAD (41 * 366) /* 29 February on a given weekday comes within 40 years */
#define NUMBER_MAX 9999

/* ---- the grammar */

typedef struct Reader {
        const char *p;
        const char *reason;
} Reader;

/* A component: the numbers it may be made of, and what was read. All of them: n is 0. */
typedef struct Chain {
        CalendarPart parts[CALENDAR_PARTS_MAX];
        size_t n;
} Chain;

static int refuse(Reader *r, const char *reason) {
        r->reason = reason;
        return -EINVAL;
}

static int read_number(Reader *r, int16_t *ret) {
        int n = 0;

        if (!isdigit((unsigned char) *r->p))
                return refuse(r, "a number is missing");
        for (; isdigit((unsigned char) *r->p); r->p++) {
                n = n * 10 + (*r->p - '0');
                if (n > NUMBER_MAX)
                        return refuse(r, "a number is too large");
        }
        *ret = (int16_t) n;
        return 0;
}

/* Of seconds: what is behind the point changes nothing here. */
static int skip_fraction(Reader *r) {
        if (*r->p != '.' || r->p[1] == '.')
                return 0;
        r->p++;
        if (!isdigit((unsigned char) *r->p))
                return refuse(r, "a number is missing");
        r->p += strspn(r->p, "0123456789");
        return 0;
}

static int read_part(Reader *r, bool seconds, CalendarPart *ret) {
        int e;

        *ret = (CalendarPart){ .stop = -1 };
        e = read_number(r, &ret->start);
        if (e >= 0 && seconds)
                e = skip_fraction(r);
        if (e >= 0 && startswith(r->p, "..")) {
                r->p += 2;
                ret->step = 1;
                e = read_number(r, &ret->stop);
                if (e >= 0 && seconds)
                        e = skip_fraction(r);
        }
        if (e >= 0 && *r->p == '/') {
                r->p++;
                e = read_number(r, &ret->step);
                if (e >= 0 && seconds)
                        e = skip_fraction(r);
                if (e >= 0 && ret->step == 0 && !seconds)
                        return refuse(r, "a step of 0 leads nowhere");
        }
        return e;
}

/* "*", or a list; `seconds` because only those may have a fraction. */
static int read_chain(Reader *r, bool seconds, Chain *ret) {
        int e;

        ret->n = 0;
        if (*r->p == '*') {
                r->p++;
                if (*r->p != '/')
                        return 0;
                ret->parts[0] = (CalendarPart){ .start = -1, .stop = -1 };
                r->p++;
                e = read_number(r, &ret->parts[0].step);
                if (e >= 0 && ret->parts[0].step == 0)
                        return refuse(r, "a step of 0 leads nowhere");
                ret->n = 1;
                return e;
        }
        for (;;) {
                if (ret->n == CALENDAR_PARTS_MAX)
                        return refuse(r, "a list is too long");
                e = read_part(r, seconds, &ret->parts[ret->n]);
                if (e < 0)
                        return e;
                ret->n++;
                if (*r->p != ',')
                        return 0;
                r->p++;
        }
}

/* The end of a part within a range; "5" alone is 5 to 5. */
static int part_stop(const CalendarPart *p, int max) {
        return p->stop >= 0 ? p->stop : p->step > 0 ? max : p->start;
}

/* Sets a bit for each number of the chain, counted from `from`; "*" and "*"/n begin at min. */
static int chain_bits(
                Reader *r, const Chain *c, int min, int max, int from, uint64_t *bits, size_t n) {
        memset(bits, 0, n * sizeof(*bits));
        for (int k = min; c->n == 0 && k <= max; k++)
                bits[(k - from) / 64] |= UINT64_C(1) << ((k - from) % 64);
        for (size_t i = 0; i < c->n; i++) {
                const CalendarPart *p = &c->parts[i];
                int start = p->start < 0 ? min : p->start;
                int stop = part_stop(p, max);

                if (start < min || start > max || stop > max)
                        return refuse(r, "a number is out of range");
                if (stop < start)
                        return refuse(r, "a range ends before it begins");
                if (p->stop < 0 && p->step > max - start)
                        return refuse(r, "a step is longer than what is left");
                for (int k = start; k <= stop; k += MAX((int) p->step, 1))
                        bits[(k - from) / 64] |= UINT64_C(1) << ((k - from) % 64);
        }
        return 0;
}

static int chain_bits32(Reader *r, const Chain *c, int min, int max, uint32_t *ret) {
        uint64_t bits;
        int e;

        e = chain_bits(r, c, min, max, 0, &bits, 1);
        *ret = (uint32_t) bits;
        return e;
}

/* Weekdays: "Mon..Thu,Sat". Returns 1 where there were some. */
static int match_day(const char *p, size_t *ret_size) {
        static const char *const names[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday",
                "Saturday", "Sunday" };

        for (int i = 0; i < 7; i++) {
                size_t n = strlen(names[i]);

                if (strncasecmp(p, names[i], n) != 0)
                        n = 3;
                if (strncasecmp(p, names[i], n) == 0 && !isalpha((unsigned char) p[n])) {
                        *ret_size = n;
                        return i;
                }
        }
        return -1;
}

static int read_weekdays(Reader *r, Calendar *c) {
        int first = -1;

        if (!isalpha((unsigned char) *r->p))
                return 0;
        for (;;) {
                size_t n;
                int day = match_day(r->p, &n);

                if (day < 0)
                        return refuse(r, "there is no such weekday or word");
                if (first > day)
                        return refuse(r, "a range of weekdays ends before it begins");
                for (int k = first >= 0 ? first : day; k <= day; k++)
                        c->weekdays |= (uint8_t) (1 << k);
                r->p += n;
                if (*r->p == ',' && r->p[1] != '\0' && r->p[1] != ' ') {
                        first = -1;
                        r->p++;
                } else if (startswith(r->p, "..") || *r->p == '-') {
                        if (first >= 0)
                                return refuse(r, "a range has two ends");
                        first = day;
                        r->p += *r->p == '-' ? 1 : 2;
                } else
                        break;
        }
        if (*r->p == ',') /* one may be left over */
                r->p++;
        if (*r->p != '\0' && *r->p != ' ')
                return refuse(r, "there is something behind the weekdays");
        r->p += strspn(r->p, " ");
        return 1;
}

static int set_years(Reader *r, Chain *years, Calendar *c) {
        for (size_t i = 0; i < years->n; i++) {
                CalendarPart *p = &years->parts[i];

                p->start = (int16_t) (p->start + (p->start < 70                   ? 2000
                                                                 : p->start < 100 ? 1900
                                                                                  : 0));
                if (p->stop >= 0)
                        p->stop = (int16_t) (p->stop + (p->stop < 70                   ? 2000
                                                                       : p->stop < 100 ? 1900
                                                                                       : 0));
        }
        return chain_bits(r, years, CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX, CALENDAR_YEAR_MIN,
                        c->years, ELEMENTSOF(c->years));
}

/* Every month has 28 days that can be counted from its end. */
static int set_days(Reader *r, const Chain *days, Calendar *c) {
        memcpy(c->parts, days->parts, sizeof(c->parts));
        c->n_parts = days->n;
        if (!c->from_the_end)
                return chain_bits32(r, days, 1, 31, &c->days);
        for (size_t i = 0; i < days->n; i++)
                if (days->parts[i].stop < 0 && days->parts[i].step > 0 &&
                                days->parts[i].step >= MAX((int) days->parts[i].start, 2))
                        return refuse(r, "a step is longer than what is left");
        return chain_bits32(r, days, 1, 28, &c->days);
}

/* [YEAR-]MONTH-DAY or [YEAR-]MONTH~DAY. Returns 0 where it is no date but a time. */
static int read_date(Reader *r, Calendar *c) {
        const char *start = r->p;
        Chain chains[3];
        size_t n = 1;
        int e;

        e = read_chain(r, false, &chains[0]);
        if (e < 0)
                return e;
        if (*r->p == ':') {
                r->p = start;
                return 0;
        }
        for (; n < 3 && (*r->p == '-' || *r->p == '~') && !c->from_the_end; n++) {
                c->from_the_end = *r->p++ == '~';
                e = read_chain(r, false, &chains[n]);
                if (e < 0)
                        return e;
        }
        if (n < 2 || (*r->p != '\0' && *r->p != ' ' && *r->p != 'T'))
                return refuse(r, "a date is YEAR-MONTH-DAY or MONTH-DAY");
        if (*r->p == 'T' && !isdigit((unsigned char) r->p[1]))
                return refuse(r, "a time is HOUR:MINUTE");
        r->p += *r->p == 'T' ? 1 : strspn(r->p, " ");

        if (n == 3)
                e = set_years(r, &chains[0], c);
        if (e >= 0)
                e = chain_bits32(r, &chains[n - 2], 1, 12, &c->months);
        if (e >= 0)
                e = set_days(r, &chains[n - 1], c);
        return e < 0 ? e : 1;
}

/* HOUR:MINUTE[:SECOND]; nothing is midnight. */
static int read_time(Reader *r, Calendar *c) {
        Chain hours, minutes, seconds;
        uint64_t ignored;
        int e;

        if (*r->p == '\0') {
                c->hours = 1;
                c->minutes = 1;
                return 0;
        }
        e = read_chain(r, false, &hours);
        if (e < 0)
                return e;
        if (*r->p++ != ':')
                return refuse(r, "a time is HOUR:MINUTE");
        e = read_chain(r, false, &minutes);
        if (e >= 0 && *r->p == ':') {
                r->p++;
                e = read_chain(r, true, &seconds);
                if (e >= 0)
                        e = chain_bits(r, &seconds, 0, 59, 0, &ignored, 1);
        }
        if (e >= 0)
                e = chain_bits32(r, &hours, 0, 23, &c->hours);
        if (e >= 0)
                e = chain_bits(r, &minutes, 0, 59, 0, &c->minutes, 1);
        if (e >= 0 && *r->p != '\0')
                return refuse(r, "there is something behind the time");
        return e;
}

static const char *shorthand(const char *text) {
        static const struct {
                const char *name, *meaning;
        } words[] = {
                { "minutely", "*-*-* *:*:00" },
                { "hourly", "*-*-* *:00:00" },
                { "daily", "*-*-* 00:00:00" },
                { "weekly", "Mon *-*-* 00:00:00" },
                { "monthly", "*-*-01 00:00:00" },
                { "quarterly", "*-01,04,07,10-01 00:00:00" },
                { "semiannually", "*-01,07-01 00:00:00" },
                { "semi-annually", "*-01,07-01 00:00:00" },
                { "bi-annually", "*-01,07-01 00:00:00" },
                { "biannually", "*-01,07-01 00:00:00" },
                { "yearly", "*-01-01 00:00:00" },
                { "annually", "*-01-01 00:00:00" },
                { "anually", "*-01-01 00:00:00" },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(words[i].name, text) == 0)
                        return words[i].meaning;
        return text;
}

static bool take_utc(char *text) {
        size_t n = strlen(text);

        if (n < 4 || strcasecmp(text + n - 4, " UTC") != 0)
                return false;
        text[n - 4] = '\0';
        return true;
}

static int read_all(Reader *r, Calendar *c) {
        int weekdays, e;

        weekdays = read_weekdays(r, c);
        if (weekdays < 0)
                return weekdays;
        if (weekdays == 0)
                c->weekdays = 0x7f;
        if (weekdays && *r->p == '\0')
                return read_time(r, c);
        e = read_date(r, c);
        if (e < 0)
                return e;
        if (e == 0 && *r->p == '\0')
                return refuse(r, "it is empty");
        return read_time(r, c);
}

int calendar_parse(const char *text, Calendar *ret, const char **reterr) {
        Calendar c = { .months = 0x1ffe, .days = UINT32_C(0xfffffffe) };
        char copy[CALENDAR_TEXT_MAX];
        Reader r = { 0 };
        int e;

        if (strlen(text) >= sizeof(copy)) {
                *reterr = "it is too long";
                return -EINVAL;
        }
        memcpy(copy, text, strlen(text) + 1);
        c.utc = take_utc(copy);
        r.p = shorthand(copy);
        if (*r.p == '@') {
                *reterr = "a point in time is no calendar";
                return -EINVAL;
        }
        memset(c.years, 0xff, sizeof(c.years));
        e = read_all(&r, &c);
        if (e < 0) {
                *reterr = r.reason;
                return e;
        }
        *ret = c;
        return 0;
}

/* ---- the search */

static bool break_down(const Calendar *c, int64_t at, struct tm *ret) {
        time_t t = (time_t) at;

        return c->utc ? gmtime_r(&t, ret) != NULL : localtime_r(&t, ret) != NULL;
}

static int days_of_month(int year, int month) { /* month from 1 */
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap);
}

/* "~1" is the last day, "~7/1" and "~1..7" the last seven. */
static bool matches_from_the_end(const Calendar *c, int day, int last) {
        if (c->n_parts == 0)
                return true;
        for (size_t i = 0; i < c->n_parts; i++) {
                const CalendarPart *p = &c->parts[i];
                int step = MAX((int) p->step, 1), start = last + 1 - MAX((int) p->start, 1),
                    stop = start;

                if (p->stop >= 0) /* the last of the steps is the first day */
                        start = last + 1 - (p->start + (p->stop - p->start) / step * step);
                else if (p->step > 0)
                        stop = last;
                if (day >= start && day <= stop && (day - start) % step == 0)
                        return true;
        }
        return false;
}

static bool day_matches(const Calendar *c, const struct tm *tm) {
        int year = tm->tm_year + 1900, day = tm->tm_mday, bit = year - CALENDAR_YEAR_MIN;

        if (year < CALENDAR_YEAR_MIN || year > CALENDAR_YEAR_MAX ||
                        !(c->years[bit / 64] & UINT64_C(1) << (bit % 64)))
                return false;
        if (!(c->months & B(tm->tm_mon + 1)) || !(c->weekdays & (1 << ((tm->tm_wday + 6) % 7))))
                return false;
        if (c->from_the_end)
                return matches_from_the_end(c, day, days_of_month(year, tm->tm_mon + 1));
        return c->days & B(day);
}

bool calendar_matches(const Calendar *c, int64_t at) {
        struct tm tm;

        return break_down(c, at, &tm) && day_matches(c, &tm) && (c->hours & B(tm.tm_hour)) &&
               (c->minutes & UINT64_C(1) << tm.tm_min);
}

/* A minute of a day as a time, later than `after`; -1: the clock leaves it out, or it was. Where it
 * comes twice, the first that is later. */
static int64_t minute_time(
                const Calendar *c, const struct tm *day, int hour, int minute, int64_t after) {
        for (int dst = -1; dst <= 1; dst++) {
                struct tm tm = { .tm_year = day->tm_year,
                        .tm_mon = day->tm_mon,
                        .tm_mday = day->tm_mday,
                        .tm_hour = hour,
                        .tm_min = minute,
                        .tm_isdst = c->utc ? 0 : dst };
                int64_t t = c->utc ? timegm(&tm) : mktime(&tm);

                if (t > after && tm.tm_hour == hour && tm.tm_min == minute &&
                                tm.tm_mday == day->tm_mday)
                        return t;
        }
        return -1;
}

static int64_t search_day(const Calendar *c, const struct tm *day, int first_hour, int64_t after) {
        for (int hour = first_hour; hour < 24; hour++) {
                if (!(c->hours & B(hour)))
                        continue;
                for (int minute = 0; minute < 60; minute++) {
                        int64_t t;

                        if (!(c->minutes & UINT64_C(1) << minute))
                                continue;
                        t = minute_time(c, day, hour, minute, after);
                        if (t >= 0)
                                return t;
                }
        }
        return -1;
}

static void next_day(struct tm *day) {
        int year = day->tm_year + 1900;

        day->tm_wday = (day->tm_wday + 1) % 7;
        if (++day->tm_mday <= days_of_month(year, day->tm_mon + 1))
                return;
        day->tm_mday = 1;
        if (++day->tm_mon < 12)
                return;
        day->tm_mon = 0;
        day->tm_year++;
}

int calendar_next(const Calendar *c, int64_t after, int64_t *ret) {
        struct tm day;

        if (after < 0 || !break_down(c, after, &day))
                return -ENOENT;
        for (int i = 0; i < DAYS_AHEAD; i++, next_day(&day)) {
                int64_t t;

                if (!day_matches(c, &day))
                        continue;
                /* An hour may come twice: on the first day it is looked at from one before. */
                t = search_day(c, &day, i == 0 ? MAX(day.tm_hour - 1, 0) : 0, after);
                if (t >= 0) {
                        *ret = t;
                        return 0;
                }
        }
        return -ENOENT;
}

/* ---- quiet hours */

static int read_clock(const char **p, uint16_t *ret) {
        unsigned n[2] = { 0, 0 };

        for (int i = 0; i < 2; i++) {
                int digits = 0;

                for (; isdigit((unsigned char) **p) && digits < 2; digits++)
                        n[i] = n[i] * 10 + (unsigned) (*(*p)++ - '0');
                if (digits == 0 || (i == 1 && digits != 2))
                        return -EINVAL;
                if (i == 0 && *(*p)++ != ':')
                        return -EINVAL;
        }
        if (n[0] > 24 || n[1] > 59 || (n[0] == 24 && n[1] > 0))
                return -EINVAL;
        *ret = (uint16_t) (n[0] * 60 + n[1]);
        return 0;
}

int day_span_parse(const char *text, DaySpan *ret) {
        const char *p = text;
        DaySpan s;

        if (read_clock(&p, &s.from) < 0 || *p++ != '-' || read_clock(&p, &s.to) < 0 || *p)
                return -EINVAL;
        if (s.from == s.to || s.from == 24 * 60)
                return -EINVAL;
        *ret = s;
        return 0;
}

static int minute_of_day(int64_t at, struct tm *ret) {
        time_t t = (time_t) at;

        return localtime_r(&t, ret) ? ret->tm_hour * 60 + ret->tm_min : -1;
}

bool day_span_contains(const DaySpan *s, int64_t at) {
        struct tm tm;
        int minute = minute_of_day(at, &tm);

        if (minute < 0)
                return false;
        return s->from < s->to ? minute >= s->from && minute < s->to
                               : minute >= s->from || minute < s->to;
}

int64_t day_span_end(const DaySpan *s, int64_t at) {
        struct tm tm;
        int minute = minute_of_day(at, &tm);
        int64_t end;

        if (minute < 0)
                return at;
        if (minute >= s->to)
                tm.tm_mday++;
        tm.tm_hour = s->to / 60;
        tm.tm_min = s->to % 60;
        tm.tm_sec = 0;
        tm.tm_isdst = -1;
        end = mktime(&tm);
        return end > at ? end : at + MINUTE;
}
