#pragma once
/* From a host's name to addresses, off the loop: a child that lives for one question asks the
 * system's resolver. Numeric addresses and "localhost" need none. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

#define RESOLVE_ADDRESSES_MAX 8

typedef struct Resolve Resolve;

/* Exactly once, never before resolve_name() has returned, never after resolve_free(). Addresses
 * are numeric, in the order to try; NULL-terminated; not empty where error is 0. */
typedef void (*resolve_done_t)(
                Resolve *q, int error, const char *reason, char *const *addresses, void *userdata);

int resolve_name(sd_event *e, const char *name, resolve_done_t done, void *userdata, Resolve **ret);
Resolve *resolve_free(Resolve *q); /* cancels; also in and after done */
DEFINE_CLEANUP(Resolve, resolve_free)
