/* nostr/nip44 and nostr/nip04: the official vectors, and what must not be readable. */
#include "tests/unit/vectors.h"

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/nip04.h"
#include "nostr/nip44.h"

static struct json_object *section(struct json_object *all, const char *verdict, const char *name) {
        return row_get(row_get(row_get(all, "v2"), verdict), name);
}

static void keypair_of(struct json_object *row, const char *key, Keypair **ret) {
        uint8_t secret[VECTOR_BYTES_MAX];

        assert_int_equal(row_bytes(row, key, secret), 32);
        assert_int_equal(keypair_new(secret, ret), 0);
}

static void conversation_keys_are_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, section(all, "valid", "get_conversation_key")) {
                uint8_t peer[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX], key[32];
                _cleanup_(keypair_freep) Keypair *k = NULL;

                keypair_of(row, "sec1", &k);
                row_bytes(row, "pub2", peer);
                row_bytes(row, "conversation_key", expected);
                assert_int_equal(nip44_conversation_key(k, peer, key), 0);
                assert_memory_equal(key, expected, 32);
        }
        ROWS_FOREACH(row, section(all, "invalid", "get_conversation_key")) {
                uint8_t peer[VECTOR_BYTES_MAX], secret[VECTOR_BYTES_MAX], key[32];
                _cleanup_(keypair_freep) Keypair *k = NULL;

                row_bytes(row, "sec1", secret);
                row_bytes(row, "pub2", peer);
                if (keypair_new(secret, &k) >= 0)
                        assert_int_equal(nip44_conversation_key(k, peer, key), -EINVAL);
        }
}

static void message_keys_are_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *group = section(all, "valid", "get_message_keys"), *row;
        uint8_t conversation[VECTOR_BYTES_MAX];

        row_bytes(group, "conversation_key", conversation);
        ROWS_FOREACH(row, row_get(group, "keys")) {
                uint8_t nonce[VECTOR_BYTES_MAX], keys[NIP44_MESSAGE_KEYS];
                uint8_t expected[VECTOR_BYTES_MAX];

                row_bytes(row, "nonce", nonce);
                assert_int_equal(nip44_message_keys(conversation, nonce, keys), 0);
                row_bytes(row, "chacha_key", expected);
                assert_memory_equal(keys, expected, 32);
                row_bytes(row, "chacha_nonce", expected);
                assert_memory_equal(keys + 32, expected, 12);
                row_bytes(row, "hmac_key", expected);
                assert_memory_equal(keys + 44, expected, 32);
        }
}

static void padded_sizes_are_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, section(all, "valid", "calc_padded_len"))
        assert_int_equal(nip44_padded_size((uint64_t) json_object_get_int(
                                         json_object_array_get_idx(row, 0))),
                        json_object_get_int(json_object_array_get_idx(row, 1)));
}

static void texts_encrypt_and_decrypt_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, section(all, "valid", "encrypt_decrypt")) {
                uint8_t nonce[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX], key[32];
                _cleanup_(keypair_freep) Keypair *a = NULL, *b = NULL;
                _cleanup_free_ char *payload = NULL, *text = NULL;
                const char *plain = row_string(row, "plaintext"), *reason;
                size_t size;

                keypair_of(row, "sec1", &a);
                keypair_of(row, "sec2", &b);
                assert_int_equal(nip44_conversation_key(a, keypair_pubkey(b), key), 0);
                row_bytes(row, "conversation_key", expected);
                assert_memory_equal(key, expected, 32);

                row_bytes(row, "nonce", nonce);
                assert_int_equal(nip44_encrypt(key, nonce, plain, strlen(plain), &payload), 0);
                assert_string_equal(payload, row_string(row, "payload"));
                assert_int_equal(
                                nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason),
                                0);
                assert_int_equal(size, strlen(plain));
                assert_string_equal(text, plain);
        }
}

static void expect_sha256(struct json_object *row, const char *key, const char *text, size_t size) {
        uint8_t hash[32], expected[VECTOR_BYTES_MAX];

        row_bytes(row, key, expected);
        assert_int_equal(sha256(text, size, hash), 0);
        assert_memory_equal(hash, expected, 32);
}

