#include "nostr/nip44.h"

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/text.h"

#define VERSION      2
#define MAC_SIZE     32
#define HEAD_SIZE    (1 + 32) /* version, nonce */
#define PAYLOAD_MIN  132      /* in base64 */
#define SHORT_PREFIX ((size_t) 2)
#define LONG_PREFIX  ((size_t) 6) /* two zeros and 32 bits, since 2026 */
#define LONG_MIN     65536

static const char salt[] = "nip44-v2";

int nip44_conversation_key(
                const Keypair *k, const uint8_t peer[static 32], uint8_t ret[static 32]) {
        uint8_t shared[32];
        int r;

        r = keypair_ecdh(k, peer, shared);
        if (r < 0)
                return r;

        r = hkdf_sha256_extract(salt, sizeof(salt) - 1, shared, sizeof(shared), ret);
        memory_wipe(shared, sizeof(shared));
        return r;
}

int nip44_message_keys(const uint8_t conversation[static 32], const uint8_t nonce[static 32],
                uint8_t ret[static NIP44_MESSAGE_KEYS]) {
        return hkdf_sha256_expand(conversation, nonce, 32, ret, NIP44_MESSAGE_KEYS);
}

uint64_t nip44_padded_size(uint64_t size) {
        uint64_t power = 32, chunk;

        assert(size > 0);

        while (power < size)
                power *= 2;
        chunk = power <= 256 ? 32 : power / 8;
        return (size + chunk - 1) / chunk * chunk;
}

/* Version, nonce and the data that are already in place, encrypted in place, and the MAC behind. */
static int seal(const uint8_t conversation[static 32], uint8_t *payload, size_t n_data) {
        uint8_t keys[NIP44_MESSAGE_KEYS];
        int r;

        r = nip44_message_keys(conversation, payload + 1, keys);
        if (r >= 0)
                r = chacha20(keys, keys + 32, payload + HEAD_SIZE, n_data);
        if (r >= 0) /* the MAC covers the nonce, which lies before the data, and the data */
                r = hmac_sha256(keys + 44, 32, payload + 1, 32 + n_data,
                                payload + HEAD_SIZE + n_data);
        memory_wipe(keys, sizeof(keys));
        return r;
}

int nip44_encrypt(const uint8_t conversation[static 32], const uint8_t nonce[static 32],
                const char *text, size_t size, char **ret) {
        _cleanup_free_ uint8_t *payload = NULL;
        size_t n_data;
        int r;

        if (size == 0)
                return -EINVAL;
        if (size > NIP44_TEXT_MAX)
                return -E2BIG;

        n_data = SHORT_PREFIX + (size_t) nip44_padded_size(size);
        payload = calloc(1, HEAD_SIZE + n_data + MAC_SIZE);
        if (!payload)
                return -ENOMEM;

        payload[0] = VERSION;
        memcpy(payload + 1, nonce, 32);
        payload[HEAD_SIZE] = (uint8_t) (size >> 8);
        payload[HEAD_SIZE + 1] = (uint8_t) size;
        memcpy(payload + HEAD_SIZE + SHORT_PREFIX, text, size);

        r = seal(conversation, payload, n_data);
        if (r < 0)
                return r;
        return base64_encode(payload, HEAD_SIZE + n_data + MAC_SIZE, ret);
}

/* Proves the MAC, and only then decrypts in place. */
static int unseal(const uint8_t conversation[static 32], uint8_t *payload, size_t n_data) {
        uint8_t keys[NIP44_MESSAGE_KEYS], mac[MAC_SIZE];
        int r;

        r = nip44_message_keys(conversation, payload + 1, keys);
        if (r >= 0)
                r = hmac_sha256(keys + 44, 32, payload + 1, 32 + n_data, mac);
        if (r >= 0 && !memory_equal(mac, payload + HEAD_SIZE + n_data, MAC_SIZE))
                r = -EBADMSG;
        if (r >= 0)
                r = chacha20(keys, keys + 32, payload + HEAD_SIZE, n_data);
        memory_wipe(keys, sizeof(keys));
        return r;
}

/* Where the text begins and how long it is; its length and its padding must fit together. */
static int unpad(const uint8_t *data, size_t n_data, size_t *ret_from, size_t *ret_size) {
        size_t prefix = SHORT_PREFIX, size = (size_t) data[0] << 8 | data[1];

        if (size == 0) {
                prefix = LONG_PREFIX;
                size = (size_t) data[2] << 24 | (size_t) data[3] << 16 | (size_t) data[4] << 8 |
                       data[5];
                if (size < LONG_MIN)
                        return -EBADMSG;
        }
        if (size > n_data || n_data != prefix + nip44_padded_size(size))
                return -EBADMSG;
        for (size_t i = prefix + size; i < n_data; i++)
                if (data[i] != 0)
                        return -EBADMSG;

        *ret_from = prefix;
        *ret_size = size;
        return 0;
}

/* From base64 to bytes of which at least the version and the size are right. */
static int decode(const char *payload, size_t size, uint8_t **ret, size_t *ret_size,
                const char **reterr) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n;
        int r;

        if (size == 0 || payload[0] == '#') {
                *reterr = "the encryption version is unknown";
                return -EBADMSG;
        }
        if (size < PAYLOAD_MIN || size > NIP44_PAYLOAD_MAX) {
                *reterr = "the encrypted text has an impossible length";
                return -EBADMSG;
        }
        r = base64_decode(payload, size, &bytes, &n);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || n < HEAD_SIZE + SHORT_PREFIX + 32 + MAC_SIZE) {
                *reterr = "the encrypted text is not base64";
                return -EBADMSG;
        }
        if (bytes[0] != VERSION) {
                *reterr = "the encryption version is unknown";
                return -EBADMSG;
        }

        *ret = TAKE_PTR(bytes);
        *ret_size = n;
        return 0;
}

int nip44_decrypt(const uint8_t conversation[static 32], const char *payload, size_t size,
                char **ret, size_t *ret_size, const char **reterr) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n, from, n_text;
        int r;

        r = decode(payload, size, &bytes, &n, reterr);
        if (r < 0)
                return r;

        n -= HEAD_SIZE + MAC_SIZE;
        r = unseal(conversation, bytes, n);
        if (r == -EBADMSG)
                *reterr = "the encrypted text was changed or is for another key";
        if (r < 0)
                return r;

        if (unpad(bytes + HEAD_SIZE, n, &from, &n_text) < 0) {
                *reterr = "the padding of the encrypted text is wrong";
                return -EBADMSG;
        }
        if (!utf8_is_valid((char *) bytes + HEAD_SIZE + from, n_text)) {
                *reterr = "the decrypted text is not UTF-8";
                return -EBADMSG;
        }

        memmove(bytes, bytes + HEAD_SIZE + from, n_text);
        bytes[n_text] = 0;
        *ret = (char *) TAKE_PTR(bytes);
        *ret_size = n_text;
        return 0;
}
