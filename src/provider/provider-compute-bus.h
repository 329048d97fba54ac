#pragma once
/* The interface com.openagents.Pylon1.Provider.Compute: what thinks for us, and thinking. */
#include "provider-bus.h"

extern const sd_bus_vtable provider_compute_vtable[];

void provider_compute_bus_done(ProviderService *s);
