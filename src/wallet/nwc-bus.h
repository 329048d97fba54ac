#pragma once
/* Connect, Connections and Disconnect of com.openagents.Pylon1.Wallet. */
#include <systemd/sd-bus.h>

int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_connections(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error);
