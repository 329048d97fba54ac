#pragma once
/* com.openagents.Pylon1.Store.Regtest: the regtest node's tables, for pylon-wallet alone. */
#include "bus/server.h"

extern const sd_bus_vtable store_regtest_vtable[]; /* its userdata is the Store */
