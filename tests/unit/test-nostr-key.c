/* nostr/bip39 and nostr/key: from entropy to a Nostr key, by the official vectors. */
#include "tests/unit/vectors.h"

#include <ctype.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/bip39.h"
#include "nostr/key.h"
#include "nostr/nip19.h"

static void the_word_list_is_the_official_one(_unused_ void **state) {
        _cleanup_(sha256_freep) Sha256 *h = NULL;
        uint8_t hash[32];
        char hex[HEX32_MAX];

        assert_int_equal(sha256_new(&h), 0);
        for (size_t i = 0; i < BIP39_N_WORDS; i++) {
                assert_int_equal(sha256_add(h, bip39_english[i], strlen(bip39_english[i])), 0);
                assert_int_equal(sha256_add(h, "\n", 1), 0);
        }
        assert_int_equal(sha256_end(h, hash), 0);
        hex_encode(hash, sizeof(hash), hex);
        assert_string_equal(
                        hex, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
}

static void entropy_words_and_seeds_are_those_of_bip_39(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bip39_english_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, all) {
                _cleanup_(secret_freep) Secret *made = NULL, *read = NULL, *seed = NULL;
                const char *words = row_string(row, "mnemonic"), *reason = NULL;
                uint8_t entropy[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX];
                size_t n = row_bytes(row, "entropy", entropy);
                unsigned word;

                assert_int_equal(mnemonic_from_entropy(entropy, n, &made), 0);
                assert_string_equal(secret_text(made), words);
                assert_int_equal(mnemonic_parse(words, strlen(words), &read, &word, &reason), 0);
                assert_string_equal(secret_text(read), words);
                assert_int_equal(mnemonic_seed(read, row_string(row, "passphrase"), &seed, &reason),
                                0);
                assert_int_equal(row_bytes(row, "seed", expected), secret_size(seed));
                assert_memory_equal(secret_data(seed), expected, secret_size(seed));
        }
}

static void what_a_person_typed_is_put_in_order(_unused_ void **state) {
        static const char typed[] = "  Zoo zoo\tzoo zoo zoo zoo\n zoo zoo zoo ZOO zoo   wrong \n";
        _cleanup_(secret_freep) Secret *s = NULL;
        const char *reason;
        unsigned word;

        assert_int_equal(mnemonic_parse(typed, strlen(typed), &s, &word, &reason), 0);
        assert_string_equal(secret_text(s), "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong");
}

