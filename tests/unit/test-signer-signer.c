/* signer/signer: what is signed, encrypted and decrypted for whom, item by item. */
#include "tests/unit/unit.h"

#include <time.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/bip39.h"
#include "nostr/nip59.h"
#include "signer.h"

typedef struct World {
        Keypair *own, *other;
        char own_hex[HEX32_MAX], other_hex[HEX32_MAX];
        Request provider, buyer, ada, bob;
} World;

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 3 }, &w->own), 0);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 4 }, &w->other), 0);
        hex_encode(keypair_pubkey(w->own), 32, w->own_hex);
        hex_encode(keypair_pubkey(w->other), 32, w->other_hex);
        w->provider = (Request){ PEER_PROVIDER, "provider", w->own };
        w->buyer = (Request){ PEER_HOST, "buyer", w->other };
        w->ada = (Request){ PEER_HOST, "agent:ada", w->own };
        w->bob = (Request){ PEER_HOST, "agent:bob", w->other };
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        keypair_free(w->own);
        keypair_free(w->other);
        free(w);
        return 0;
}

static void a_signed_draft_is_a_verified_event_of_this_key(void **state) {
        static const char draft[] =
                        "{\"kind\":7000,\"created_at\":1700000000,\"tags\":[[\"status\",\"processing\"]],"
                        "\"content\":\"so \\u00fc\"}";
        _cleanup_(event_unrefp) Event *e = NULL, *checked = NULL;
        const char *reason = NULL, *json;
        World *w = *state;
        size_t size;

        assert_int_equal(signer_sign(&w->provider, draft, &e, &reason), 0);
        json = event_json(e, &size);
        assert_int_equal(event_parse(json, size, &checked, &reason), 0);
        assert_string_equal(event_pubkey_hex(checked), w->own_hex);
        assert_int_equal(event_kind(checked), 7000);
        assert_string_equal(event_tag_value(checked, "status"), "processing");
        assert_string_equal(event_content(checked, NULL), "so \xc3\xbc");
}

static void a_kind_that_the_table_does_not_allow_is_refused(void **state) {
        static const char draft[] = "{\"kind\":1,\"created_at\":1,\"tags\":[],\"content\":\"\"}";
        const char *reason = NULL;
        World *w = *state;
        Event *e;

        assert_int_equal(signer_sign(&w->provider, draft, &e, &reason), -EPERM);
        assert_non_null(strstr(reason, "kind"));
}

static void what_is_no_draft_is_refused_with_a_reason(void **state) {
        static const char *const bad[] = { "", "7000", "[]", "{}", "{\"kind\":7000}",
                "{\"kind\":7000,\"created_at\":1,\"tags\":[],\"content\":1}",
                "{\"kind\":70000,\"created_at\":1,\"tags\":[],\"content\":\"\"}",
                "{\"kind\":7000,\"created_at\":-1,\"tags\":[],\"content\":\"\"}",
                "{\"kind\":7000,\"created_at\":1,\"tags\":[[1]],\"content\":\"\"}",
                "{\"kind\":7000,\"created_at\":1,\"tags\":[[]],\"content\":\"\"}",
                "{\"kind\":7000,\"kind\":1,\"created_at\":1,\"tags\":[],\"content\":\"\"}",
                "{\"kind\":7000,\"created_at\":1,\"tags\":[],\"content\":\"\"} x",
                /* somebody else's hash, which it would sign if it believed in hashes */
                "\"0000000000000000000000000000000000000000000000000000000000000001\"" };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *reason = NULL;
                Event *e = NULL;

                assert_int_equal(signer_sign(&w->provider, bad[i], &e, &reason), -EBADMSG);
                assert_non_null(reason);
                assert_null(e);
        }
}

static void an_id_in_the_draft_has_no_say(void **state) {
        static const char draft[] =
                        "{\"id\":\"00\",\"pubkey\":"
                        "\"0000000000000000000000000000000000000000000000000000000000000001\","
                        "\"kind\":7000,\"created_at\":1,\"tags\":[],\"content\":\"\"}";
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL;
        World *w = *state;

        assert_int_equal(signer_sign(&w->provider, draft, &e, &reason), 0);
        assert_string_equal(event_pubkey_hex(e), w->own_hex);
}

