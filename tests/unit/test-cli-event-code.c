/* cli/event-code: names of keys and events are made as NIP-19 says, and read back as they were. */
#include "tests/unit/unit.h"

#include "basic/text.h"
#include "event-code.h"
#include "nostr/nip19.h"

/* NIP-19's own examples */
#define PUBKEY "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
#define NPUB   "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
#define NPROFILE                                                                                   \
        "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mg" \
        "pz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p"

static void assert_code(const char *type, const char *value, const char *expected) {
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;

        assert_return_code(event_code(type, value, NULL, 0, &text, &reason), 0);
        assert_string_equal(text, expected);
}

static void assert_refused(const char *type, const char *value, size_t n_relays) {
        static const char *const relays[NIP19_RELAYS_MAX + 1] = { "wss://r.x.com" };
        const char *reason = NULL;
        char *text = NULL;

        assert_int_equal(event_code(type, value, relays, n_relays, &text, &reason), -EINVAL);
        assert_non_null(reason);
        assert_null(text);
}

static void a_key_is_given_in_hex_or_as_an_npub(_unused_ void **state) {
        assert_code("npub", PUBKEY, NPUB);
        assert_code("npub", NPUB, NPUB);
}

static void a_profile_names_its_relays_in_order(_unused_ void **state) {
        static const char *const relays[] = { "wss://r.x.com", "wss://djbas.sadkb.com" };
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;

        assert_return_code(event_code("nprofile", PUBKEY, relays, 2, &text, &reason), 0);
        assert_string_equal(text, NPROFILE);
}

static void an_address_is_that_of_an_a_tag(_unused_ void **state) {
        _cleanup_free_ char *text = NULL;
        _cleanup_nip19_ Nip19 n = { 0 };
        const char *reason = NULL;

        assert_return_code(event_code("naddr", "31990:" PUBKEY ":a:b", NULL, 0, &text, &reason), 0);
        assert_return_code(nip19_decode(text, &n, &reason), 0);
        assert_int_equal(n.type, NIP19_NADDR);
        assert_int_equal(n.kind, 31990);
        assert_string_equal(n.identifier, "a:b");
}

static void what_is_no_such_thing_is_refused_with_a_reason(_unused_ void **state) {
        assert_refused("nsec", PUBKEY, 0);
        assert_refused("npub", "abc", 0);
        assert_refused("npub", PUBKEY, 1);
        assert_refused("note", NPUB, 0);
        assert_refused("naddr", "31990:" PUBKEY, 0);
        assert_refused("naddr", "65536:" PUBKEY ":x", 0);
        assert_refused("nevent", PUBKEY, NIP19_RELAYS_MAX + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_is_given_in_hex_or_as_an_npub),
                cmocka_unit_test(a_profile_names_its_relays_in_order),
                cmocka_unit_test(an_address_is_that_of_an_a_tag),
                cmocka_unit_test(what_is_no_such_thing_is_refused_with_a_reason),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
