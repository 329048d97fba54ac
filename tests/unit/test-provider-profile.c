/* provider/profile and trust: what others wrote in the profile stays, and who is followed. */
#include "tests/unit/unit.h"

#include "basic/crypt.h"
#include "outreach.h"
#include "trust.h"

static Event *event(uint16_t kind, int64_t at, const char *content, const char *tags) {
        static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_buffer_ Buffer b = { .max = 65536 };
        const char *reason;
        Event *e = NULL;

        assert_int_equal(
                        buffer_addf(&b, "{\"kind\":%u,\"created_at\":%lld,\"tags\":[%s],\"content\":\"%s\"}",
                                        kind, (long long) at, tags, content),
                        0);
        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_parse(b.data, b.size, &d, &reason), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void assert_draft(Draft *d, const char *expected) {
        _cleanup_free_ char *json = NULL;

        assert_int_equal(draft_json(d, &json), 0);
        assert_string_equal(json, expected);
}

static void without_a_profile_there_is_one_afterwards(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = NULL;

        assert_int_equal(profile_merge(NULL, "Pylon", "", 1000, &d), 1);
        assert_draft(d, "{\"kind\":0,\"created_at\":1000,\"tags\":[],\"content\":\"{\\\"name\\\":\\\"Pylon\\\"}\"}");
}

static void what_others_wrote_stays(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *old = event(0, 5000,
                        "{\\\"name\\\":\\\"Old\\\",\\\"picture\\\":\\\"https://x/y.png\\\",\\\"n\\\":[1,{\\\"a\\\":null}],\\\"about\\\":\\\"me\\\"}",
                        "[\"i\",\"github:x\",\"y\"]");
        _cleanup_(draft_freep) Draft *d = NULL;

        assert_int_equal(profile_merge(old, "New", "", 1000, &d), 1);
        assert_draft(d, "{\"kind\":0,\"created_at\":5001,\"tags\":[[\"i\",\"github:x\",\"y\"]],"
                        "\"content\":\"{\\\"name\\\":\\\"New\\\",\\\"picture\\\":\\\"https://x/y.png\\\","
                        "\\\"n\\\":[1,{\\\"a\\\":null}],\\\"about\\\":\\\"me\\\"}\"}");
}

static void what_is_there_already_is_not_published(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *old = event(0, 5000,
                        "{\\\"lud16\\\":\\\"a@b\\\",\\\"about\\\":\\\"me\\\",\\\"name\\\":\\\"Pylon\\\"}",
                        "");
        _cleanup_(draft_freep) Draft *d = NULL;

        assert_int_equal(profile_merge(old, "Pylon", "", 1000, &d), 0);
        assert_int_equal(profile_merge(old, "Pylon", "me", 1000, &d), 0);
        assert_null(d);
        assert_int_equal(profile_merge(old, "Pylon", "another", 1000, &d), 1);
}

static void a_profile_that_is_no_json_is_replaced(_unused_ void **state) {
        static const char *const contents[] = { "", "no json", "[1]", "{\\\"name\\\":7}" };

        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                _cleanup_(event_unrefp) Event *old = event(0, 5000, contents[i], "");
                _cleanup_(draft_freep) Draft *d = NULL;

                assert_int_equal(profile_merge(old, "Pylon", "", 1000, &d), 1);
                assert_draft(d, "{\"kind\":0,\"created_at\":5001,\"tags\":[],\"content\":\"{\\\"name\\\":\\\"Pylon\\\"}\"}");
        }
}

static void relays_are_added_and_none_is_taken_away(_unused_ void **state) {
        static char a[] = "wss://a.example.com", b[] = "wss://b.example.com",
                    local[] = "ws://127.0.0.1:7447", *relays[] = { a, local, b, NULL },
                    *only_a[] = { a, NULL };
        _cleanup_(event_unrefp) Event *old = event(10002, 50, "",
                        "[\"r\",\"wss://a.example.com\",\"read\"],[\"r\",\"wss://c.example.com\"]");
        _cleanup_(draft_freep) Draft *d = NULL;

        assert_int_equal(relay_list_merge(old, only_a, 1000, &d), 0);
        assert_int_equal(relay_list_merge(old, relays, 1000, &d), 1);
        assert_draft(d, "{\"kind\":10002,\"created_at\":1000,\"tags\":[[\"r\",\"wss://a.example.com\",\"read\"],"
                        "[\"r\",\"wss://c.example.com\"],[\"r\",\"wss://b.example.com\"]],\"content\":\"\"}");
        d = draft_free(d);
        assert_int_equal(relay_list_merge(NULL, relays + 1, 1000, &d), 1);
        assert_draft(d, "{\"kind\":10002,\"created_at\":1000,\"tags\":[[\"r\",\"wss://b.example.com\"]],\"content\":\"\"}");
}

static void follows_are_the_p_tags_that_are_keys(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = event(3, 50, "",
                        "[\"p\",\"9e173308f7af56211a0330c0d9e40d89a61d54dfdc9d37ccf6770c64a221ceb9\",\"wss://x\"],"
                        "[\"p\"],[\"p\",\"short\"],[\"e\",\"247eefca62d0313421556905822cd11f96794d31c013b880fd3c1f387baa0cf4\"]");
        KeySet s = {};

        assert_int_equal(trust_add_follows(&s, e), 0);
        assert_int_equal(s.n, 1);
        keyset_done(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_profile_there_is_one_afterwards),
                cmocka_unit_test(what_others_wrote_stays),
                cmocka_unit_test(what_is_there_already_is_not_published),
                cmocka_unit_test(a_profile_that_is_no_json_is_replaced),
                cmocka_unit_test(relays_are_added_and_none_is_taken_away),
                cmocka_unit_test(follows_are_the_p_tags_that_are_keys),
        };

        return crypt_setup() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
