#include "lifecycle.h"

#define DAY            INT64_C(86400)
#define MARGIN_PERCENT 10
#define MEMORY         8 /* ticks that the mean remembers */

int64_t lifecycle_runway(const LifecycleView *v) {
        int64_t heartbeat = MAX(v->heartbeat, (int64_t) 1), ticks;

        if (v->cost_msat <= 0)
                return INT64_MAX;
        ticks = MAX(v->balance_msat, (int64_t) 0) / v->cost_msat;
        return ticks > INT64_MAX / heartbeat ? INT64_MAX : ticks * heartbeat;
}

bool lifecycle_may_tick(AgentLifecycle l) {
        return l == AGENT_ACTIVE || l == AGENT_LOW_BALANCE;
}

static bool is_awake(AgentLifecycle l) {
        return lifecycle_may_tick(l);
}

AgentLifecycle lifecycle_next(AgentLifecycle now, const LifecycleView *v) {
        int64_t floor = MAX(v->hibernate_msat, v->cost_msat), low = v->low_days * DAY;

        if (v->hibernate_msat == 0 && v->cost_msat == 0)
                return AGENT_ACTIVE;
        if (v->balance_msat <= 0)
                return now == AGENT_SPAWNING ? AGENT_SPAWNING : AGENT_DORMANT;
        if (now == AGENT_HIBERNATING && floor < INT64_MAX - v->cost_msat)
                floor += v->cost_msat;
        if (v->balance_msat < floor)
                return now == AGENT_SPAWNING ? AGENT_SPAWNING : AGENT_HIBERNATING;
        if (now == AGENT_LOW_BALANCE || !is_awake(now))
                low += low * MARGIN_PERCENT / 100;
        return lifecycle_runway(v) < low ? AGENT_LOW_BALANCE : AGENT_ACTIVE;
}

int64_t lifecycle_cost(int64_t mean_msat, int64_t tick_msat, int64_t n_ticks) {
        int64_t n = n_ticks < 1 ? 1 : MIN(n_ticks, (int64_t) MEMORY);

        return mean_msat + (tick_msat - mean_msat) / n;
}
