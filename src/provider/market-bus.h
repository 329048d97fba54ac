#pragma once
/* The part of com.openagents.Pylon1.Provider that is about the queue and what becomes of requests.
 * The rows of its methods are in the table of provider-bus.c. */
#include "provider-bus.h"

#define ACTION_MANAGE "com.openagents.pylon1.provider.manage"

int method_why(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_story(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_queue(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_settle(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_announce(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_watch(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* A job is in another state: whoever watches is told. */
void market_bus_moved(ProviderService *s, const Job *job);
void market_bus_done(ProviderService *s);
