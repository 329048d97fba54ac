/* nostr/event: NIP-01 with the vectors, its traps, and drafts. */
#include "tests/unit/unit.h"

#include "basic/json.h"
#include "nostr/event.h"

static Event *parse_ok(const char *json) {
        const char *reason = "no reason";
        Event *e = NULL;
        int r;

        r = event_parse(json, strlen(json), &e, &reason);
        if (r < 0)
                print_message("# %s: %s\n", reason, json);
        assert_int_equal(r, 0);
        return e;
}

static void assert_refused(const char *json, int error, const char *reason) {
        const char *reterr = NULL;
        Event *e = NULL;

        assert_int_equal(event_parse(json, strlen(json), &e, &reterr), error);
        assert_non_null(reterr);
        if (!streq(reterr, reason))
                print_message("# %s\n", json);
        assert_string_equal(reterr, reason);
        assert_null(e);
}

/* The text of a part of a vector file, as it stands there: json-c would write it anew. */
static const char *object_end(const char *p) {
        bool quoted = false;
        int depth = 0;

        for (; *p; p++)
                if (quoted) {
                        if (*p == '\\')
                                p++;
                        else if (*p == '"')
                                quoted = false;
                } else if (*p == '"')
                        quoted = true;
                else if (*p == '{')
                        depth++;
                else if (*p == '}' && --depth == 0)
                        return p + 1;
        return NULL;
}

/* Calls for each "event": {...} of a file; returns how many. */
static size_t each_event(const char *file, void (*check)(char *json)) {
        _cleanup_free_ char *text = vectors_read(file);
        size_t n = 0;

        for (char *p = text; (p = strstr(p, "\"event\": {"));) {
                char *end, cut;

                p += strlen("\"event\": ");
                end = (char *) (uintptr_t) object_end(p);
                assert_non_null(end);
                cut = TAKE(*end, 0);
                check(p);
                *end = cut;
                p = end;
                n++;
        }
        return n;
}

static void check_good(char *json) {
        _cleanup_(event_unrefp) Event *e = parse_ok(json), *again = NULL;
        const char *reason;
        size_t size;

        /* Its own text is the same event, and canonical. */
        assert_int_equal(event_parse(event_json(e, &size), strlen(event_json(e, NULL)), &again,
                                         &reason),
                        0);
        assert_string_equal(event_json(again, NULL), event_json(e, NULL));
        assert_int_equal(size, strlen(event_json(e, NULL)));
}

static void check_bad(char *json) {
        const char *reason = NULL;
        Event *e = NULL;

        assert_int_equal(event_parse(json, strlen(json), &e, &reason), -EBADMSG);
        assert_non_null(reason);
}

static void check_computed(char *json) {
        _cleanup_(event_unrefp) Event *e = parse_ok(json);

        assert_non_null(e);
}

static void signed_events_of_the_network_are_good(_unused_ void **state) {
        assert_int_equal(each_event("signed_events_misc.json", check_good), 85);
}

static void signed_job_events_of_the_network_are_good(_unused_ void **state) {
        assert_int_equal(each_event("dvm_events_signed.json", check_good), 125);
}

static void edited_events_are_refused(_unused_ void **state) {
        assert_int_equal(each_event("signed_events_invalid.json", check_bad), 27);
}

static void escapes_controls_and_limits_give_the_expected_ids(_unused_ void **state) {
        assert_int_equal(each_event("nip01_serialization_computed.json", check_computed), 9);
}

#define ID  "b2a44af84ca99b14820ae91c44e1ef0908f8aadc4e10620a6e6caa344507f03c"
#define KEY "6af0f9de588f2c53cedcba26c5e2402e0d0aa64ec7b47c9f8d97b5bc562bab5f"
#define SIG                                                                 \
        "70d65ee6101b4011054ee815e507c4e30d13bf4f517fcfc083039ba1b39fb5"    \
        "00000000000000000000000000000000000000000000000000000000000000000" \
        "0"
