#pragma once
/* The local relay: other programs of this machine speak NIP-01 with it on a loopback websocket. */
#include "match.h"
#include "net/ws.h"

typedef struct Hub Hub;
typedef struct Local Local;

/* -EADDRINUSE and others: it stays off. */
int local_new(Hub *hub, const char *listen, char *const *allowed_origins, Local **ret);
Local *local_free(Local *l);
DEFINE_CLEANUP(Local, local_free)
const char *local_url(const Local *l);
bool local_is_busy(const Local *l); /* clients of other programs are connected */
