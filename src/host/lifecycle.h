#pragma once
/* Lifecycle: how an agent is, by its money. Pure. */
#include "agent.h"

typedef struct LifecycleView {
        int64_t balance_msat, cost_msat; /* cost 0: a tick costs nothing, or none was measured */
        int64_t heartbeat;               /* seconds between two ticks, as it is now */
        int64_t hibernate_msat;          /* 0: it lives without money */
        unsigned low_days;
} LifecycleView;

/* Down at once, up with a margin, so that an agent on the line does not go to and fro: from low
 * balance to active a tenth more is needed, and out of hibernation one more tick. Dormant is who
 * has nothing; where hibernate_msat is 0 nobody hibernates or is dormant. */
AgentLifecycle lifecycle_next(AgentLifecycle now, const LifecycleView *v);
bool lifecycle_may_tick(AgentLifecycle l);
/* Seconds that the balance lasts; INT64_MAX: for ever. */
int64_t lifecycle_runway(const LifecycleView *v);
/* The mean with one more tick in it: the newest counts an eighth. */
int64_t lifecycle_cost(int64_t mean_msat, int64_t tick_msat, int64_t n_ticks);
