#pragma once
/* Purchases on the bus: com.openagents.Pylon1.Store.Purchases for pylon-host, and two methods of
 * the public interface. */
#include <systemd/sd-bus.h>

extern const sd_bus_vtable purchase_vtable[];

int method_list_purchases(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_get_purchase(sd_bus_message *m, void *userdata, sd_bus_error *error);