static void a_bad_mnemonic_is_refused_with_a_reason(_unused_ void **state) {
        static const struct {
                const char *text, *reason;
                unsigned word;
        } rows[] = {
                { "", "12, 15", 0 },
                { "zoo zoo zoo", "12, 15", 0 },
                { "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo", "checksum", 0 },
                { "zoo zoo zo0 zoo zoo zoo zoo zoo zoo zoo zoo wrong", "word list", 3 },
                { "zoo abandonment", "word list", 2 },
                { "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo "
                  "zoo zoo zoo zoo zoo",
                                "12, 15", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = NULL;
                Secret *s = NULL;
                unsigned word;

                assert_int_equal(mnemonic_parse(rows[i].text, strlen(rows[i].text), &s, &word,
                                                 &reason),
                                -EINVAL);
                assert_non_null(strstr(reason, rows[i].reason));
                assert_int_equal(word, rows[i].word);
        }
}

static void entropy_of_other_sizes_is_refused(_unused_ void **state) {
        static const uint8_t bytes[64];
        Secret *s;

        for (size_t n = 0; n <= sizeof(bytes); n++)
                if (n != 16 && n != 20 && n != 24 && n != 28 && n != 32)
                        assert_int_equal(mnemonic_from_entropy(bytes, n, &s), -EINVAL);
        assert_int_equal(mnemonic_entropy_size(12), 16);
        assert_int_equal(mnemonic_entropy_size(24), 32);
        assert_int_equal(mnemonic_entropy_size(13), 0);
        assert_int_equal(mnemonic_entropy_size(27), 0);
}

static void a_passphrase_beyond_ascii_is_refused(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *words = NULL;
        const char *reason = NULL;
        Secret *seed;

        assert_int_equal(secret_copy("zoo", 3, &words), 0);
        assert_int_equal(mnemonic_seed(words, "gr\xc3\xbc\xc3\x9f", &seed, &reason), -EOPNOTSUPP);
        assert_non_null(strstr(reason, "ASCII"));
}

/* Walks a path such as m/0'/1 from the parent that is already there. */
static void derive_path(const char *path, Bip32Key *k) {
        for (const char *p = strchr(path, '/'); p; p = strchr(p, '/')) {
                uint32_t index = 0;

                for (p++; isdigit((unsigned char) *p); p++)
                        index = index * 10 + (uint32_t) (*p - '0');
                if (*p == '\'' || *p == 'h' || *p == 'H')
                        index |= BIP32_HARDENED;
                assert_int_equal(bip32_child(k, index, k), 0);
        }
}

static void derived_keys_are_those_of_bip_32(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bip32_vectors.json");
        struct json_object *row, *chains;

        ROWS_FOREACH(row, row_get(all, "valid")) {
                uint8_t seed[VECTOR_BYTES_MAX], expected[VECTOR_BYTES_MAX];
                size_t n = row_bytes(row, "seed", seed);

                chains = row_get(row, "chain");
                for (size_t i = 0; i < json_object_array_length(chains); i++) {
                        struct json_object *c = json_object_array_get_idx(chains, i);
                        Bip32Key k;

                        assert_int_equal(bip32_master(seed, n, &k), 0);
                        derive_path(row_string(c, "path"), &k);
                        row_bytes(c, "secret_hex", expected);
                        assert_memory_equal(k.secret, expected, 32);
                        row_bytes(c, "chain_code", expected);
                        assert_memory_equal(k.chain, expected, 32);
                }
        }
}

static void accounts_are_those_of_nip_06(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip06_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, all) {
                _cleanup_(secret_freep) Secret *words = NULL, *seed = NULL;
                _cleanup_(keypair_freep) Keypair *k = NULL;
                const char *text = row_string(row, "mnemonic"), *reason;
                uint8_t expected[VECTOR_BYTES_MAX];
                char npub[NPUB_SIZE];
                unsigned word;

                assert_int_equal(mnemonic_parse(text, strlen(text), &words, &word, &reason), 0);
                assert_int_equal(
                                mnemonic_seed(words, row_string(row, "passphrase"), &seed, &reason),
                                0);
                assert_int_equal(nip06_keypair(seed, (uint32_t) row_int(row, "account"), &k), 0);
                row_bytes(row, "pubkey", expected);
                assert_memory_equal(keypair_pubkey(k), expected, 32);
                assert_int_equal(npub_encode(keypair_pubkey(k), npub), 0);
                assert_string_equal(npub, row_string(row, "npub"));
        }
}

static void an_account_beyond_the_hardened_range_is_refused(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *seed = NULL;
        Keypair *k;

        assert_int_equal(secret_new(64, &seed), 0);
        assert_int_equal(nip06_keypair(seed, BIP32_HARDENED, &k), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_word_list_is_the_official_one),
                cmocka_unit_test(entropy_words_and_seeds_are_those_of_bip_39),
                cmocka_unit_test(what_a_person_typed_is_put_in_order),
                cmocka_unit_test(a_bad_mnemonic_is_refused_with_a_reason),
                cmocka_unit_test(entropy_of_other_sizes_is_refused),
                cmocka_unit_test(a_passphrase_beyond_ascii_is_refused),
                cmocka_unit_test(derived_keys_are_those_of_bip_32),
                cmocka_unit_test(accounts_are_those_of_nip_06),
                cmocka_unit_test(an_account_beyond_the_hardened_range_is_refused),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
