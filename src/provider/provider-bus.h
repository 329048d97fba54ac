#pragma once
/* The interface com.openagents.Pylon1.Provider. */
#include "bus/service.h"
#include "provider.h"

#define PROVIDER_ONLOOKERS_MAX 16

typedef struct ProviderAsked ProviderAsked;

/* What the handlers get. */
typedef struct ProviderService {
        Service *service;
        Provider *provider;
        sd_bus_message *onlookers[PROVIDER_ONLOOKERS_MAX]; /* Online() calls without an answer */
        size_t n_onlookers;
        struct LookCall *looks; /* questions that wait for the servers */
        size_t n_looks;
        ProviderAsked *asked; /* who waits for the store; market-bus.c */
        size_t n_asked;
        usec_t watched_until; /* 0: nobody wants to hear how jobs change */
} ProviderService;

extern const BusObject provider_objects[];

/* The state is another one: tells everybody who listens, and who waits for it. */
void provider_bus_changed(ProviderService *s);
void provider_bus_done(ProviderService *s);
