#pragma once
/* The file in which an agent travels: one line that says how a passphrase becomes keys, and behind
 * it, encrypted, everything that the agent is. Format 1:
 *
 *     pylon-agent 1 pbkdf2-sha512 ROUNDS SALT
 *     BASE64, in lines
 *
 * The first half of the 64 bytes that PBKDF2 gives encrypts the body (basic/seal.h, bound to the
 * first line), the second half the words inside it, which only the signer ever decrypts. */
#include "basic/secret.h"

#define PARCEL_MAX      (32 << 20) /* bytes of a file */
#define PARCEL_KEY_SIZE 32

typedef struct ParcelKeys {
        Secret *body, *words;
        char head[128]; /* the first line, without its end */
} ParcelKeys;
void parcel_keys_done(ParcelKeys *k);

/* A new file's, with a salt of its own. Takes about a second. */
int parcel_keys_new(const Secret *passphrase, ParcelKeys *ret);
/* Those of a file. -EBADMSG with a reason. */
int parcel_keys_of(
                const char *text, const Secret *passphrase, ParcelKeys *ret, const char **reterr);

int parcel_write(const ParcelKeys *k, const char *body, size_t size, char **ret);
/* -EBADMSG with a reason: another passphrase, or not whole. */
int parcel_read(const ParcelKeys *k, const char *text, Secret **ret_body, const char **reterr);
