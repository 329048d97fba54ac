/* nostr/filter: NIP-01's filters, read strictly, written back, and what they match. */
#include "tests/unit/unit.h"

#include "nostr/filter.h"

#define ID "247eefca62d0313421556905822cd11f96794d31c013b880fd3c1f387baa0cf4"

static Filter *parse_ok(const char *json) {
        const char *reason = "no reason";
        Filter *f = NULL;
        int r;

        r = filter_parse(json, strlen(json), &f, &reason);
        if (r < 0)
                print_message("# %s: %s\n", reason, json);
        assert_int_equal(r, 0);
        return f;
}

static Event *make_event(uint16_t kind, int64_t created_at) {
        static const uint8_t secret[32] = { [31] = 9 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        Event *e = NULL;

        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_new(kind, created_at, &d), 0);
        assert_int_equal(draft_tag(d, "e", ID, "wss://x", NULL), 0);
        assert_int_equal(draft_tag(d, "t", "b", NULL), 0);
        assert_int_equal(draft_tag(d, "t", "c", "d", NULL), 0);
        assert_int_equal(draft_tag(d, "encrypted", NULL), 0);
        assert_int_equal(draft_tag(d, "x", NULL), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void a_filter_is_written_as_it_was_read(_unused_ void **state) {
        static const char *const same[] = {
                "{}",
                "{\"ids\":[\"" ID "\"],\"kinds\":[0,5970,65535],\"#e\":[\"" ID
                "\"],\"#t\":[\"a\",\"b\\\"\"],\"since\":5,\"until\":7,\"limit\":0}",
                "{\"kinds\":[]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(same); i++) {
                _cleanup_(filter_freep) Filter *f = parse_ok(same[i]);
                _cleanup_buffer_ Buffer b = { .max = 4096 };

                assert_int_equal(filter_write(f, &b), 0);
                assert_string_equal(b.data, same[i]);
        }
}

static void lists_are_sorted_and_hold_nothing_twice(_unused_ void **state) {
        _cleanup_(filter_freep) Filter *f = parse_ok("{\"kinds\":[3,1,3,2,1]}");

        assert_int_equal(f->n_kinds, 3);
        assert_int_equal(f->kinds[0], 1);
        assert_int_equal(f->kinds[2], 3);
}

static void wrong_filters_are_refused_with_a_reason(_unused_ void **state) {
        static const struct {
                const char *json, *reason;
        } rows[] = {
                { "[]", "it is not an object" },
                { "{\"ids\":[\"247e\"]}", "an id or author in it is not 64 lowercase hex digits" },
                { "{\"authors\":[1]}", "an id or author in it is not 64 lowercase hex digits" },
                { "{\"kinds\":1}", "a list in it is not an array" },
                { "{\"kinds\":[-1]}", "a kind in it is not a number from 0 to 65535" },
                { "{\"kinds\":[65536]}", "a kind in it is not a number from 0 to 65535" },
                { "{\"since\":-1}", "a number in it is not whole or negative" },
                { "{\"limit\":1.5}", "a number in it is not whole or negative" },
                { "{\"#tt\":[\"a\"]}", "a tag in it is not one letter" },
                { "{\"#\":[\"a\"]}", "a tag in it is not one letter" },
                { "{\"#1\":[\"a\"]}", "a tag in it is not one letter" },
                { "{\"#e\":[\"a\"]}", "a tag value in it is not as NIP-01 has it" },
                { "{\"search\":\"x\"}", "a key in it is unknown" },
                { "{\"kinds\":[[1]]}", "it is nested too deeply" },
                { "{\"kinds\":[1],\"kinds\":[2]}", "a name is in it twice" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = "";
                Filter *f = NULL;

                assert_int_equal(filter_parse(rows[i].json, strlen(rows[i].json), &f, &reason),
                                -EBADMSG);
                assert_string_equal(reason, rows[i].reason);
        }
}

static void a_filter_matches_what_it_says(_unused_ void **state) {
        static const struct {
                const char *json;
                bool matches;
        } rows[] = {
                { "{}", true },
                { "{\"kinds\":[1,5970]}", true },
                { "{\"kinds\":[1]}", false },
                { "{\"kinds\":[]}", false },
                { "{\"since\":1000}", true },
                { "{\"since\":1001}", false },
                { "{\"until\":1000}", true },
                { "{\"until\":999}", false },
                { "{\"limit\":0}", true },
                { "{\"#t\":[\"a\",\"c\"]}", true },
                { "{\"#t\":[\"d\"]}", false },
                { "{\"#T\":[\"b\"]}", false },
                { "{\"#e\":[\"" ID "\"],\"#t\":[\"b\"]}", true },
                { "{\"#e\":[\"" ID "\"],\"#t\":[\"x\"]}", false },
                { "{\"#x\":[\"\"]}", false },
                { "{\"ids\":[\"" ID "\"]}", false },
                { "{\"authors\":[\"" ID "\"]}", false },
        };
        _cleanup_(event_unrefp) Event *e = make_event(5970, 1000);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(filter_freep) Filter *f = parse_ok(rows[i].json);

                if (filter_matches(f, e) != rows[i].matches)
                        print_message("# %s\n", rows[i].json);
                assert_int_equal(filter_matches(f, e), rows[i].matches);
        }
}

static void ids_and_authors_match(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = make_event(1, 1);
        _cleanup_(filter_freep) Filter *f = NULL;
        _cleanup_buffer_ Buffer b = { .max = 1024 };

        assert_int_equal(buffer_addf(&b, "{\"ids\":[\"" ID "\",\"%s\"],\"authors\":[\"%s\"]}",
                                         event_id_hex(e), event_pubkey_hex(e)),
                        0);
        f = parse_ok(b.data);
        assert_true(filter_matches(f, e));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_filter_is_written_as_it_was_read),
                cmocka_unit_test(lists_are_sorted_and_hold_nothing_twice),
                cmocka_unit_test(wrong_filters_are_refused_with_a_reason),
                cmocka_unit_test(a_filter_matches_what_it_says),
                cmocka_unit_test(ids_and_authors_match),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
