#pragma once
/* Seal: a text encrypted with a key of 32 bytes and bound to a name, so that one cannot be put in
 * the place of another: a seed on disk with the machine's wrapping key, an agent on its way to
 * another machine with a passphrase's. Version, nonce, ChaCha20 ciphertext, HMAC-SHA256; the keys
 * are derived from nonce and name by HKDF. */
#include "basic/secret.h"

#define SEAL_KEY_SIZE 32
#define SEAL_OVERHEAD (1 + 32 + 32)
#define SEAL_VERSION  1 /* the first byte; no mnemonic begins with it */

/* The nonce is 32 random bytes. */
int seal(const Secret *key, const char *name, const uint8_t nonce[static 32], const Secret *text,
                Secret **ret);
/* -EBADMSG: damaged, of another name or of another key. */
int unseal(const Secret *key, const char *name, const Secret *sealed, Secret **ret);
