#pragma once
/* The store's interfaces on the bus and on its private socket. */
#include "bus/server.h"
#include "store.h"

extern const BusObject store_objects[]; /* their userdata is the Store */
