/* nostr/nip10: whose answer an event is, in both ways in which it is said, and our own answers. */
#include "tests/unit/unit.h"

#include "nostr/nip10.h"

#define A    "a9ae2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a"
#define B_   "b9ae2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a"
#define C    "c9ae2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a9c8e2f2a"
#define KEY  "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
#define HINT "wss://relay.example/"
#define NOW  INT64_C(1700000000)

/* An event of key 3 (KEY) with these tags. */
static Event *event_with(uint16_t kind, const char *tags) {
        static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        char json[8192];
        const char *reason = NULL;
        Event *e = NULL;

        (void) snprintf(json, sizeof(json),
                        "{\"kind\":%u,\"created_at\":1,\"tags\":[%s],\"content\":\"\"}", kind,
                        tags);
        assert_int_equal(keypair_new(secret, &k), 0);
        if (draft_parse(json, strlen(json), &d, &reason) < 0)
                fail_msg("%s: %s", reason, json);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static void expect_thread(const char *tags, const char *root, const char *parent) {
        _cleanup_(event_unrefp) Event *e = event_with(1, tags);
        Thread t = { 0 };

        assert_int_equal(thread_read(e, &t), parent != NULL);
        if (!parent)
                return;
        assert_string_equal(t.root, root);
        assert_string_equal(t.parent, parent);
}

static void marked_tags_say_root_and_parent(_unused_ void **state) {
        expect_thread("[\"e\",\"" A "\",\"\",\"root\"]", A, A);
        expect_thread("[\"e\",\"" B_ "\",\"\",\"reply\"],[\"e\",\"" A "\",\"\",\"root\"]", A, B_);
        expect_thread("[\"e\",\"" B_ "\",\"\",\"reply\"]", B_, B_);
        expect_thread("[\"e\",\"" A "\",\"\",\"root\"],[\"e\",\"" C
                      "\",\"\",\"mention\"],[\"e\",\"" B_ "\",\"\",\"reply\"]",
                        A, B_);
        expect_thread("[\"e\",\"" A "\",\"\",\"root\"],[\"e\",\"" C "\"]", A, A);
}

static void positions_say_it_where_nothing_is_marked(_unused_ void **state) {
        expect_thread("[\"e\",\"" A "\"]", A, A);
        expect_thread("[\"e\",\"" A "\"],[\"e\",\"" B_ "\"]", A, B_);
        expect_thread("[\"e\",\"" A "\"],[\"e\",\"" C "\"],[\"e\",\"" B_ "\",\"" HINT "\"]", A, B_);
}

static void what_is_no_answer_is_none(_unused_ void **state) {
        expect_thread("", NULL, NULL);
        expect_thread("[\"e\"],[\"e\",\"\"],[\"e\",\"abc\"],[\"p\",\"" A "\"]", NULL, NULL);
        expect_thread("[\"e\",\"" A "\",\"\",\"mention\"],[\"q\",\"" A "\"]", NULL, NULL);
}

/* The tags of our answer, as JSON. */
static void expect_reply(const Event *to, const char *author, uint16_t kind, const char *tags) {
        const Answer a = { .to = to, .relay = HINT, .author = author, .text = "yes" };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        char expected[8192];

        assert_int_equal(reply_draft(&a, NOW, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        (void) snprintf(expected, sizeof(expected),
                        "{\"kind\":%u,\"created_at\":1700000000,\"tags\":[%s],\"content\":\"yes\"}",
                        kind, tags);
        assert_string_equal(json, expected);
}

static void the_first_answer_names_the_root_and_its_author(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = event_with(1, "[\"p\",\"" A "\"]");
        char expected[1024];

        (void) snprintf(expected, sizeof(expected),
                        "[\"e\",\"%s\",\"" HINT "\",\"root\",\"" KEY "\"],[\"p\",\"" KEY
                        "\"],[\"p\",\"" A "\"]",
                        event_id_hex(e));
        expect_reply(e, B_, 1, expected);
}

static void an_answer_to_an_answer_keeps_the_root(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = event_with(1,
                        "[\"e\",\"" A "\",\"wss://root.example\",\"root\",\"" C "\"],[\"e\",\"" B_
                        "\",\"javascript:alert\",\"reply\"],[\"p\",\"" C "\"],[\"p\",\"" KEY
                        "\"],[\"p\",\"" B_ "\"],[\"p\",\"nobody\"],[\"p\",\"" C "\"]");
        char expected[1024];

        (void) snprintf(expected, sizeof(expected),
                        "[\"e\",\"" A "\",\"wss://root.example\",\"root\",\"" C
                        "\"],[\"e\",\"%s\",\"" HINT "\",\"reply\",\"" KEY "\"],[\"p\",\"" KEY
                        "\"],[\"p\",\"" C "\"]",
                        event_id_hex(e));
        expect_reply(e, B_, 1, expected);
}

static void hints_that_are_no_relays_are_not_handed_on(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e =
                        event_with(1, "[\"e\",\"" A "\",\"javascript:x\",\"root\",\"me\"]");
        char expected[1024];

        (void) snprintf(expected, sizeof(expected),
                        "[\"e\",\"" A "\",\"\",\"root\"],[\"e\",\"%s\",\"" HINT
                        "\",\"reply\",\"" KEY "\"],[\"p\",\"" KEY "\"]",
                        event_id_hex(e));
        expect_reply(e, B_, 1, expected);
}

static void a_crowd_is_not_told(_unused_ void **state) {
        _cleanup_buffer_ Buffer tags = { .max = 65536 };
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        size_t n = 0;

        for (unsigned i = 0; i < 70; i++)
                assert_true(buffer_addf(&tags, "%s[\"p\",\"%064x\"]", i > 0 ? "," : "", i + 1) >=
                                0);
        e = event_with(1, tags.data);
        assert_int_equal(reply_draft(&(Answer){ .to = e, .text = "" }, NOW, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        for (const char *p = json; (p = strstr(p, "[\"p\"")); p++)
                n++;
        assert_int_equal(n, NIP10_PEOPLE_MAX);
}

static void what_is_no_note_is_commented_on(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *photo = event_with(20, ""), *post = NULL, *comment = NULL;
        char expected[2048];

        (void) snprintf(expected, sizeof(expected),
                        "[\"E\",\"%s\",\"" HINT "\",\"" KEY "\"],[\"K\",\"20\"],[\"P\",\"" KEY
                        "\"],[\"e\",\"%s\",\"" HINT "\",\"" KEY "\"],[\"k\",\"20\"],[\"p\",\"" KEY
                        "\"]",
                        event_id_hex(photo), event_id_hex(photo));
        expect_reply(photo, NULL, 1111, expected);

        post = event_with(30023, "[\"d\",\"on tea\"]");
        (void) snprintf(expected, sizeof(expected),
                        "[\"A\",\"30023:" KEY ":on tea\",\"" HINT
                        "\"],[\"K\",\"30023\"],[\"P\",\"" KEY "\"],[\"a\",\"30023:" KEY
                        ":on tea\",\"" HINT "\"],[\"e\",\"%s\",\"" HINT "\",\"" KEY
                        "\"],[\"k\",\"30023\"],[\"p\",\"" KEY "\"]",
                        event_id_hex(post));
        expect_reply(post, NULL, 1111, expected);

        comment = event_with(1111, "[\"A\",\"30023:" A ":x\",\"\"],[\"K\",\"30023\"],[\"P\",\"" A
                                   "\"],[\"a\",\"30023:" A ":x\"],[\"k\",\"30023\"]");
        (void) snprintf(expected, sizeof(expected),
                        "[\"A\",\"30023:" A ":x\",\"\"],[\"K\",\"30023\"],[\"P\",\"" A
                        "\"],[\"e\",\"%s\",\"" HINT "\",\"" KEY "\"],[\"k\",\"1111\"],[\"p\",\"" KEY
                        "\"]",
                        event_id_hex(comment));
        expect_reply(comment, NULL, 1111, expected);
}

static void a_reaction_names_the_event_its_author_and_its_kind(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = event_with(1, "[\"p\",\"" A "\"]");
        Answer a = { .to = e, .text = "\xf0\x9f\xa6\x99" };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        char expected[1024], huge[200];

        assert_int_equal(reaction_draft(&a, NOW, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        (void) snprintf(expected, sizeof(expected),
                        "{\"kind\":7,\"created_at\":1700000000,\"tags\":[[\"e\",\"%s\",\"\",\"" KEY
                        "\"],[\"p\",\"" KEY "\"],[\"k\",\"1\"]],\"content\":\"\xf0\x9f\xa6\x99\"}",
                        event_id_hex(e));
        assert_string_equal(json, expected);

        memset(huge, 'x', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = 0;
        a.text = huge;
        assert_int_equal(reaction_draft(&a, NOW, &d), -EINVAL);
        a.text = "";
        assert_int_equal(reaction_draft(&a, NOW, &d), -EINVAL);
        a.text = "\xff";
        assert_int_equal(reaction_draft(&a, NOW, &d), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(marked_tags_say_root_and_parent),
                cmocka_unit_test(positions_say_it_where_nothing_is_marked),
                cmocka_unit_test(what_is_no_answer_is_none),
                cmocka_unit_test(the_first_answer_names_the_root_and_its_author),
                cmocka_unit_test(an_answer_to_an_answer_keeps_the_root),
                cmocka_unit_test(hints_that_are_no_relays_are_not_handed_on),
                cmocka_unit_test(a_crowd_is_not_told),
                cmocka_unit_test(what_is_no_note_is_commented_on),
                cmocka_unit_test(a_reaction_names_the_event_its_author_and_its_kind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
