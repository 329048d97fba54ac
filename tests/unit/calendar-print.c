/* Prints, for each calendar named on the command line after a time, one line: the next three
 * minutes, or "refused"; for calendar-against-systemd.py. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/text.h"
#include "calendar.h"

int main(int argc, char *argv[]) {
        int64_t start = 0;

        if (argc < 2 || parse_i64(argv[1], &start) < 0)
                return EXIT_FAILURE;
        for (int i = 2; i < argc; i++) {
                const char *reason;
                int64_t at = start;
                Calendar c;

                if (calendar_parse(argv[i], &c, &reason) < 0) {
                        (void) puts("refused");
                        continue;
                }
                for (int k = 0; k < 3 && calendar_next(&c, at, &at) >= 0; k++)
                        (void) printf("%s%" PRIi64, k > 0 ? " " : "", at);
                (void) putchar('\n');
        }
        return EXIT_SUCCESS;
}
