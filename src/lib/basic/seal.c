#include "basic/seal.h"

#include "basic/crypt.h"

#define NONCE_SIZE 32
#define MAC_SIZE   32
#define NAME_MAX_  256 /* with the NUL */
#define HEAD_SIZE  (1 + NONCE_SIZE)
#define KEYS_SIZE  (32 + 12 + 32) /* of ChaCha20, its nonce, of the HMAC */

static const char salt[] = "pylon-seal-v1";

static int seal_keys(const Secret *key, const char *name, const uint8_t nonce[static NONCE_SIZE],
                uint8_t ret[static KEYS_SIZE]) {
        uint8_t info[NONCE_SIZE + NAME_MAX_], extracted[32];
        size_t n = strlen(name);
        int r;

        if (secret_size(key) != SEAL_KEY_SIZE || n >= NAME_MAX_)
                return -EINVAL;

        memcpy(info, nonce, NONCE_SIZE);
        memcpy(info + NONCE_SIZE, name, n + 1);
        r = hkdf_sha256_extract(salt, sizeof(salt) - 1, secret_text(key), SEAL_KEY_SIZE, extracted);
        if (r >= 0)
                r = hkdf_sha256_expand(extracted, info, NONCE_SIZE + n, ret, KEYS_SIZE);
        memory_wipe(extracted, sizeof(extracted));
        return r;
}

int seal(const Secret *key, const char *name, const uint8_t nonce[static NONCE_SIZE],
                const Secret *text, Secret **ret) {
        _cleanup_(secret_freep) Secret *s = NULL;
        size_t n = secret_size(text);
        uint8_t keys[KEYS_SIZE], *p;
        int r;

        r = secret_new(n + SEAL_OVERHEAD, &s);
        if (r < 0)
                return r;

        p = secret_data(s);
        p[0] = SEAL_VERSION;
        memcpy(p + 1, nonce, NONCE_SIZE);
        memcpy(p + HEAD_SIZE, secret_text(text), n);
        r = seal_keys(key, name, nonce, keys);
        if (r >= 0)
                r = chacha20(keys, keys + 32, p + HEAD_SIZE, n);
        if (r >= 0)
                r = hmac_sha256(keys + 44, 32, p, HEAD_SIZE + n, p + HEAD_SIZE + n);
        memory_wipe(keys, sizeof(keys));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

int unseal(const Secret *key, const char *name, const Secret *sealed, Secret **ret) {
        const uint8_t *p = (const uint8_t *) secret_text(sealed);
        _cleanup_(secret_freep) Secret *s = NULL;
        uint8_t keys[KEYS_SIZE], mac[MAC_SIZE];
        size_t n;
        int r;

        if (secret_size(sealed) < SEAL_OVERHEAD || p[0] != SEAL_VERSION)
                return -EBADMSG;
        n = secret_size(sealed) - SEAL_OVERHEAD;
        r = secret_copy(p + HEAD_SIZE, n, &s);
        if (r < 0)
                return r;

        r = seal_keys(key, name, p + 1, keys);
        if (r >= 0)
                r = hmac_sha256(keys + 44, 32, p, HEAD_SIZE + n, mac);
        if (r >= 0 && !memory_equal(mac, p + HEAD_SIZE + n, MAC_SIZE))
                r = -EBADMSG;
        if (r >= 0)
                r = chacha20(keys, keys + 32, secret_data(s), n);
        memory_wipe(keys, sizeof(keys));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}
