#pragma once
/* NIP-42: telling a relay who we are, and as a relay believing it. */
#include "nostr/event.h"

#define NIP42_KIND 22242

int nip42_draft(const char *relay_url, const char *challenge, int64_t now, Draft **ret);

/* As the relay: is this event the answer to our challenge? -EBADMSG with a reason. Only the host
 * and port of the address are compared: people write the rest in many ways. */
int nip42_check(const Event *e, const char *relay_url, const char *challenge, int64_t now,
                const char **reterr);
