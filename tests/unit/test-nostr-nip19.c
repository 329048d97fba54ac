/* nostr/nip19: the texts of the NIP and of nostr-tools, read and written. */
#include "tests/unit/vectors.h"

#include "basic/codec.h"
#include "basic/text.h"
#include "nostr/nip19.h"

static const char *const type_names[_NIP19_TYPE_MAX] = {
        "npub",
        "nsec",
        "note",
        "nprofile",
        "nevent",
        "naddr",
};

static void expect_bytes(struct json_object *d, const char *key, const uint8_t got[static 32]) {
        uint8_t expected[VECTOR_BYTES_MAX];

        if (!json_object_object_get_ex(d, key, NULL))
                return;
        assert_int_equal(row_bytes(d, key, expected), 32);
        assert_memory_equal(got, expected, 32);
}

static void expect_relays(struct json_object *d, char *const *relays) {
        struct json_object *list, *url;

        if (!json_object_object_get_ex(d, "relays", &list))
                return;
        assert_int_equal(json_object_array_length(list), strv_length(relays));
        ROWS_FOREACH(url, list)
        assert_string_equal(json_object_get_string(url), relays[_i]);
}

static void expect_decoded(struct json_object *d, const Nip19 *n) {
        struct json_object *field;

        assert_string_equal(type_names[n->type], row_string(d, "type"));
        expect_bytes(d, "hex", n->key);
        expect_bytes(d, "id", n->key);
        if (n->type == NIP19_NPROFILE)
                expect_bytes(d, "pubkey", n->key);
        expect_bytes(d, "author", n->author);
        expect_relays(d, n->relays);
        if (json_object_object_get_ex(d, "kind", &field)) {
                assert_true(n->has_kind);
                assert_int_equal(n->kind, json_object_get_int(field));
        }
        if (json_object_object_get_ex(d, "identifier", &field))
                assert_string_equal(n->identifier, json_object_get_string(field));
}

static void check_rows(struct json_object *list) {
        struct json_object *row;

        ROWS_FOREACH(row, list) {
                _cleanup_nip19_ Nip19 n = { 0 }, again = { 0 };
                _cleanup_free_ char *text = NULL;
                const char *encoded = row_string(row, "encoded"), *reason = NULL;

                assert_int_equal(nip19_decode(encoded, &n, &reason), 0);
                expect_decoded(row_get(row, "decoded"), &n);

                /* Others may order the entries differently; the meaning must come back. */
                assert_int_equal(nip19_encode(&n, &text), 0);
                if (n.type <= NIP19_NOTE)
                        assert_string_equal(text, encoded);
                assert_int_equal(nip19_decode(text, &again, &reason), 0);
                expect_decoded(row_get(row, "decoded"), &again);
        }
}

static void the_valid_texts_are_understood(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip19_vectors.json");

        check_rows(row_get(all, "valid"));
        check_rows(row_get(all, "computed_here"));
}

static void the_invalid_texts_are_refused(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip19_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "invalid")) {
                Nip19 n;
                const char *reason = NULL;

                assert_int_equal(nip19_decode(row_string(row, "encoded"), &n, &reason), -EINVAL);
                assert_non_null(reason);
        }
}

static void our_order_of_entries_is_the_one_of_the_nip(_unused_ void **state) {
        static const char text[] =
                        "naddr1qqyrzwrxvc6ngvfkqyghwumn8ghj7enfv96x5ctx9e3k7mgzyqalp33lewf5vdq847"
                        "t6te0wvnags0gs0mu72kz8938tn24wlfze6qcyqqq823cph95ag";
        _cleanup_nip19_ Nip19 n = { 0 };
        _cleanup_free_ char *again = NULL;
        const char *reason;

        assert_int_equal(nip19_decode(text, &n, &reason), 0);
        assert_int_equal(nip19_encode(&n, &again), 0);
        assert_string_equal(again, text);
}

static void a_secret_key_is_never_a_link(_unused_ void **state) {
        Nip19 n;
        const char *reason = NULL;

        assert_int_equal(
                        nip19_decode("nostr:nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnl"
                                     "fe5",
                                        &n, &reason),
                        -EINVAL);
        assert_string_equal(reason, "a secret key is never a link");
}

static void keys_may_be_named_in_three_ways(_unused_ void **state) {
        static const char *const good[] = {
                "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d",
                "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6",
                "nostr:npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6",
                "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4"
                "mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p",
        };
        static const char *const bad[] = {
                "",
                "alice",
                "0000000000000000000000000000000000000000000000000000000000000005",
                "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
                "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w7",
        };
        uint8_t key[32], expected[32];
        const char *reason = NULL;

        assert_int_equal(hex_decode(good[0], expected, 32), 0);
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(pubkey_parse(good[i], key, &reason), 0);
                assert_memory_equal(key, expected, 32);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(pubkey_parse(bad[i], key, &reason), -EINVAL);
}

static void too_much_is_refused(_unused_ void **state) {
        _cleanup_free_ char *text = malloc(NIP19_SIZE_MAX + 2), *encoded = NULL;
        _cleanup_nip19_ Nip19 n = { .type = NIP19_NPROFILE };
        const char *reason = NULL;
        char url[NIP19_VALUE_MAX + 2];
        Nip19 out;

        assert_non_null(text);
        memset(text, 'q', NIP19_SIZE_MAX + 1);
        memcpy(text, "npub1", 5);
        text[NIP19_SIZE_MAX + 1] = 0;
        assert_int_equal(nip19_decode(text, &out, &reason), -EINVAL);

        memset(url, 'w', sizeof(url) - 1);
        url[sizeof(url) - 1] = 0;
        assert_int_equal(strv_add(&n.relays, url), 0);
        assert_int_equal(nip19_encode(&n, &encoded), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_valid_texts_are_understood),
                cmocka_unit_test(the_invalid_texts_are_refused),
                cmocka_unit_test(our_order_of_entries_is_the_one_of_the_nip),
                cmocka_unit_test(a_secret_key_is_never_a_link),
                cmocka_unit_test(keys_may_be_named_in_three_ways),
                cmocka_unit_test(too_much_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
