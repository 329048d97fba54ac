/* Any bytes as a calendar, and as hours of the day: what is taken has a next minute that matches,
 * or none. */
#include "calendar.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        int64_t at = INT64_C(1771113600), next;
        const char *reason = NULL;
        char text[512];
        DaySpan span;
        Calendar c;

        (void) snprintf(text, sizeof(text), "%.*s", (int) MIN(size, sizeof(text) - 1),
                        (const char *) data);
        if (day_span_parse(text, &span) >= 0)
                assert(day_span_end(&span, at) > at);
        if (calendar_parse(text, &c, &reason) < 0) {
                assert(reason);
                return 0;
        }
        for (int i = 0; i < 3 && calendar_next(&c, at, &next) >= 0; i++, at = next)
                assert(next > at && calendar_matches(&c, next) && next % 60 == 0);
        return 0;
}
