#pragma once
/* Where a request is answered. Pure. NIP-90 lets the customer name relays; he is a stranger, and
 * must not make us knock at doors inside our own network, or at a hundred doors at once. */
#include "nostr/nip90.h"

#define NAMED_RELAYS_MAX 4 /* beside those that we use anyway */

/* Those that are named, and the one it came from. *ret = NULL: none was named that we would use;
 * then it is answered at all relays of the configuration. */
int answer_relays(const JobRequest *r, const char *from, char *const *configured, char ***ret);

/* A relay of the public network, by its name; *ret is its URL in normal form. */
bool relay_is_public(const char *text, char **ret);
