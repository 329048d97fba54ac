/* basic/crypt: the numbers of the RFCs, as far as GnuTLS is asked for them. */
#include "tests/unit/vectors.h"

#include "basic/crypt.h"

static void hkdf_gives_the_numbers_of_rfc_5869(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("primitives.json");
        struct json_object *row = row_get(all, "hkdf_rfc5869_case1");
        uint8_t ikm[VECTOR_BYTES_MAX], salt[VECTOR_BYTES_MAX], info[VECTOR_BYTES_MAX];
        uint8_t prk[VECTOR_BYTES_MAX], okm[VECTOR_BYTES_MAX], key[32], out[42];
        size_t n_ikm = row_bytes(row, "ikm", ikm), n_salt = row_bytes(row, "salt", salt),
               n_info = row_bytes(row, "info", info);

        row_bytes(row, "prk", prk);
        assert_int_equal(row_bytes(row, "okm", okm), sizeof(out));
        assert_int_equal(hkdf_sha256_extract(salt, n_salt, ikm, n_ikm, key), 0);
        assert_memory_equal(key, prk, 32);
        assert_int_equal(hkdf_sha256_expand(key, info, n_info, out, sizeof(out)), 0);
        assert_memory_equal(out, okm, sizeof(out));
}

static void chacha20_is_the_one_of_rfc_8439(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("primitives.json");
        struct json_object *row = row_get(all, "chacha20_rfc8439_2_4_2");
        uint8_t key[VECTOR_BYTES_MAX], nonce[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX];
        uint8_t data[64 + VECTOR_BYTES_MAX] = { 0 };
        const char *plain = row_string(row, "plaintext");
        size_t n = strlen(plain);

        row_bytes(row, "key", key);
        row_bytes(row, "nonce", nonce);
        assert_int_equal(row_bytes(row, "ciphertext", expected), n);

        memcpy(data + 64, plain, n); /* the RFC counts from 1, we from 0: one block of 64 earlier */
        assert_int_equal(chacha20(key, nonce, data, 64 + n), 0);
        assert_memory_equal(data + 64, expected, n);
        assert_int_equal(chacha20(key, nonce, data, 64 + n), 0);
        assert_memory_equal(data + 64, plain, n);
}

static void pbkdf2_and_hmac_sha512_give_their_known_answers(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("primitives.json");
        struct json_object *row = row_get(all, "hmac_sha512_rfc4231_case2");
        const char *k = row_string(row, "key"), *d = row_string(row, "data");
        uint8_t expected[VECTOR_BYTES_MAX], out[64];

        row_bytes(row, "mac", expected);
        assert_int_equal(hmac_sha512(k, strlen(k), d, strlen(d), out), 0);
        assert_memory_equal(out, expected, 64);

        ROWS_FOREACH(row, row_get(all, "pbkdf2_hmac_sha512")) {
                const char *p = row_string(row, "password"), *s = row_string(row, "salt");

                row_bytes(row, "dk", expected);
                assert_int_equal(pbkdf2_sha512(p, strlen(p), s, strlen(s),
                                                 (unsigned) row_int(row, "iterations"), out,
                                                 sizeof(out)),
                                0);
                assert_memory_equal(out, expected, 64);
        }
}

static void sha256_in_pieces_is_sha256_and_starts_anew(_unused_ void **state) {
        _cleanup_(sha256_freep) Sha256 *h = NULL;
        uint8_t whole[32], pieces[32];

        assert_int_equal(sha256("hello world", 11, whole), 0);
        assert_int_equal(sha256_new(&h), 0);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(sha256_add(h, "hello", 5), 0);
                assert_int_equal(sha256_add(h, " world", 6), 0);
                assert_int_equal(sha256_end(h, pieces), 0);
                assert_memory_equal(whole, pieces, 32);
        }
}

static void a_copied_sha256_goes_on_by_itself(_unused_ void **state) {
        _cleanup_(sha256_freep) Sha256 *a = NULL, *b = NULL;
        uint8_t whole[32], hash[32];

        assert_int_equal(sha256_new(&a), 0);
        assert_int_equal(sha256_new(&b), 0);
        assert_int_equal(sha256_add(a, "hello", 5), 0);
        for (int i = 0; i < 2; i++) {
                sha256_copy(b, a);
                assert_int_equal(sha256_add(b, " world", 6), 0);
                assert_int_equal(sha256_end(b, hash), 0);
                assert_int_equal(sha256("hello world", 11, whole), 0);
                assert_memory_equal(whole, hash, 32);
        }
}

static void aes_cbc_goes_there_and_back(_unused_ void **state) {
        static const uint8_t key[32] = { 1 }, iv[16] = { 2 };
        char text[32] = "two blocks of sixteen bytes....";

        assert_int_equal(aes256_cbc(key, iv, true, text, sizeof(text)), 0);
        assert_memory_not_equal(text, "two blocks", 10);
        assert_int_equal(aes256_cbc(key, iv, false, text, sizeof(text)), 0);
        assert_string_equal(text, "two blocks of sixteen bytes....");
}

static void chance_differs_and_comparison_compares(_unused_ void **state) {
        uint8_t a[32] = { 0 }, b[32] = { 0 };

        assert_true(memory_equal(a, b, 32));
        assert_int_equal(crypt_random(a, sizeof(a)), 0);
        assert_int_equal(crypt_random(b, sizeof(b)), 0);
        assert_false(memory_equal(a, b, 32));
        memory_wipe(a, 32);
        memory_wipe(b, 32);
        assert_true(memory_equal(a, b, 32));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hkdf_gives_the_numbers_of_rfc_5869),
                cmocka_unit_test(chacha20_is_the_one_of_rfc_8439),
                cmocka_unit_test(pbkdf2_and_hmac_sha512_give_their_known_answers),
                cmocka_unit_test(sha256_in_pieces_is_sha256_and_starts_anew),
                cmocka_unit_test(a_copied_sha256_goes_on_by_itself),
                cmocka_unit_test(aes_cbc_goes_there_and_back),
                cmocka_unit_test(chance_differs_and_comparison_compares),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
