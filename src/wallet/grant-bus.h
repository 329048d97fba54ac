#pragma once
/* Grants, approvals and transfers: the wallet passes them on to the books, which enforce them. */
#include <systemd/sd-bus.h>

int method_transfer(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_grants(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_set_grant(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_revoke_grant(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_approve(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_unfreeze(sd_bus_message *m, void *userdata, sd_bus_error *error);
