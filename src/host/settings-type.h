#pragma once
/* The types of an agent's settings that pylon.toml has not. */
#include "basic/config-type.h"
#include "settings.h"

extern const ConfigType agent_actions, agent_autonomy, agent_calendars, agent_created, agent_days,
                agent_key, agent_keys, agent_mind, agent_name, agent_networks, agent_npub,
                agent_quiets, agent_sats, agent_seconds, agent_texts, agent_triggers;
