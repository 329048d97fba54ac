#pragma once
/* MACs and ciphers from GnuTLS (crypt.c); chance from the kernel, and SHA-256 from Nettle, because
 * its state can be copied, which mining needs, and because it is twice as fast on short texts
 * (sha256.c). Every return value must be looked at: a failure leaves the output as it was, or in
 * the case of chance without a meaning. All return 0 or -EIO, unless a line says more. */
#include "basic/macro.h"

int crypt_setup(void); /* once, first thing in main() */

_warn_unused_ int crypt_random(void *ret, size_t size);
_warn_unused_ int sha256(const void *data, size_t size, uint8_t ret[static 32]);

/* In pieces. */
typedef struct Sha256 Sha256;
_warn_unused_ int sha256_new(Sha256 **ret); /* -ENOMEM */
_warn_unused_ int sha256_add(Sha256 *h, const void *data, size_t size);
_warn_unused_ int sha256_end(Sha256 *h, uint8_t ret[static 32]); /* ready for the next message */
void sha256_copy(Sha256 *to, const Sha256 *from); /* goes on where the other one stands */
Sha256 *sha256_free(Sha256 *h);
DEFINE_CLEANUP(Sha256, sha256_free)

_warn_unused_ int hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                uint8_t ret[static 32]);
_warn_unused_ int hmac_sha512(const void *key, size_t key_size, const void *data, size_t size,
                uint8_t ret[static 64]);
_warn_unused_ int hkdf_sha256_extract(const void *salt, size_t salt_size, const void *secret,
                size_t secret_size, uint8_t ret[static 32]);
_warn_unused_ int hkdf_sha256_expand(const uint8_t key[static 32], const void *info,
                size_t info_size, void *ret, size_t size);
_warn_unused_ int pbkdf2_sha512(const void *password, size_t password_size, const void *salt,
                size_t salt_size, unsigned rounds, void *ret, size_t size);
/* In place; the same call encrypts and decrypts. RFC 8439, 12-byte nonce, counter from 0. */
_warn_unused_ int chacha20(const uint8_t key[static 32], const uint8_t nonce[static 12], void *data,
                size_t size);
/* In place, whole blocks of 16; padding is the caller's. */
_warn_unused_ int aes256_cbc(const uint8_t key[static 32], const uint8_t iv[static 16],
                bool encrypt, void *data, size_t size);

bool memory_equal(const void *a, const void *b, size_t size); /* in constant time */
void memory_wipe(void *p, size_t size);