static void texts_go_to_the_other_side_and_back(void **state) {
        static const char *const schemes[] = { "nip44", "nip04" };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++) {
                _cleanup_free_ char *payload = NULL, *again = NULL, *text = NULL;
                const char *reason = NULL, *scheme;

                assert_int_equal(signer_encrypt(&w->provider, w->other_hex, schemes[i], "hello",
                                                 &payload, &reason),
                                0);
                assert_int_equal(signer_encrypt(&w->provider, w->other_hex, schemes[i], "hello",
                                                 &again, &reason),
                                0);
                assert_string_not_equal(payload, again); /* a nonce is used once */
                assert_int_equal(signer_decrypt(&w->buyer, w->own_hex, payload, &scheme, &text,
                                                 &reason),
                                0);
                assert_string_equal(scheme, schemes[i]);
                assert_string_equal(text, "hello");
        }
}

static void bad_requests_to_encrypt_have_their_reasons(void **state) {
        _cleanup_free_ char *huge = malloc(70000);
        const char *reason = NULL;
        World *w = *state;
        Request relay = { PEER_RELAY, "provider", w->own };
        char *out;

        assert_non_null(huge);
        memset(huge, 'a', 69999);
        huge[69999] = 0;
        assert_int_equal(signer_encrypt(&w->provider, w->other_hex, "nip44", "", &out, &reason),
                        -EINVAL);
        assert_int_equal(signer_encrypt(&w->provider, w->other_hex, "nip44", huge, &out, &reason),
                        -E2BIG);
        assert_non_null(strstr(reason, "too long"));
        assert_int_equal(signer_encrypt(&w->provider, w->other_hex, "rot13", "a", &out, &reason),
                        -EINVAL);
        assert_non_null(strstr(reason, "scheme"));
        assert_int_equal(signer_encrypt(&w->provider, "npub1", "nip44", "a", &out, &reason),
                        -EINVAL);
        assert_int_equal(signer_encrypt(&relay, w->other_hex, "nip44", "a", &out, &reason), -EPERM);
}

static void what_cannot_be_decrypted_has_a_reason(void **state) {
        _cleanup_free_ char *payload = NULL;
        const char *reason = NULL, *scheme;
        World *w = *state;
        char *out;

        assert_int_equal(signer_decrypt(&w->buyer, w->own_hex, "gibberish", &scheme, &out, &reason),
                        -EBADMSG);
        assert_non_null(reason);
        assert_int_equal(signer_decrypt(&w->buyer, w->own_hex, "AAAA?iv=AAAA", &scheme, &out,
                                         &reason),
                        -EBADMSG);
        assert_int_equal(signer_encrypt(&w->provider, w->other_hex, "nip44", "hello", &payload,
                                         &reason),
                        0);
        /* from whom it says it is matters */
        assert_int_equal(signer_decrypt(&w->buyer, w->other_hex, payload, &scheme, &out, &reason),
                        -EBADMSG);
}

static const char message[] = "{\"kind\":14,\"created_at\":1700000000,\"tags\":[],"
                              "\"content\":\"hello \\u0000\"}";

static Rumor *unwrapped(const Request *q, const Event *wrap) {
        const char *reason = NULL;
        Rumor *r = NULL;

        if (signer_unwrap(q, event_json(wrap, NULL), &r, &reason) < 0)
                fail_msg("%s", reason);
        return r;
}

static void a_rumor_goes_wrapped_to_the_other_side_and_to_its_author(void **state) {
        _cleanup_(event_unrefp) Event *theirs = NULL, *own = NULL;
        _cleanup_(rumor_unrefp) Rumor *a = NULL, *b = NULL;
        const char *reason = NULL;
        World *w = *state;
        Rumor *none = NULL;
        size_t size;

        assert_int_equal(signer_wrap(&w->ada, w->other_hex, message, &theirs, &reason), 0);
        assert_int_equal(signer_wrap(&w->ada, "", message, &own, &reason), 0);
        a = unwrapped(&w->bob, theirs);
        b = unwrapped(&w->ada, own);
        assert_string_equal(rumor_id_hex(a), rumor_id_hex(b));
        assert_string_equal(rumor_pubkey_hex(a), w->own_hex);
        assert_string_equal(rumor_content(a, &size), "hello ");
        assert_int_equal(size, 7);
        assert_int_equal(signer_unwrap(&w->bob, event_json(own, NULL), &none, &reason), -EBADMSG);
        assert_non_null(reason);
}

