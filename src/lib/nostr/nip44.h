#pragma once
/* NIP-44 version 2: encryption between two keys, padded and authenticated. */
#include "basic/secp.h"

#define NIP44_TEXT_MAX     65535 /* what we send; older peers cannot read longer texts */
#define NIP44_PAYLOAD_MAX  ((size_t) 128 * 1024) /* what we read, in base64 */
#define NIP44_MESSAGE_KEYS 76                    /* ChaCha20 key 32, its nonce 12, HMAC key 32 */

/* The same for both sides, and for every message between them. -EINVAL: no such key. */
int nip44_conversation_key(const Keypair *k, const uint8_t peer[static 32], uint8_t ret[static 32]);

/* The nonce is 32 random bytes, fresh for every message. -EINVAL: nothing to encrypt; -E2BIG. */
int nip44_encrypt(const uint8_t conversation[static 32], const uint8_t nonce[static 32],
                const char *text, size_t size, char **ret);
/* -EBADMSG with a reason. The event around it must have been verified before. */
int nip44_decrypt(const uint8_t conversation[static 32], const char *payload, size_t size,
                char **ret, size_t *ret_size, const char **reterr);

/* The steps, as the official vectors name them. */
int nip44_message_keys(const uint8_t conversation[static 32], const uint8_t nonce[static 32],
                uint8_t ret[static NIP44_MESSAGE_KEYS]);
uint64_t nip44_padded_size(uint64_t size); /* of at least 1 byte */
