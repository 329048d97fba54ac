/* relay/ingest and relay/match: an event is verified once, and everybody gets it once. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "ingest.h"
#include "match.h"

static char *signed_event(uint16_t kind, int64_t created_at, const char *content) {
        static const uint8_t secret[32] = { [31] = 3 }, chance[32];
        Keypair *k;
        Draft *d;
        Event *e;
        char *json;

        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_new(kind, created_at, &d), 0);
        assert_int_equal(draft_content(d, content, strlen(content)), 0);
        assert_int_equal(draft_sign(d, k, chance, &e), 0);
        json = strdup(event_json(e, NULL));
        event_unref(e);
        draft_free(d);
        keypair_free(k);
        return json;
}

static void an_event_is_verified_once(_unused_ void **state) {
        _cleanup_free_ char *json = signed_event(1, 100, "hello");
        const char *reason = NULL;
        Ingest i;
        Seen *first, *again;

        assert_int_equal(ingest_init(&i, 8, 4), 0);
        assert_int_equal(ingest_event(&i, json, strlen(json), &first, &reason), 0);
        assert_non_null(first->event);
        assert_int_equal(first->created_at, 100);
        assert_int_equal(ingest_event(&i, json, strlen(json), &again, &reason), 1);
        assert_ptr_equal(first, again);
        ingest_done(&i);
}

static void a_bad_copy_that_comes_first_does_not_shut_the_good_one_out(_unused_ void **state) {
        _cleanup_free_ char *json = signed_event(1, 100, "hello"), *bad = strdup(json);
        const char *reason = NULL;
        Ingest i;
        Seen *seen;

        assert_int_equal(ingest_init(&i, 8, 4), 0);
        memcpy(strstr(bad, "hello"), "HELLO", 5);
        assert_int_equal(ingest_event(&i, bad, strlen(bad), &seen, &reason), -EBADMSG);
        assert_non_null(reason);
        assert_int_equal(ingest_event(&i, json, strlen(json), &seen, &reason), 0);
        /* What claims to be a known event is taken for that event, whatever else it says. */
        assert_int_equal(ingest_event(&i, bad, strlen(bad), &seen, &reason), 1);
        assert_string_equal(event_content(seen->event, NULL), "hello");
        ingest_done(&i);
}

static void the_oldest_ids_and_events_make_room(_unused_ void **state) {
        const char *reason = NULL;
        Seen *seen[6];
        Ingest i;

        assert_int_equal(ingest_init(&i, 4, 2), 0);
        for (int n = 0; n < 6; n++) {
                _cleanup_free_ char *json = signed_event(1, n, "x");

                assert_int_equal(ingest_event(&i, json, strlen(json), &seen[n], &reason), 0);
        }
        assert_int_equal(map_size(&i.ids), 4);
        assert_null(seen[2]->event);
        assert_null(seen[3]->event);
        assert_non_null(seen[4]->event);
        assert_non_null(seen[5]->event);
        ingest_done(&i);
}

static void large_events_make_room_sooner(_unused_ void **state) {
        _cleanup_free_ char *large = calloc(1, 100001);
        const char *reason = NULL;
        size_t kept = 0;
        Seen *seen[60];
        Ingest i;

        memset(large, 'x', 100000);
        assert_int_equal(ingest_init(&i, 100, 90), 0);
        for (int n = 0; n < 60; n++) {
                _cleanup_free_ char *json = signed_event(1, n, large);

                assert_int_equal(ingest_event(&i, json, strlen(json), &seen[n], &reason), 0);
                assert_non_null(seen[n]->event);
        }
        for (int n = 0; n < 60; n++)
                kept += seen[n]->event != NULL;
        assert_in_range(kept, 30, 42); /* four megabytes of them */
        ingest_done(&i);
}

static void an_event_that_was_let_go_is_verified_again(_unused_ void **state) {
        _cleanup_free_ char *json = signed_event(1, 1, "a"), *other = signed_event(1, 2, "b");
        const char *reason = NULL;
        uint8_t id[32];
        Event *e = NULL;
        Seen *seen;
        Ingest i;

        assert_int_equal(ingest_init(&i, 4, 2), 0);
        assert_true(ingest_peek(json, strlen(json), id));
        assert_int_equal(ingest_mark(&i, id, 1, 5), 0);
        assert_int_equal(ingest_event(&i, json, strlen(json), &seen, &reason), 1);
        assert_null(seen->event);
        assert_true(seen->slots == UINT64_C(1) << 5);
        assert_int_equal(ingest_again(seen, other, strlen(other), &e, &reason), -EBADMSG);
        assert_int_equal(ingest_again(seen, json, strlen(json), &e, &reason), 0);
        event_unref(e);
        ingest_clear_slot(&i, 5);
        assert_true(seen->slots == 0);
        ingest_done(&i);
}

static void the_claimed_id_is_found_and_nothing_else(_unused_ void **state) {
#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        static const char *const good[] = { "{\"id\":\"" ID "\"}",
                "{ \"kind\":1, \"id\" : \"" ID "\" }",
                "{\"tags\":[[\"id\",\"x\"]],\"id\":\"" ID "\"}",
                "{\"content\":\"\\\"id\\\":\\\"bb\\\"\",\"id\":\"" ID "\"}" };
        static const char *const bad[] = { "", "{}", "\"id\"", "{\"id\":\"aa\"}", "{\"id\":\"" ID,
                "{\"id\":1}", "{\"id\":\"A" ID "\"}", "{\"id\":\"Z" ID, "{\"id\":" };
        uint8_t id[32], want[32];

        memset(want, 0xaa, sizeof(want));
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_true(ingest_peek(good[i], strlen(good[i]), id));
                assert_memory_equal(id, want, 32);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(ingest_peek(bad[i], strlen(bad[i]), id));
}

static void an_interest_matches_where_one_filter_does(_unused_ void **state) {
        _cleanup_free_ char *json = signed_event(5970, 50, "x");
        static const char *const filters[] = { "{\"kinds\":[1]}",
                "{\"kinds\":[5970],\"since\":50}" };
        const char *reason = NULL;
        Interest i = {};
        Event *e;

        assert_int_equal(event_parse(json, strlen(json), &e, &reason), 0);
        assert_false(interest_matches(&i, e));
        assert_int_equal(interest_add(&i, filters[0], strlen(filters[0]), &reason), 0);
        assert_false(interest_matches(&i, e));
        assert_int_equal(interest_add(&i, filters[1], strlen(filters[1]), &reason), 0);
        assert_true(interest_matches(&i, e));
        assert_true(interest_names_kind(&i, 5970));
        assert_false(interest_names_kind(&i, 1059));
        assert_int_equal(interest_add(&i, "{\"x\":1}", 7, &reason), -EBADMSG);
        while (i.n < INTEREST_FILTERS_MAX)
                assert_int_equal(interest_add(&i, "{}", 2, &reason), 0);
        assert_int_equal(interest_add(&i, "{}", 2, &reason), -E2BIG);
        interest_done(&i);
        event_unref(e);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_event_is_verified_once),
                cmocka_unit_test(a_bad_copy_that_comes_first_does_not_shut_the_good_one_out),
                cmocka_unit_test(the_oldest_ids_and_events_make_room),
                cmocka_unit_test(large_events_make_room_sooner),
                cmocka_unit_test(an_event_that_was_let_go_is_verified_again),
                cmocka_unit_test(the_claimed_id_is_found_and_nothing_else),
                cmocka_unit_test(an_interest_matches_where_one_filter_does),
        };

        return cmocka_run_group_tests_name("relay/ingest", tests, NULL, NULL);
}
