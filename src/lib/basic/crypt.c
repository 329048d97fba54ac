#include "basic/crypt.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

static int crypt_error(int r) {
        return r < 0 ? -EIO : 0;
}

static gnutls_datum_t datum(const void *data, size_t size) {
        return (gnutls_datum_t){ .data = (unsigned char *) data, .size = (unsigned) size };
}

int crypt_setup(void) {
        /* Explicitly: an environment with GNUTLS_NO_IMPLICIT_INIT would make every call fail. */
        return crypt_error(gnutls_global_init());
}

int hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                uint8_t ret[static 32]) {
        return crypt_error(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_size, data, size, ret));
}

int hmac_sha512(const void *key, size_t key_size, const void *data, size_t size,
                uint8_t ret[static 64]) {
        return crypt_error(gnutls_hmac_fast(GNUTLS_MAC_SHA512, key, key_size, data, size, ret));
}

int hkdf_sha256_extract(const void *salt, size_t salt_size, const void *secret, size_t secret_size,
                uint8_t ret[static 32]) {
        gnutls_datum_t k = datum(secret, secret_size), s = datum(salt, salt_size);

        return crypt_error(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &k, &s, ret));
}

int hkdf_sha256_expand(const uint8_t key[static 32], const void *info, size_t info_size, void *ret,
                size_t size) {
        gnutls_datum_t k = datum(key, 32), i = datum(info, info_size);

        return crypt_error(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &k, &i, ret, size));
}

int pbkdf2_sha512(const void *password, size_t password_size, const void *salt, size_t salt_size,
                unsigned rounds, void *ret, size_t size) {
        gnutls_datum_t p = datum(password, password_size), s = datum(salt, salt_size);

        return crypt_error(gnutls_pbkdf2(GNUTLS_MAC_SHA512, &p, &s, rounds, ret, size));
}

int chacha20(const uint8_t key[static 32], const uint8_t nonce[static 12], void *data,
                size_t size) {
        uint8_t iv[16] = { 0 }; /* GnuTLS wants the counter, little-endian, before the nonce */
        gnutls_datum_t k = datum(key, 32), i = datum(iv, sizeof(iv));
        gnutls_cipher_hd_t cipher;
        int r;

        memcpy(iv + 4, nonce, 12);
        r = gnutls_cipher_init(&cipher, GNUTLS_CIPHER_CHACHA20_32, &k, &i);
        if (r < 0)
                return -EIO;

        r = gnutls_cipher_encrypt(cipher, data, size);
        gnutls_cipher_deinit(cipher);
        return crypt_error(r);
}

int aes256_cbc(const uint8_t key[static 32], const uint8_t iv[static 16], bool encrypt, void *data,
                size_t size) {
        gnutls_datum_t k = datum(key, 32), i = datum(iv, 16);
        gnutls_cipher_hd_t cipher;
        int r;

        assert(size % 16 == 0);

        r = gnutls_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_CBC, &k, &i);
        if (r < 0)
                return -EIO;

        r = encrypt ? gnutls_cipher_encrypt(cipher, data, size)
                    : gnutls_cipher_decrypt(cipher, data, size);
        gnutls_cipher_deinit(cipher);
        return crypt_error(r);
}
