#pragma once
/* What the host asks of the purse for its agents, beside what provider and host both ask: methods
 * of com.openagents.Pylon1.Wallet.Service. */
#include <systemd/sd-bus.h>

int method_begin_tick(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_accounts(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_lnurl_info(sd_bus_message *m, void *userdata, sd_bus_error *error);
