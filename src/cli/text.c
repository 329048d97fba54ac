/* Numbers and times for people. */
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define ID_SHOWN 12

void text_span(usec_t span, char ret[static TEXT_MAX]) {
        uint64_t seconds = span / SEC;

        if (seconds >= 2 * 86400)
                (void) snprintf(ret, TEXT_MAX, _("%" PRIu64 " days"), seconds / 86400);
        else if (seconds >= 3600 && seconds / 60 % 60 == 0)
                (void) snprintf(ret, TEXT_MAX, "%" PRIu64 "h", seconds / 3600);
        else if (seconds >= 3600)
                (void) snprintf(ret, TEXT_MAX, "%" PRIu64 "h %" PRIu64 "min", seconds / 3600,
                                seconds / 60 % 60);
        else if (seconds >= 60)
                (void) snprintf(ret, TEXT_MAX, "%" PRIu64 "min", seconds / 60);
        else
                (void) snprintf(ret, TEXT_MAX, "%" PRIu64 "s", seconds);
}

void text_ago(int64_t then, int64_t now, char ret[static TEXT_MAX]) {
        char span[TEXT_MAX];

        if (then <= 0) {
                (void) snprintf(ret, TEXT_MAX, "-");
                return;
        }
        if (now - then < 2) {
                (void) snprintf(ret, TEXT_MAX, "%s", _("now"));
                return;
        }
        text_span((usec_t) (now - then) * SEC, span);
        (void) snprintf(ret, TEXT_MAX, _("%s ago"), span);
}

void text_until(int64_t then, int64_t now, char ret[static TEXT_MAX]) {
        char span[TEXT_MAX];

        if (then <= 0)
                (void) snprintf(ret, TEXT_MAX, "-");
        else if (then <= now)
                (void) snprintf(ret, TEXT_MAX, "%s", _("now"));
        else {
                text_span((usec_t) (then - now) * SEC, span);
                (void) snprintf(ret, TEXT_MAX, _("in %s"), span);
        }
}

void text_msats(int64_t msats, char ret[static TEXT_MAX]) {
        uint64_t n = msats < 0 ? -(uint64_t) msats : (uint64_t) msats;
        const char *sign = msats < 0 ? "-" : "";

        if (n % 1000 == 0)
                (void) snprintf(ret, TEXT_MAX, "%s%" PRIu64 " sat", sign, n / 1000);
        else
                (void) snprintf(ret, TEXT_MAX, "%s%" PRIu64 ".%03" PRIu64 " sat", sign, n / 1000,
                                n % 1000);
}

void text_id(const char *id, char ret[static TEXT_MAX]) {
        (void) snprintf(ret, TEXT_MAX, "%.*s", ID_SHOWN, id);
}

int64_t now_seconds(void) {
        struct timespec t = { 0 };

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec;
}
