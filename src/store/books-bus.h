#pragma once
/* The books on the bus: com.openagents.Pylon1.Store.Wallet, for pylon-wallet alone, and what people
 * may ask of them on com.openagents.Pylon1.Store. */
#include <systemd/sd-bus.h>

extern const sd_bus_vtable books_vtable[];

struct Store;
void books_bus_done(struct Store *s); /* before store_free() */

int method_ledger(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_verify_ledger(sd_bus_message *m, void *userdata, sd_bus_error *error);
