#pragma once
/* The interfaces of pylon-relay. Their userdata is the Hub. */
#include "bus/server.h"

extern const BusObject relay_objects[];
