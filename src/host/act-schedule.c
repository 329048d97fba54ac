/* When an agent wants to wake next, and that it wants nothing. The tick hands the wish over at its
 * end (TickResult), and finds it on disk where a crash came between. */
#include "deed.h"

const DeedClass deed_schedule = { 0 };
const DeedClass deed_nothing = { 0 };
