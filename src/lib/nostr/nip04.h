#pragma once
/* NIP-04: the old encryption, for peers that know nothing better. It proves nothing about who wrote
 * a text, and every failure is the same error, so that nobody can ask us about paddings. */
#include "basic/macro.h"

#define NIP04_PAYLOAD_MAX ((size_t) 128 * 1024)
#define NIP04_TEXT_MAX    65535

/* `shared` is what keypair_ecdh() gives. The random iv is the caller's. -E2BIG, -ENOMEM, -EIO. */
int nip04_encrypt(const uint8_t shared[static 32], const uint8_t iv[static 16], const char *text,
                size_t size, char **ret);
/* -EBADMSG: not NIP-04, damaged, or not UTF-8. -ENOMEM. */
int nip04_decrypt(const uint8_t shared[static 32], const char *payload, size_t size, char **ret,
                size_t *ret_size);
/* Whether a content is of this scheme; otherwise it may be NIP-44. */
bool nip04_looks_like(const char *payload);