#define HEAD "{\"id\":\"" ID "\",\"pubkey\":\"" KEY "\",\"created_at\":1617932115,\"kind\":1,"
#define TAIL ",\"content\":\"Hello, world!\",\"sig\":\"" SIG "\"}"

static void forms_that_only_look_like_an_event_are_refused(_unused_ void **state) {
        const char *no_hex = "an id, key or signature is not lowercase hex of the right length";

        assert_refused("", -EBADMSG, "an object is missing");
        assert_refused("[]", -EBADMSG, "an object is missing");
        assert_refused("{}", -EBADMSG, "a field is missing");
        assert_refused("{\"id\":1}", -EBADMSG, "a text is missing");
        assert_refused("{\"id\":\"AA\"}", -EBADMSG, no_hex);
        assert_refused("{\"id\":\"B2A44AF84CA99B14820AE91C44E1EF0908F8AADC4E10620A6E6CAA344507F03C\"}",
                        -EBADMSG, no_hex);
        assert_refused("{\"id\":\"" ID "\",\"id\":\"" ID "\"}", -EBADMSG, "a field is in it twice");
        assert_refused("{\"id\":\"" ID "\",\"\\u0069d\":\"" ID "\"}", -EBADMSG,
                        "a field is in it twice");
        assert_refused("{\"kind\":1.0}", -EBADMSG, "a number is not whole");
        assert_refused("{\"kind\":1e3}", -EBADMSG, "a number is not whole");
        assert_refused("{\"kind\":65536}", -EBADMSG, "a number is too large");
        assert_refused("{\"kind\":007}", -EBADMSG, "it is not JSON: a number begins with 0");
        assert_refused("{\"kind\":\"1\"}", -EBADMSG, "a whole number is missing");
        assert_refused("{\"created_at\":-1}", -EBADMSG, "a whole number is missing");
        assert_refused("{\"created_at\":9007199254740992}", -EBADMSG, "a number is too large");
        assert_refused("{\"tags\":[[]]}", -EBADMSG, "a tag is empty");
        assert_refused("{\"tags\":[[\"e\",null]]}", -EBADMSG, "a text is missing");
        assert_refused("{\"tags\":[[\"e\",[\"x\"]]]}", -EBADMSG, "a text is missing");
        assert_refused("{\"tags\":[[\"e\",\"a\\u0000b\"]]}", -EBADMSG, "a NUL is in a tag");
        assert_refused("{\"content\":\"\\ud800\"}", -EBADMSG, "half a surrogate pair is in it");
        assert_refused("{\"content\":\"\\ud800\\u0041\"}", -EBADMSG,
                        "half a surrogate pair is in it");
        assert_refused("{\"content\":\"\\udc00\\ud800\"}", -EBADMSG,
                        "half a surrogate pair is in it");
        assert_refused("{\"content\":\"\xed\xa0\x80\"}", -EBADMSG, "it is not UTF-8");
        assert_refused("{\"content\":\"\xc0\xaf\"}", -EBADMSG, "it is not UTF-8");
        assert_refused("{\"content\":\"a\nb\"}", -EBADMSG,
                        "it is not JSON: a control character is in a string");
        assert_refused("{\"x\":[[[[[1]]]]]}", -EBADMSG, "it is nested too deeply");
        assert_refused("{\"x\":NaN}", -EBADMSG, "it is not JSON: a word is unknown");
        assert_refused(HEAD "\"tags\":[]" TAIL "x", -EBADMSG, "something follows its end");
        assert_refused(HEAD "\"tags\":[],}", -EBADMSG, "a text is missing");
        assert_refused(HEAD "\"tags\":[[\"t\",\"x\"]]" TAIL, -EBADMSG,
                        "the id does not fit the event");
        assert_refused(HEAD "\"tags\":[]" TAIL, -EBADMSG, "the signature is not good");
}

