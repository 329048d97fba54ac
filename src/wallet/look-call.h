#pragma once
/* LookCall: everything about one payment or invoice, for people. What is over the books know; about
 * what is not the backend is asked, too, and what it says is booked like anything else it says. */
#include "purse.h"

int look_call(Purse *p, sd_bus_message *m, const char *id_or_hash, sd_bus_error *error);
