/* nostr/nip13: how much work an id proves, and a miner whose result holds. */
#include "tests/unit/vectors.h"

#include "basic/crypt.h"
#include "nostr/nip13.h"

static const char author[] = "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243";

static void difficulties_are_as_given(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip13_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "difficulty")) {
                uint8_t id[VECTOR_BYTES_MAX];

                row_bytes(row, "id", id);
                assert_int_equal(nip13_difficulty(id), row_int(row, "bits"));
        }
        assert_int_equal(nip13_difficulty((uint8_t[32]){ 0 }), 256);
        assert_int_equal(nip13_difficulty((uint8_t[32]){ [31] = 1 }), 255);
}

static void luck_does_not_count_as_work(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip13_vectors.json");
        struct json_object *mined = row_get(all, "mined_event");
        const char *json = json_object_to_json_string_ext(mined, JSON_C_TO_STRING_PLAIN), *reason;
        _cleanup_(event_unrefp) Event *e = NULL;

        assert_int_equal(event_parse(json, strlen(json), &e, &reason), 0);
        assert_true(nip13_event_has_work(e, 0));
        assert_true(nip13_event_has_work(e, 20));
        assert_int_equal(nip13_difficulty(event_id(e)), 21); /* but 20 were aimed at */
        assert_false(nip13_event_has_work(e, 21));
}

static Draft *some_draft(const char *content) {
        Draft *d = NULL;

        assert_int_equal(draft_new(1, 1700000000, &d), 0);
        assert_int_equal(draft_tag(d, "t", "say \"nonce\"", NULL), 0);
        assert_int_equal(draft_content(d, content, strlen(content)), 0);
        return d;
}

/* The mined event is the one that was ordered, its id is right, and it has the work. */
static void check_mined(const char *json, const char *content, unsigned bits) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_json_object_ struct json_object *j = json_tokener_parse(json);
        uint8_t pubkey[VECTOR_BYTES_MAX], id[32], said[VECTOR_BYTES_MAX];
        struct json_object *tags;
        const char *reason;

        assert_non_null(j);
        assert_int_equal(draft_parse(json, strlen(json), &d, &reason), 0);
        hex_bytes(author, pubkey);
        assert_int_equal(draft_id(d, pubkey, id), 0);
        assert_int_equal(row_bytes(j, "id", said), 32);
        assert_memory_equal(said, id, 32);
        assert_true(nip13_difficulty(id) >= bits);

        assert_string_equal(row_string(j, "pubkey"), author);
        assert_string_equal(row_string(j, "content"), content);
        assert_int_equal(row_int(j, "kind"), 1);
        assert_int_equal(row_int(j, "created_at"), 1700000000);
        tags = row_get(j, "tags");
        assert_int_equal(json_object_array_length(tags), 2);
        tags = json_object_array_get_idx(tags, 1);
        assert_string_equal(json_object_get_string(json_object_array_get_idx(tags, 0)), "nonce");
        assert_int_equal(json_object_get_int(json_object_array_get_idx(tags, 2)), bits);
}

static void a_mined_event_has_the_work_and_is_otherwise_as_ordered(_unused_ void **state) {
        static const char *const contents[] = { "", "short",
                "with [\"nonce\",\"1\"]], inside, and enough text that what follows the nonce fills more "
                "than one block of the hash, whichever way it is cut" };

        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                _cleanup_(draft_freep) Draft *d = some_draft(contents[i]);
                _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;
                _cleanup_free_ char *json = NULL;
                int r;

                assert_int_equal(nip13_miner_new(d, author, 12, 0, &m), 0);
                do
                        r = nip13_miner_step(m, 1000);
                while (r == 0);
                assert_int_equal(r, 1);
                assert_int_equal(nip13_miner_event(m, &json), 0);
                check_mined(json, contents[i], 12);
        }
}

static void a_miner_stops_after_its_bite_and_goes_on(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = some_draft("bite");
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;

        assert_int_equal(nip13_miner_new(d, author, 200, 995, &m), 0);
        assert_int_equal(nip13_miner_step(m, 100), 0);
        assert_int_equal(nip13_miner_step(m, 0), 0);
        assert_int_equal(nip13_miner_step(m, 100), 0);
}

static void the_numbers_come_to_an_end(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = some_draft("end"), *other = some_draft("end");
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL, *none = NULL;

        assert_int_equal(nip13_miner_new(d, author, 200, UINT64_C(9999999999999998), &m), 0);
        assert_int_equal(nip13_miner_step(m, 100), -ERANGE);
        assert_int_equal(nip13_miner_new(other, author, 200, UINT64_MAX, &none), -EINVAL);
        assert_int_equal(nip13_miner_new(other, author, 257, 0, &none), -EINVAL);
}

static void an_event_with_a_nonce_is_not_mined_again(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = some_draft("twice");
        Nip13Miner *m;

        assert_int_equal(draft_tag(d, "nonce", "1", "20", NULL), 0);
        assert_int_equal(nip13_miner_new(d, author, 8, 0, &m), -EEXIST);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(difficulties_are_as_given),
                cmocka_unit_test(luck_does_not_count_as_work),
                cmocka_unit_test(a_mined_event_has_the_work_and_is_otherwise_as_ordered),
                cmocka_unit_test(a_miner_stops_after_its_bite_and_goes_on),
                cmocka_unit_test(the_numbers_come_to_an_end),
                cmocka_unit_test(an_event_with_a_nonce_is_not_mined_again),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
