#pragma once
/* The interface com.openagents.Pylon1.Provider. */
#include "bus/service.h"
#include "provider.h"

/* What the handlers get. */
typedef struct ProviderService {
        Service *service;
        Provider *provider;
} ProviderService;

extern const BusObject provider_objects[];

/* The state is another one: tells everybody who listens. */
void provider_bus_changed(ProviderService *s);
