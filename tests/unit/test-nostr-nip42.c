/* nostr/nip42: who we are to a relay, and who others are to ours. */
#include "tests/unit/unit.h"

#include "basic/json.h"
#include "nostr/nip42.h"

#define RELAY "wss://relay.example.com/"

static Event *fixture_event(void) {
        _cleanup_free_ char *text = vectors_read("fixtures_computed.json");
        _cleanup_(json_unrefp) Json *all = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *reason = "", *secret;
        static const uint8_t zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        uint8_t key[32];
        Event *e = NULL;

        assert_int_equal(json_parse(text, strlen(text), 32, 100000, &all, &reason), 0);
        assert_int_equal(json_string(json_get(json_get(json_get(all, "keys"), "pylon-customer"),
                                                     "secret"),
                                         &secret),
                        0);
        assert_int_equal(hex_decode(secret, key, sizeof(key)), 0);
        assert_int_equal(keypair_new(key, &k), 0);
        assert_int_equal(nip42_draft(RELAY, "6b1c0f5e", 1760000000, &d), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void our_answer_is_the_fixture_bit_for_bit(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = fixture_event();

        assert_string_equal(event_id_hex(e),
                        "ea8ecbb4ed4f0f2776dc678a59db81a9efbe449c0d21c637c3ea9261253c943a");
}

static void an_answer_is_checked(_unused_ void **state) {
        static const struct {
                const char *relay, *challenge;
                int64_t now;
                const char *reason;
        } rows[] = {
                { RELAY, "6b1c0f5e", 1760000000, NULL },
                { "ws://RELAY.example.com", "6b1c0f5e", 1760000599, NULL },
                { RELAY, "6b1c0f5", 1760000000, "it answers another challenge" },
                { "wss://relay.example.com:444/", "6b1c0f5e", 1760000000,
                                "it is meant for another relay" },
                { "wss://relay.example.org/", "6b1c0f5e", 1760000000,
                                "it is meant for another relay" },
                { RELAY, "6b1c0f5e", 1760000601, "its time is not now" },
                { RELAY, "6b1c0f5e", 1759999399, "its time is not now" },
        };
        _cleanup_(event_unrefp) Event *e = fixture_event();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = NULL;
                int r;

                r = nip42_check(e, rows[i].relay, rows[i].challenge, rows[i].now, &reason);
                assert_int_equal(r, rows[i].reason ? -EBADMSG : 0);
                if (rows[i].reason)
                        assert_string_equal(reason, rows[i].reason);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(our_answer_is_the_fixture_bit_for_bit),
                cmocka_unit_test(an_answer_is_checked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
