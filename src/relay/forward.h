#pragma once
/* Forward: what other programs publish on the local relay goes on to the configured relays, where
 * the owner wants that. It is in the outbox in the same commit as on the local relay's shelf. */
#include "nostr/event.h"
#include "post.h"

/* Inside a request of the shelf. What needs no forwarding is none: nothing is added. */
int forward_add(Hub *h, const Event *e, PostIds *ids);
void forward_settle(Hub *h, const PostIds *ids, bool kept); /* the request is over */
void forward_load(Hub *h);                                  /* the outbox has been read */
