#pragma once
/* Names of keys and events, as people hand them on, made from what is in them (NIP-19). */
#include "basic/macro.h"

/* "npub", "note", "nprofile" and "nevent" of 64 digits of hex (of a key an npub does as well);
 * "naddr" of KIND:PUBKEY:IDENTIFIER, as it is in an `a` tag. -EINVAL with a reason, in English. */
int event_code(const char *type, const char *value, const char *const *relays, size_t n_relays,
                char **ret, const char **reterr);