static void what_is_too_large_is_refused_unread(_unused_ void **state) {
        _cleanup_free_ char *json = malloc(EVENT_SIZE_MAX + 1);
        const char *reason = NULL;
        Event *e = NULL;

        assert_non_null(json);
        memset(json, '[', EVENT_SIZE_MAX + 1);
        assert_int_equal(event_parse(json, EVENT_SIZE_MAX + 1, &e, &reason), -E2BIG);
        assert_int_equal(event_parse(json, EVENT_SIZE_MAX, &e, &reason), -EBADMSG);
}

static void order_blanks_escapes_and_unknown_fields_do_not_matter(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *json = " { \"content\" : \"\\u0048ello, w\\u006frld!\" , \"x\":{\"y\":[1,-2.5e3,null]},"
                           "\"sig\":\"" SIG
                           "\",\"tags\":[ ],\"kind\":1 ,\n\"created_at\":1617932115,"
                           "\"pubkey\":\"" KEY "\",\"id\":\"" ID "\"} ",
                   *reason = NULL;

        assert_int_equal(event_parse_trusted(json, strlen(json), &e, &reason), 0);
        assert_string_equal(event_json(e, NULL), HEAD "\"tags\":[]" TAIL);
        assert_string_equal(event_content(e, NULL), "Hello, world!");
        assert_string_equal(event_id_hex(e), ID);
        assert_string_equal(event_pubkey_hex(e), KEY);
        assert_int_equal(event_kind(e), 1);
        assert_int_equal(event_created_at(e), 1617932115);
}

static const uint8_t secret[32] = { [31] = 7 }, zeros[32];

static Event *sign(Draft *d) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        Event *e = NULL;

        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void a_signed_draft_is_an_event_that_verifies(_unused_ void **state) {
        static const char content[] = "a\"b\\c\nd\x01\x1f\x7f/é\0z";
        _cleanup_(event_unrefp) Event *e = NULL, *verified = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *const strv[] = { "relays", "wss://a", "wss://b" };
        size_t size;

        assert_int_equal(draft_new(5050, 1700000000, &d), 0);
        assert_int_equal(draft_tag(d, "i", "say \"hi\"", "text", NULL), 0);
        assert_int_equal(draft_tag(d, "encrypted", NULL), 0);
        assert_int_equal(draft_tag_strv(d, strv, 3), 0);
        assert_int_equal(draft_content(d, content, sizeof(content) - 1), 0);
        e = sign(d);
        verified = parse_ok(event_json(e, NULL));

        assert_memory_equal(event_content(verified, &size), content, sizeof(content) - 1);
        assert_int_equal(size, sizeof(content) - 1);
        assert_int_equal(event_n_tags(verified), 3);
        assert_int_equal(event_tag(verified, 2)->n, 3);
        assert_string_equal(event_tag(verified, 2)->values[2], "wss://b");
        assert_int_equal(event_tag(verified, 1)->n, 1);
        assert_null(event_tag_value(verified, "encrypted"));
        assert_string_equal(event_tag_value(verified, "i"), "say \"hi\"");
        assert_null(event_tag(verified, 3));
}

static void a_drafts_json_reads_back_as_the_same_draft(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = NULL, *again = NULL, *inner = NULL;
        _cleanup_free_ char *json = NULL, *json_again = NULL;
        char pubkey[HEX32_MAX];
        const char *reason;

        assert_int_equal(draft_new(7000, 5, &d), 0);
        assert_int_equal(draft_tag(d, "status", "processing", NULL), 0);
        assert_true(draft_has_tag(d, "status"));
        assert_false(draft_has_tag(d, "stat"));
        assert_false(draft_has_tag(d, "processing"));
        assert_int_equal(draft_json(d, &json), 0);
        assert_string_equal(json,
                        "{\"kind\":7000,\"created_at\":5,\"tags\":[[\"status\",\"processing\"]],\"content\":\"\"}");
        assert_int_equal(draft_parse(json, strlen(json), &again, &reason), 0);
        assert_int_equal(draft_json(again, &json_again), 0);
        assert_string_equal(json, json_again);

        assert_int_equal(draft_parse("{\"kind\":1}", 10, &inner, &reason), -EBADMSG);
        assert_string_equal(reason, "a field is missing");
        assert_int_equal(draft_parse_unsigned(HEAD "\"tags\":[]" TAIL,
                                         strlen(HEAD "\"tags\":[]" TAIL), pubkey, &inner, &reason),
                        0);
        assert_string_equal(pubkey, KEY);
}

