#pragma once
/* The public interfaces of a service as XML: what dbus/ holds and what is installed. */
#include "bus/server.h"

/* The text is what sd-bus tells whoever asks this object to introspect itself, without the standard
 * interfaces; owned by the caller. `folder`: of the objects that come and go there; NULL: of the
 * one at the one path. -ENOENT: there is no such folder. */
int introspect_public(const BusObject *objects, const char *folder, char **ret);