static void a_wrap_says_neither_who_wrote_it_nor_when(void **state) {
        _cleanup_(event_unrefp) Event *a = NULL, *b = NULL, *checked = NULL;
        const char *reason = NULL;
        World *w = *state;

        assert_int_equal(signer_wrap(&w->ada, w->other_hex, message, &a, &reason), 0);
        assert_int_equal(signer_wrap(&w->ada, w->other_hex, message, &b, &reason), 0);
        assert_string_not_equal(event_pubkey_hex(a), event_pubkey_hex(b));
        assert_string_not_equal(event_pubkey_hex(a), w->own_hex);
        assert_null(strstr(event_json(a, NULL), w->own_hex));
        assert_int_equal(event_kind(a), NIP59_WRAP_KIND);
        assert_int_equal(event_n_tags(a), 1);
        assert_string_equal(event_tag_value(a, "p"), w->other_hex);
        assert_true(event_created_at(a) <= time(NULL));
        assert_true(event_created_at(a) > time(NULL) - NIP59_BACK_MAX - 60);
        assert_int_equal(event_parse(event_json(a, NULL), strlen(event_json(a, NULL)), &checked,
                                         &reason),
                        0);
}

static void bad_requests_to_wrap_have_their_reasons(void **state) {
        static const char note[] = "{\"kind\":1,\"created_at\":1,\"tags\":[],\"content\":\"\"}";
        _cleanup_free_ char *huge = malloc(60000);
        const char *reason = NULL;
        World *w = *state;
        Rumor *r = NULL;
        Event *e = NULL;
        int n;

        assert_non_null(huge);
        n = snprintf(huge, 60000, "{\"kind\":14,\"created_at\":1,\"tags\":[],\"content\":\"");
        memset(huge + n, 'a', 50000);
        (void) snprintf(huge + n + 50000, 60000 - 50000 - (size_t) n, "\"}");
        assert_int_equal(signer_wrap(&w->ada, w->other_hex, huge, &e, &reason), -E2BIG);
        assert_non_null(strstr(reason, "too long"));
        assert_int_equal(signer_wrap(&w->ada, w->other_hex, note, &e, &reason), -EPERM);
        assert_int_equal(signer_wrap(&w->buyer, w->other_hex, message, &e, &reason), -EPERM);
        assert_int_equal(signer_wrap(&w->provider, w->other_hex, message, &e, &reason), -EPERM);
        assert_int_equal(signer_wrap(&w->ada, "npub1", message, &e, &reason), -EINVAL);
        assert_int_equal(signer_wrap(&w->ada, w->other_hex, "{}", &e, &reason), -EBADMSG);
        assert_int_equal(signer_unwrap(&w->ada, "{}", &r, &reason), -EBADMSG);
        assert_int_equal(signer_unwrap(&(Request){ PEER_RELAY, "agent:ada", w->own }, "{}", &r,
                                         &reason),
                        -EPERM);
        assert_null(e);
        assert_null(r);
}

static void mnemonics_have_the_ordered_number_of_words(_unused_ void **state) {
        static const unsigned numbers[] = { 12, 15, 18, 21, 24 };
        const char *reason = NULL;
        Secret *none;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                _cleanup_(secret_freep) Secret *a = NULL, *b = NULL, *parsed = NULL;
                unsigned n = 1, word;

                assert_int_equal(signer_make_mnemonic(numbers[i], &a, &reason), 0);
                assert_int_equal(signer_make_mnemonic(numbers[i], &b, &reason), 0);
                assert_string_not_equal(secret_text(a), secret_text(b));
                assert_int_equal(mnemonic_parse(secret_text(a), secret_size(a), &parsed, &word,
                                                 &reason),
                                0);
                for (const char *p = secret_text(a); *p; p++)
                        n += *p == ' ';
                assert_int_equal(n, numbers[i]);
        }
        assert_int_equal(signer_make_mnemonic(13, &none, &reason), -EINVAL);
        assert_int_equal(signer_make_mnemonic(UINT32_MAX, &none, &reason), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_signed_draft_is_a_verified_event_of_this_key),
                TEST(a_kind_that_the_table_does_not_allow_is_refused),
                TEST(what_is_no_draft_is_refused_with_a_reason),
                TEST(an_id_in_the_draft_has_no_say),
                TEST(texts_go_to_the_other_side_and_back),
                TEST(bad_requests_to_encrypt_have_their_reasons),
                TEST(what_cannot_be_decrypted_has_a_reason),
                TEST(a_rumor_goes_wrapped_to_the_other_side_and_to_its_author),
                TEST(a_wrap_says_neither_who_wrote_it_nor_when),
                TEST(bad_requests_to_wrap_have_their_reasons),
                TEST(mnemonics_have_the_ordered_number_of_words),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
