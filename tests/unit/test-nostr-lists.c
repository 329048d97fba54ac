/* nostr/relay-list and nostr/nip02: lists that are replaced as a whole, read and written again. */
#include "tests/unit/unit.h"

#include "nostr/nip02.h"
#include "nostr/relay-list.h"

#define A   "a9ae2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a"
#define B_  "b9ae2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a"
#define NOW INT64_C(1700000000)

static Event *event_with(uint16_t kind, int64_t at, const char *tags, const char *content) {
        static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_buffer_ Buffer json = { .max = EVENT_SIZE_MAX };
        const char *reason = NULL;
        Event *e = NULL;

        assert_true(buffer_addf(&json,
                                    "{\"kind\":%u,\"created_at\":%lld,\"tags\":[%s],\"content\":"
                                    "\"%s\"}",
                                    kind, (long long) at, tags, content) >= 0);
        assert_int_equal(keypair_new(secret, &k), 0);
        if (draft_parse(json.data, json.size, &d, &reason) < 0)
                fail_msg("%s", reason);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void expect_list(const RelayList *l, const char *expected) {
        char text[1024] = "";

        for (size_t i = 0; i < l->n; i++) {
                size_t n = strlen(text);

                (void) snprintf(text + n, sizeof(text) - n, "%s%s%s ", l->items[i].url,
                                l->items[i].read ? " r" : "", l->items[i].write ? " w" : "");
        }
        assert_string_equal(text, expected);
}

static void a_relay_list_says_what_each_relay_is_for(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = event_with(NIP65_KIND, 1,
                        "[\"r\",\"wss://both.example/\"],[\"r\",\"wss://in.example\",\"read\"],"
                        "[\"r\",\"WSS://Out.example:443\",\"write\"],[\"r\",\"http://no.example\"],"
                        "[\"r\"],[\"r\",\"wss://odd.example\",\"sing\"],"
                        "[\"r\",\"wss://in.example/\",\"write\"],[\"x\",\"wss://x.example\"]",
                        "");
        _cleanup_relay_list_ RelayList l = { 0 };

        assert_int_equal(relay_list_read(e, &l), 0);
        expect_list(&l, "wss://both.example r w wss://in.example r w wss://out.example w "
                        "wss://odd.example ");
}

static void relays_for_private_messages_are_for_both(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *
                        e = event_with(NIP17_RELAYS_KIND, 1,
                                       "[\"relay\",\"wss://dm.example\"],[\"r\",\"wss://no.example\"],"
                                       "[\"relay\",\"nonsense\"]",
                                       ""),
                       *note = event_with(1, 1, "", "");
        _cleanup_relay_list_ RelayList l = { 0 };

        assert_int_equal(relay_list_read(e, &l), 0);
        expect_list(&l, "wss://dm.example r w ");
        assert_int_equal(relay_list_read(note, &l), -EBADMSG);
}

static void a_long_list_is_cut(_unused_ void **state) {
        _cleanup_buffer_ Buffer tags = { .max = 65536 };
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_relay_list_ RelayList l = { 0 };

        for (unsigned i = 0; i < 100; i++)
                assert_true(buffer_addf(&tags, "%s[\"r\",\"wss://r%u.example\"]", i > 0 ? "," : "",
                                            i) >= 0);
        e = event_with(NIP65_KIND, 1, tags.data, "");
        assert_int_equal(relay_list_read(e, &l), 0);
        assert_int_equal(l.n, RELAY_LIST_MAX);
        assert_int_equal(relay_list_add(&l, "wss://more.example", true, true), -ENOBUFS);
        assert_int_equal(relay_list_add(&l, "wss://r0.example", true, true), 0);
}

static void expect_draft(Draft *taken, const char *expected) {
        _cleanup_(draft_freep) Draft *d = taken;
        _cleanup_free_ char *json = NULL;

        assert_int_equal(draft_json(d, &json), 0);
        assert_string_equal(json, expected);
}

static void lists_are_written_as_they_are_read(_unused_ void **state) {
        _cleanup_relay_list_ RelayList l = { 0 };
        Draft *d = NULL;

        assert_int_equal(relay_list_add(&l, "wss://a.example", true, true), 0);
        assert_int_equal(relay_list_add(&l, "wss://b.example", true, false), 0);
        assert_int_equal(relay_list_add(&l, "wss://c.example", false, true), 0);
        assert_int_equal(relay_list_add(&l, "wss://d.example", false, false), 0);
        assert_int_equal(relay_list_add(&l, "b.example", true, false), -EINVAL);
        assert_int_equal(relay_list_draft(&l, NIP65_KIND, NOW, &d), 0);
        expect_draft(d, "{\"kind\":10002,\"created_at\":1700000000,\"tags\":[[\"r\",\"wss://a.example\"],"
                        "[\"r\",\"wss://b.example\",\"read\"],[\"r\",\"wss://c.example\",\"write\"]],"
                        "\"content\":\"\"}");
        l.n--;
        free(l.items[l.n].url);
        assert_int_equal(relay_list_draft(&l, NIP17_RELAYS_KIND, NOW, &d), 0);
        expect_draft(d, "{\"kind\":10050,\"created_at\":1700000000,\"tags\":["
                        "[\"relay\",\"wss://a.example\"],[\"relay\",\"wss://b.example\"],"
                        "[\"relay\",\"wss://c.example\"]],\"content\":\"\"}");
}

static void following_adds_at_the_end_and_keeps_everything_else(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *old = event_with(NIP02_KIND, NOW + 5,
                        "[\"p\",\"" A "\",\"wss://a.example\",\"ada\"],[\"t\",\"x\"]",
                        "{\\\"wss://old.example\\\":{}}");
        Follow f = { .old = old, .pubkey_hex = B_, .relay = "wss://b.example", .on = true };
        Draft *d = NULL;

        assert_int_equal(follow_list_draft(&f, NOW, &d), 0);
        expect_draft(d, "{\"kind\":3,\"created_at\":1700000006,\"tags\":[[\"p\",\"" A
                        "\",\"wss://a.example\",\"ada\"],[\"t\",\"x\"],[\"p\",\"" B_
                        "\",\"wss://b.example\"]],\"content\":\"{\\\"wss://old.example\\\":{}}\"}");
        f.pubkey_hex = A;
        assert_int_equal(follow_list_draft(&f, NOW, &d), 1);
        f.on = false;
        assert_int_equal(follow_list_draft(&f, NOW, &d), 0);
        expect_draft(d, "{\"kind\":3,\"created_at\":1700000006,\"tags\":[[\"t\",\"x\"]],"
                        "\"content\":\"{\\\"wss://old.example\\\":{}}\"}");
        f.pubkey_hex = B_;
        assert_int_equal(follow_list_draft(&f, NOW, &d), 1);
}

static void the_first_one_begins_a_list(_unused_ void **state) {
        Follow f = { .pubkey_hex = B_, .on = true };
        Draft *d = NULL;

        assert_int_equal(follow_list_draft(&f, NOW, &d), 0);
        expect_draft(d, "{\"kind\":3,\"created_at\":1700000000,\"tags\":[[\"p\",\"" B_
                        "\"]],\"content\":\"\"}");
        f.on = false;
        assert_int_equal(follow_list_draft(&f, NOW, &d), 1);
}

static void a_list_that_is_full_is_not_cut(_unused_ void **state) {
        _cleanup_buffer_ Buffer tags = { .max = EVENT_SIZE_MAX };
        _cleanup_(event_unrefp) Event *old = NULL;
        Draft *d = NULL;

        for (unsigned i = 0; i < EVENT_TAGS_MAX; i++)
                assert_true(buffer_addf(&tags, "%s[\"t\",\"%u\"]", i > 0 ? "," : "", i) >= 0);
        old = event_with(NIP02_KIND, NOW, tags.data, "");
        assert_int_equal(follow_list_draft(&(Follow){ .old = old, .pubkey_hex = A, .on = true },
                                         NOW, &d),
                        -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_relay_list_says_what_each_relay_is_for),
                cmocka_unit_test(relays_for_private_messages_are_for_both),
                cmocka_unit_test(a_long_list_is_cut),
                cmocka_unit_test(lists_are_written_as_they_are_read),
                cmocka_unit_test(following_adds_at_the_end_and_keeps_everything_else),
                cmocka_unit_test(the_first_one_begins_a_list),
                cmocka_unit_test(a_list_that_is_full_is_not_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
