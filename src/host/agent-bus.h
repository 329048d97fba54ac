#pragma once
/* The agents on the bus: each is an object below BUS_AGENT_FOLDER, for as long as it is. */
#include "agent.h"

extern const sd_bus_vtable agent_vtable[];

/* From now on they come and go there by themselves. */
void agent_bus_listen(Host *h);
int agent_bus_path(const char *name, char **ret); /* owned by the caller */

/* The methods of com.openagents.Pylon1.Host that are about agents. */
int method_agent_spawn(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_agent_stop_all(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_agent_approvals(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_agent_approve(sd_bus_message *m, void *userdata, sd_bus_error *error);

#define ACTION_AGENT_MANAGE  "com.openagents.pylon1.agent.manage"
#define ACTION_AGENT_APPROVE "com.openagents.pylon1.agent.approve"
#define ACTION_WALLET_PAY    "com.openagents.pylon1.wallet.pay"