/* The very same pointer: compilers keep equal literals once. */
static void a_tag_may_hold_its_own_name(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        const char *name = "challenge";

        assert_int_equal(draft_new(22242, 1, &d), 0);
        assert_int_equal(draft_tag(d, name, name, name, NULL), 0);
        assert_int_equal(draft_json(d, &json), 0);
        assert_non_null(strstr(json, "[[\"challenge\",\"challenge\",\"challenge\"]]"));
}

static void a_draft_that_is_too_large_stays_as_it_was(_unused_ void **state) {
        _cleanup_free_ char *huge = malloc(EVENT_SIZE_MAX + 1), *json = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;

        memset(huge, 'x', EVENT_SIZE_MAX);
        huge[EVENT_SIZE_MAX] = 0;
        assert_int_equal(draft_new(1, 1, &d), 0);
        assert_int_equal(draft_tag(d, "t", "ok", NULL), 0);
        assert_int_equal(draft_tag(d, "t", huge, NULL), -ENOBUFS);
        assert_int_equal(draft_json(d, &json), 0);
        assert_string_equal(json,
                        "{\"kind\":1,\"created_at\":1,\"tags\":[[\"t\",\"ok\"]],\"content\":\"\"}");
}

static void kinds_have_their_class(_unused_ void **state) {
        static const struct {
                uint16_t kind;
                KindClass class;
        } rows[] = {
                { 0, KIND_REPLACEABLE },
                { 1, KIND_REGULAR },
                { 3, KIND_REPLACEABLE },
                { 4, KIND_REGULAR },
                { 45, KIND_REGULAR },
                { 9999, KIND_REGULAR },
                { 10000, KIND_REPLACEABLE },
                { 19999, KIND_REPLACEABLE },
                { 20000, KIND_EPHEMERAL },
                { 29999, KIND_EPHEMERAL },
                { 30000, KIND_ADDRESSABLE },
                { 39999, KIND_ADDRESSABLE },
                { 40000, KIND_REGULAR },
                { 65535, KIND_REGULAR },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(kind_class(rows[i].kind), rows[i].class);
}

static void an_event_expires_when_its_tag_says_so(_unused_ void **state) {
        static const struct {
                const char *value;
                int64_t time;
        } rows[] = {
                { "1700000000", 1700000000 },
                { "soon", INT64_MAX },
                { "-5", INT64_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(event_unrefp) Event *e = NULL;
                _cleanup_(draft_freep) Draft *d = NULL;

                assert_int_equal(draft_new(1, 1, &d), 0);
                assert_int_equal(draft_tag(d, "expiration", rows[i].value, NULL), 0);
                e = sign(d);
                assert_true(event_expiration(e) == rows[i].time);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_tag_may_hold_its_own_name),
                cmocka_unit_test(signed_events_of_the_network_are_good),
                cmocka_unit_test(signed_job_events_of_the_network_are_good),
                cmocka_unit_test(edited_events_are_refused),
                cmocka_unit_test(escapes_controls_and_limits_give_the_expected_ids),
                cmocka_unit_test(forms_that_only_look_like_an_event_are_refused),
                cmocka_unit_test(what_is_too_large_is_refused_unread),
                cmocka_unit_test(order_blanks_escapes_and_unknown_fields_do_not_matter),
                cmocka_unit_test(a_signed_draft_is_an_event_that_verifies),
                cmocka_unit_test(a_drafts_json_reads_back_as_the_same_draft),
                cmocka_unit_test(a_draft_that_is_too_large_stays_as_it_was),
                cmocka_unit_test(kinds_have_their_class),
                cmocka_unit_test(an_event_expires_when_its_tag_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
