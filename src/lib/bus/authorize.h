#pragma once
/* May the sender of this message do that? On private sockets the owner and our services may; on the
 * message bus root may, and everybody else as polkit says.
 *
 *     r = bus_authorize(server, m, "com.openagents.pylon1.provider.manage", error);
 *     if (r <= 0)
 *             return r < 0 ? r : 1;     // 0: polkit was asked, and the handler is called again
 */
#include "bus/server.h"

int bus_authorize(BusServer *s, sd_bus_message *m, const char *action, sd_bus_error *error);

typedef struct AuthQuery AuthQuery;
AuthQuery *auth_query_free_all(AuthQuery *q);
/* The object at this path goes: whoever waits for a right to it is told so. */
void auth_query_forget(AuthQuery **list, const char *path);
