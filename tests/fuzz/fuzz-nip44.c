/* nostr/nip44 and nostr/nip04: hostile payloads. The first byte says whether the input is a payload
 * from a stranger, or what a peer with the right key put inside, which is where the paddings are.
 */
#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/nip04.h"
#include "nostr/nip44.h"

static const uint8_t key[32] = { 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void from_a_stranger(const char *text, size_t size) {
        _cleanup_free_ char *a = NULL, *b = NULL;
        const char *reason = NULL;
        size_t n;

        if (nip44_decrypt(key, text, size, &a, &n, &reason) < 0)
                assert(reason);
        if (nip04_decrypt(key, text, size, &b, &n) >= 0)
                assert(strlen(b) <= n);
}

/* The input as the padded data of a payload whose MAC is right. */
static void from_a_peer(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *bytes = calloc(1, 33 + size + 32);
        _cleanup_free_ char *payload = NULL;
        uint8_t keys[NIP44_MESSAGE_KEYS];

        if (!bytes)
                return;
        bytes[0] = 2;
        memcpy(bytes + 33, data, size);
        if (nip44_message_keys(key, bytes + 1, keys) < 0 ||
                        chacha20(keys, keys + 32, bytes + 33, size) < 0 ||
                        hmac_sha256(keys + 44, 32, bytes + 1, 32 + size, bytes + 33 + size) < 0 ||
                        base64_encode(bytes, 33 + size + 32, &payload) < 0)
                return;
        from_a_stranger(payload, strlen(payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        if (data[0] & 1)
                from_a_peer(data + 1, size - 1);
        else
                from_a_stranger((const char *) data + 1, size - 1);
        return 0;
}
