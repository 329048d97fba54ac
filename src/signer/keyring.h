#pragma once
/* Keyring: key pairs by name, made from the seeds on disk at their first use and kept.
 *
 * "provider", "buyer" and "wallet" are accounts 0, 1 and 2 of identity.mnemonic, "agent:NAME" is
 * account 0 of keys/NAME.mnemonic. */
#include "basic/secp.h"
#include "basic/secret.h"

#define AGENT_NAME_MAX 64 /* letters */

typedef struct Keyring Keyring;

/* Takes the wrapping key, which may be NULL. */
int keyring_new(const char *folder, Secret *wrapping_key, Keyring **ret);
Keyring *keyring_free(Keyring *k);
DEFINE_CLEANUP(Keyring, keyring_free)

/* The key pair is lent until the next call. -EINVAL: no such name; else as seed_read(). */
int keyring_get(Keyring *k, const char *name, const Keypair **ret, const char **reterr);
/* The words of a key's seed, for who may have them. Errors as keyring_get(). */
int keyring_words(Keyring *k, const char *name, Secret **ret, const char **reterr);
/* The names of all keys that have a file. */
int keyring_list(Keyring *k, char ***ret);

/* A mnemonic as mnemonic_parse() or mnemonic_from_entropy() gave it; errors as seed_write().
 * -EINVAL also for "buyer" and "wallet", which come with "provider". */
int keyring_store(Keyring *k, const char *name, const Secret *mnemonic, bool replace, int64_t now,
                const char **reterr);
int keyring_may_store(Keyring *k, const char *name, bool replace, const char **reterr);

/* The file of a key, for messages to people; owned by the caller. */
int keyring_file(Keyring *k, const char *name, char **ret);
