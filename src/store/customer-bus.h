#pragma once
/* NoteCustomer(), Customers(): what the provider remembers of its customers. */
#include <systemd/sd-bus.h>

int method_note_customer(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_customers(sd_bus_message *m, void *userdata, sd_bus_error *error);
