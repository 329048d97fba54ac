#pragma once
/* com.openagents.Pylon1.Store.Why: what became of requests, for pylon-provider. */
#include "bus/server.h"

extern const sd_bus_vtable store_why_vtable[]; /* its userdata is the Store */
