#pragma once
/* Watch: one subscription for all agents. What concerns one of them becomes an observation in the
 * store, and is acknowledged to the relay when it is on disk. */
#include "agents.h"
#include "client/relay-client.h"

int watch_new(Agents *s, Watch **ret);
Watch *watch_free(Watch *w);
void watch_changed(Watch *w); /* agents have come or gone, or listen to something else */
void watch_drop_agent(Watch *w, const HostAgent *a);
/* From the relay: false where it is not for us. */
bool watch_take(Watch *w, const char *name, const RelayEvent *events, size_t n);