static void long_texts_encrypt_and_decrypt_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, section(all, "valid", "encrypt_decrypt_long_msg")) {
                uint8_t nonce[VECTOR_BYTES_MAX], key[VECTOR_BYTES_MAX];
                const char *pattern = row_string(row, "pattern"), *reason;
                size_t n = strlen(pattern), repeat = (size_t) row_int(row, "repeat"), size;
                _cleanup_free_ char *plain = malloc(n * repeat), *payload = NULL, *text = NULL;

                for (size_t i = 0; i < repeat; i++)
                        memcpy(plain + i * n, pattern, n);
                expect_sha256(row, "plaintext_sha256", plain, n * repeat);
                row_bytes(row, "conversation_key", key);
                row_bytes(row, "nonce", nonce);
                assert_int_equal(nip44_encrypt(key, nonce, plain, n * repeat, &payload), 0);
                expect_sha256(row, "payload_sha256", payload, strlen(payload));
                assert_int_equal(
                                nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason),
                                0);
                assert_int_equal(size, n * repeat);
                assert_memory_equal(text, plain, size);
        }
}

static void we_never_send_more_than_older_peers_read(_unused_ void **state) {
        static const uint8_t key[32], nonce[32];
        _cleanup_free_ char *text = calloc(1, NIP44_TEXT_MAX + 1);
        char *payload;

        assert_int_equal(nip44_encrypt(key, nonce, text, 0, &payload), -EINVAL);
        assert_int_equal(nip44_encrypt(key, nonce, text, NIP44_TEXT_MAX + 1, &payload), -E2BIG);
}

/* What a peer of 2026 sends for a text of this length. */
static char *seal_extended(
                const uint8_t *conversation, const uint8_t *nonce, uint8_t byte, size_t size) {
        size_t prefix = size < 65536 ? 2 : 6, n = prefix + nip44_padded_size(size);
        _cleanup_free_ uint8_t *bytes = calloc(1, 33 + n + 32);
        uint8_t keys[NIP44_MESSAGE_KEYS];
        char *payload = NULL;

        bytes[0] = 2;
        memcpy(bytes + 1, nonce, 32);
        for (size_t i = 0; i < MIN(prefix, (size_t) 4); i++)
                bytes[33 + prefix - 1 - i] = (uint8_t) (size >> 8 * i);
        memset(bytes + 33 + prefix, byte, size);
        assert_int_equal(nip44_message_keys(conversation, nonce, keys), 0);
        assert_int_equal(chacha20(keys, keys + 32, bytes + 33, n), 0);
        assert_int_equal(hmac_sha256(keys + 44, 32, bytes + 1, 32 + n, bytes + 33 + n), 0);
        assert_int_equal(base64_encode(bytes, 33 + n + 32, &payload), 0);
        return payload;
}

static void the_extended_length_is_read(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44_extended_length.json");
        uint8_t key[VECTOR_BYTES_MAX], nonce[VECTOR_BYTES_MAX], byte[VECTOR_BYTES_MAX];
        struct json_object *row;

        row_bytes(all, "conversation_key", key);
        row_bytes(all, "nonce", nonce);
        ROWS_FOREACH(row, row_get(all, "vectors")) {
                size_t n = (size_t) row_int(row, "plaintext_len"), size;
                _cleanup_free_ char *payload = NULL, *text = NULL;
                const char *reason;

                row_bytes(row, "plaintext_byte", byte);
                payload = seal_extended(key, nonce, byte[0], n);
                expect_sha256(row, "payload_sha256", payload, strlen(payload));
                assert_int_equal(nip44_padded_size(n), row_int(row, "padded_len"));
                assert_int_equal(
                                nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason),
                                0);
                assert_int_equal(size, n);
                expect_sha256(row, "plaintext_sha256", text, size);
        }
}

static void bad_payloads_are_refused_for_the_right_reason(_unused_ void **state) {
        static const struct {
                const char *note, *reason;
        } reasons[] = {
                { "unknown encryption version", "version" },
                { "invalid base64", "base64" },
                { "invalid MAC", "changed" },
                { "invalid padding", "padding" },
                { "invalid payload length: 0", "version" },
                { "invalid payload length", "length" },
        };
        _cleanup_json_object_ struct json_object *all = vectors_json("nip44.vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, section(all, "invalid", "decrypt")) {
                const char *payload = row_string(row, "payload"), *note = row_string(row, "note");
                uint8_t key[VECTOR_BYTES_MAX];
                const char *reason = NULL;
                size_t size, i = 0;
                char *text;

                while (!startswith(note, reasons[i].note))
                        i++;
                row_bytes(row, "conversation_key", key);
                assert_int_equal(
                                nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason),
                                -EBADMSG);
                assert_non_null(strstr(reason, reasons[i].reason));
        }
}

