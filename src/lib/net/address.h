#pragma once
/* Which addresses belong to the public Internet. Whoever follows a stranger's URL asks this of the
 * very address he connects to. */
#include <sys/socket.h>

#include "basic/macro.h"

/* False for this machine, its networks, and whatever is nobody's or leads back to them. */
bool sockaddr_is_public(const struct sockaddr *a, size_t size);
bool address_is_numeric(const char *s);
bool address_is_public(const char *address); /* a numeric one; false for a name */
