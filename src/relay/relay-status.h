#pragma once
/* Status(): all that is known about one relay, as a{sv}. */
#include <systemd/sd-bus.h>

int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error);