static void a_text_that_is_not_utf8_is_refused(_unused_ void **state) {
        static const uint8_t key[32], nonce[32];
        _cleanup_free_ char *payload = NULL;
        const char *reason = NULL;
        size_t size;
        char *text;

        assert_int_equal(nip44_encrypt(key, nonce, "\xff", 1, &payload), 0);
        assert_int_equal(nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason),
                        -EBADMSG);
        assert_non_null(strstr(reason, "UTF-8"));
}

static void nip04_does_what_go_nostr_does(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip04_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "vectors")) {
                uint8_t peer[VECTOR_BYTES_MAX], iv[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX];
                _cleanup_(keypair_freep) Keypair *k = NULL;
                _cleanup_free_ char *payload = NULL, *text = NULL;
                const char *plain = row_string(row, "plaintext");
                uint8_t shared[32];
                size_t size;

                keypair_of(row, "sec1", &k);
                row_bytes(row, "pub2", peer);
                row_bytes(row, "shared_x", expected);
                assert_int_equal(keypair_ecdh(k, peer, shared), 0);
                assert_memory_equal(shared, expected, 32);

                row_bytes(row, "iv_hex", iv);
                assert_int_equal(nip04_encrypt(shared, iv, plain, strlen(plain), &payload), 0);
                assert_string_equal(payload, row_string(row, "payload"));
                assert_true(nip04_looks_like(payload));
                assert_int_equal(nip04_decrypt(shared, payload, strlen(payload), &text, &size), 0);
                assert_string_equal(text, plain);
                assert_int_equal(size, strlen(plain));
        }
}

static void nip04_has_one_error_for_everything(_unused_ void **state) {
        static const char *const bad[] = {
                "",
                "?iv=",
                "zJxfaJ32rN5Dg1ODjOlEew==",
                "zJxfaJ32rN5Dg1ODjOlEew==?iv=",
                "zJxfaJ32rN5Dg1ODjOlEew==?iv=EV5bUjcc4OX2Km/zPp4n",
                "zJxfaJ32rN5Dg1ODjOlE?iv=EV5bUjcc4OX2Km/zPp4ndQ==",
                "zJxfaJ32rN5Dg1ODjOlEew=?iv=EV5bUjcc4OX2Km/zPp4ndQ==",
                "zJxfaJ32rN5Dg1ODjOlEew==?iv=EV5bUjcc4OX2Km/zPp4ndQ==",
        };
        static const uint8_t key[32];
        size_t size;
        char *text;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(
                                nip04_decrypt(key, bad[i], strlen(bad[i]), &text, &size), -EBADMSG);
}

static void nip04_of_every_length_comes_back(_unused_ void **state) {
        static const uint8_t key[32] = { 1 }, iv[16] = { 2 };
        static const char plain[] = "a text that is longer than two blocks";

        for (size_t n = 0; n < sizeof(plain); n++) {
                _cleanup_free_ char *payload = NULL, *text = NULL;
                size_t size;

                assert_int_equal(nip04_encrypt(key, iv, plain, n, &payload), 0);
                assert_int_equal(nip04_decrypt(key, payload, strlen(payload), &text, &size), 0);
                assert_int_equal(size, n);
                assert_memory_equal(text, plain, n);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(conversation_keys_are_as_given),
                cmocka_unit_test(message_keys_are_as_given),
                cmocka_unit_test(padded_sizes_are_as_given),
                cmocka_unit_test(texts_encrypt_and_decrypt_as_given),
                cmocka_unit_test(long_texts_encrypt_and_decrypt_as_given),
                cmocka_unit_test(we_never_send_more_than_older_peers_read),
                cmocka_unit_test(the_extended_length_is_read),
                cmocka_unit_test(bad_payloads_are_refused_for_the_right_reason),
                cmocka_unit_test(a_text_that_is_not_utf8_is_refused),
                cmocka_unit_test(nip04_does_what_go_nostr_does),
                cmocka_unit_test(nip04_has_one_error_for_everything),
                cmocka_unit_test(nip04_of_every_length_comes_back),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
