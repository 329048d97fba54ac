#pragma once
/* Proof: is the result what was ordered? Whatever can be checked about a provider's work is checked
 * here before anybody relies on it. */
#include "nostr/nip90.h"

/* The content of a result for this request. Kinds that cannot be checked pass. -EBADMSG with a
 * reason: this is not what was ordered; -ENOMEM. */
int proof_check(Event *request, const char *content, size_t size, const char **reterr);
