#pragma once
/* Seed: one file with a mnemonic in it, readable by its owner only, sealed where there is a
 * wrapping key. It is replaced as a whole or not at all. */
#include "basic/secret.h"

/* `name` is what a sealed file is bound to; the wrapping key may be NULL. With a reason: -ENOENT;
 * -EPERM: mode or owner; -ENOKEY: it is sealed and no key is here; -EBADMSG: damaged. */
int seed_read(const char *path, const char *name, const Secret *wrapping_key, Secret **ret,
                const char **reterr);

/* -EEXIST: there is a file and it shall stay. A replaced file stays beside it as PATH.bak-TIME. */
int seed_write(const char *path, const char *name, const Secret *wrapping_key,
                const Secret *mnemonic, bool replace, int64_t now, const char **reterr);
/* The same answer beforehand, so that nobody is shown words which are then not kept. */
int seed_may_write(const char *path, bool replace, const char **reterr);

/* Removes what a killed predecessor left half written in a folder. */
void seed_sweep(const char *folder);
