/* signer/parcel: the words of a key go to another machine and come back, and only whole. */
#include "tests/unit/unit.h"

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/bip39.h"
#include "nostr/key.h"
#include "parcel.h"

static const char zoo[] = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong";
static const char zoo_pubkey[] = "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd";

static Secret *some_key(uint8_t last) {
        uint8_t bytes[SEAL_KEY_SIZE] = { [SEAL_KEY_SIZE - 1] = last };
        Secret *key = NULL;

        assert_int_equal(secret_copy(bytes, sizeof(bytes), &key), 0);
        return key;
}

/* The key and the parcel behind it, as they come to the signer. */
static Secret *joined(const Secret *key, const Secret *parcel) {
        Secret *text = NULL;

        assert_int_equal(secret_new(secret_size(key) + secret_size(parcel), &text), 0);
        memcpy(secret_data(text), secret_text(key), secret_size(key));
        memcpy(secret_data(text) + secret_size(key), secret_text(parcel), secret_size(parcel));
        return text;
}

static Secret *packed(const Secret *key, const char *pubkey) {
        _cleanup_(secret_freep) Secret *words = NULL, *parcel = NULL;

        assert_int_equal(secret_copy(zoo, strlen(zoo), &words), 0);
        assert_int_equal(parcel_pack(key, pubkey, words, &parcel), 0);
        assert_null(memmem(secret_text(parcel), secret_size(parcel), "zoo", 3));
        return joined(key, parcel);
}

static void words_come_back(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_key(1), *text = packed(key, zoo_pubkey),
                                       *words = NULL;
        const char *reason = NULL;

        assert_int_equal(parcel_open(text, zoo_pubkey, &words, &reason), 0);
        assert_string_equal(secret_text(words), zoo);
}

static void two_parcels_are_never_the_same(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_key(1), *one = packed(key, zoo_pubkey),
                                       *two = packed(key, zoo_pubkey);

        assert_memory_not_equal(secret_text(one), secret_text(two), secret_size(one));
}

static void another_key_opens_nothing(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_key(1), *text = packed(key, zoo_pubkey),
                                       *words = NULL;
        const char *reason = NULL;

        secret_data(text)[0] ^= 1;
        assert_int_equal(parcel_open(text, zoo_pubkey, &words, &reason), -EBADMSG);
        assert_non_null(strstr(reason, "passphrase"));
        assert_null(words);
}

static void every_changed_byte_is_noticed(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_key(1), *text = packed(key, zoo_pubkey);

        for (size_t i = SEAL_KEY_SIZE; i < secret_size(text); i++) {
                _cleanup_(secret_freep) Secret *words = NULL;
                const char *reason = NULL;

                secret_data(text)[i] ^= 1;
                assert_int_equal(parcel_open(text, zoo_pubkey, &words, &reason), -EBADMSG);
                secret_data(text)[i] ^= 1;
        }
}

static void a_parcel_of_any_length_is_refused(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_key(1), *text = packed(key, zoo_pubkey);

        for (size_t n = secret_size(text); n-- > 0;) {
                _cleanup_(secret_freep) Secret *words = NULL;
                const char *reason = NULL;

                secret_truncate(text, n);
                assert_int_equal(parcel_open(text, zoo_pubkey, &words, &reason), -EBADMSG);
        }
}

static void a_parcel_for_another_key_is_refused(_unused_ void **state) {
        static const char other[] =
                        "83581a0215fb60d08683d2dabecf29ef2a3e69e65103fb5808014ebb6dc74e35";
        _cleanup_(secret_freep) Secret *key = some_key(1), *text = packed(key, zoo_pubkey),
                                       *liar = packed(key, other), *words = NULL;
        const char *reason = NULL;

        assert_int_equal(parcel_open(text, other, &words, &reason), -EBADMSG);
        assert_int_equal(parcel_open(text, "", &words, &reason), -EBADMSG);
        assert_int_equal(parcel_open(liar, other, &words, &reason), -EBADMSG);
        assert_non_null(strstr(reason, "another key"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_come_back),
                cmocka_unit_test(two_parcels_are_never_the_same),
                cmocka_unit_test(another_key_opens_nothing),
                cmocka_unit_test(every_changed_byte_is_noticed),
                cmocka_unit_test(a_parcel_of_any_length_is_refused),
                cmocka_unit_test(a_parcel_for_another_key_is_refused),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests_name("signer-parcel", tests, NULL, NULL);
}
