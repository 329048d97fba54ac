#pragma once
/* Pause: how long a service that ended is not started again. Each end doubles it, each second that
 * the service ran before halves it: who breaks down at the start is tried ever more rarely, and who
 * worked for a while is back at once, however often that happens. */
#include "basic/macro.h"

#define PAUSE_FIRST (100 * MSEC)
#define PAUSE_MAX   (30 * SEC)

/* before: the pause that was made last, 0: none. */
usec_t pause_after(usec_t before, usec_t ran);
