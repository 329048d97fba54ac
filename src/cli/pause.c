#include "pause.h"

#define HALVINGS_MAX 16 /* more than there are from the longest to the shortest */

usec_t pause_after(usec_t before, usec_t ran) {
        usec_t pause = (2 * before) >> MIN(ran / SEC, (usec_t) HALVINGS_MAX);

        return MIN(MAX(pause, PAUSE_FIRST), PAUSE_MAX);
}
