#pragma once
/* Check(): does the database do its work? For the doctor. */
#include <systemd/sd-bus.h>

int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error);
