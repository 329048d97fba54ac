/* Names of what an agent may be. */
#include "agent.h"

/* clang-format off */
static const char *const lifecycle_names[_AGENT_LIFECYCLE_MAX] = {
        [AGENT_SPAWNING]    = "spawning",
        [AGENT_ACTIVE]      = "active",
        [AGENT_LOW_BALANCE] = "low_balance",
        [AGENT_HIBERNATING] = "hibernating",
        [AGENT_DORMANT]     = "dormant",
};

static const char *const wish_names[_AGENT_WISH_MAX] = {
        [AGENT_STARTED] = "started",
        [AGENT_STOPPED] = "stopped",
        [AGENT_PAUSED]  = "paused",
};
/* clang-format on */

const char *agent_lifecycle_name(AgentLifecycle l) {
        return lifecycle_names[l];
}

int agent_lifecycle_from_name(const char *name, AgentLifecycle *ret) {
        for (AgentLifecycle l = 0; l < _AGENT_LIFECYCLE_MAX; l++)
                if (streq(lifecycle_names[l], name)) {
                        *ret = l;
                        return 0;
                }
        return -EINVAL;
}

const char *agent_wish_name(AgentWish w) {
        return wish_names[w];
}

int agent_wish_from_name(const char *name, AgentWish *ret) {
        for (AgentWish w = 0; w < _AGENT_WISH_MAX; w++)
                if (streq(wish_names[w], name)) {
                        *ret = w;
                        return 0;
                }
        return -EINVAL;
}
