/* basic/secp: BIP-340's official vectors, ECDH, and keys that are none. */
#include "tests/unit/vectors.h"

#include "basic/crypt.h"
#include "basic/secp.h"

enum { INDEX, SECRET, PUBKEY, AUX, MESSAGE, SIGNATURE, RESULT, _COLUMN_MAX };

static size_t split_row(char *line, char *columns[static _COLUMN_MAX]) {
        size_t n = 0;

        while (line && n < _COLUMN_MAX)
                columns[n++] = strsep(&line, ",");
        return n;
}

static void check_signing(char *const *row) {
        uint8_t secret[VECTOR_BYTES_MAX], aux[VECTOR_BYTES_MAX], message[VECTOR_BYTES_MAX];
        uint8_t expected[VECTOR_BYTES_MAX], signature[64];
        _cleanup_(keypair_freep) Keypair *k = NULL;

        hex_bytes(row[SECRET], secret);
        hex_bytes(row[AUX], aux);
        hex_bytes(row[MESSAGE], message);
        assert_int_equal(keypair_new(secret, &k), 0);
        hex_bytes(row[PUBKEY], expected);
        assert_memory_equal(keypair_pubkey(k), expected, 32);
        assert_int_equal(keypair_sign(k, message, aux, signature), 0);
        hex_bytes(row[SIGNATURE], expected);
        assert_memory_equal(signature, expected, 64);
}

static void bip340_vectors_sign_and_verify_as_they_say(_unused_ void **state) {
        _cleanup_free_ char *text = vectors_read("bip340_test_vectors.csv");
        char *rest = text, *line;
        unsigned n = 0;

        (void) strsep(&rest, "\n");
        while ((line = strsep(&rest, "\n"))) {
                uint8_t key[VECTOR_BYTES_MAX], message[VECTOR_BYTES_MAX];
                uint8_t signature[VECTOR_BYTES_MAX];
                char *row[_COLUMN_MAX];

                if (split_row(line, row) < _COLUMN_MAX)
                        continue;
                if (hex_bytes(row[MESSAGE], message) != 32)
                        continue; /* Nostr signs ids of 32 bytes, so the library signs no others */
                if (*row[SECRET])
                        check_signing(row);
                hex_bytes(row[PUBKEY], key);
                hex_bytes(row[SIGNATURE], signature);
                assert_int_equal(secp_verify(signature, message, key),
                                streq(row[RESULT], "TRUE") ? 0 : -EBADMSG);
                n++;
        }
        assert_int_equal(n, 15);
}

static void secrets_that_are_no_numbers_below_n_are_refused(_unused_ void **state) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        uint8_t secret[32] = { 0 };

        assert_int_equal(keypair_new(secret, &k), -EINVAL);
        memset(secret, 0xff, sizeof(secret));
        assert_int_equal(keypair_new(secret, &k), -EINVAL);
        assert_null(k);
        assert_int_equal(secp_secret_add(secret, secret), -ERANGE);
}

static void both_sides_of_an_ecdh_find_the_same_point(_unused_ void **state) {
        _cleanup_(keypair_freep) Keypair *a = NULL, *b = NULL;
        uint8_t secret[32] = { [31] = 1 }, x[32], y[32];
        static const uint8_t off_curve[32] = { [31] = 5 };

        assert_int_equal(keypair_new(secret, &a), 0);
        secret[31] = 2;
        assert_int_equal(keypair_new(secret, &b), 0);
        assert_int_equal(keypair_ecdh(a, keypair_pubkey(b), x), 0);
        assert_int_equal(keypair_ecdh(b, keypair_pubkey(a), y), 0);
        assert_memory_equal(x, y, 32);
        assert_memory_equal(x, keypair_pubkey(b), 32); /* 1 * B */
        assert_int_equal(keypair_ecdh(a, off_curve, x), -EINVAL);
        assert_int_equal(secp_pubkey_check(off_curve), -EINVAL);
        assert_int_equal(secp_pubkey_check(keypair_pubkey(a)), 0);
}

static void secrets_add_up(_unused_ void **state) {
        uint8_t one[32] = { [31] = 1 }, two[32] = { [31] = 2 }, a[33], b[33];

        assert_int_equal(secp_secret_compressed_pubkey(two, a), 0);
        assert_int_equal(secp_secret_add(one, one), 0);
        assert_memory_equal(one, two, 32);
        assert_int_equal(secp_secret_compressed_pubkey(one, b), 0);
        assert_memory_equal(a, b, 33);
        memset(one, 0, sizeof(one));
        assert_int_equal(secp_secret_compressed_pubkey(one, b), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bip340_vectors_sign_and_verify_as_they_say),
                cmocka_unit_test(secrets_that_are_no_numbers_below_n_are_refused),
                cmocka_unit_test(both_sides_of_an_ecdh_find_the_same_point),
                cmocka_unit_test(secrets_add_up),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
