#pragma once
/* Rows: what a statement finds, as structs of a D-Bus array. */
#include <systemd/sd-bus.h>

#include "basic/sql.h"

/* The next columns of the current row into a struct that is open; the types say how each goes: s x
 * u b. */
int row_append(sd_bus_message *reply, SqlStatement *q, int first, const char *types);
/* All rows of a statement into an array that is open. The signature is that of a row, with its
 * brackets. */
int rows_append(sd_bus_message *reply, SqlStatement *q, const char *signature);
