/* agent/rules: the mind of who has no model. */
#include "tests/unit/mind-context.h"

#include "mind/reply.h"
#include "rules.h"

#define BOB_HEX "00000000000000000000000000000000000000000000000000000000000000cc"
#define SEEN(id, what, author, text)                                                          \
        "{\"id\":\"" id "\",\"what\":\"" what "\",\"author\":\"" author "\",\"text\":\"" text \
        "\",\"msat\":21500}"
#define WORDS \
        "[automatic] Thank you for writing. I keep no conversation, but your words have arrived."
#define DM_ALICE "{\"type\":\"dm\",\"to\":\"" ALICE_HEX "\",\"text\":\"" WORDS "\"}"

/* As the host gets it. */
static void expect(const char *observations, const char *allowed, const char *actions) {
        _cleanup_buffer_ Buffer answer = { .max = 1 << 20 }, done = { .max = REPLY_SIZE_MAX };
        World w = { .type = "exec", .observations = observations, .allowed = allowed };
        _cleanup_free_ char *json = NULL, *wanted = NULL;
        _cleanup_(context_freep) Context *c = world_context(&w, &json);
        _cleanup_reply_ Reply reply = { 0 };

        assert_int_equal(rules_answer(c, &answer), 0);
        assert_int_equal(reply_read(answer.data, answer.size, c, &reply), 0);
        assert_int_equal(reply_write(&reply, &done), 0);
        assert_true(asprintf(&wanted, "{\"actions\":[%s],\"refused\":[]}", actions) > 0);
        assert_string_equal(done.data, wanted);
}

static void who_speaks_to_it_is_answered_once(_unused_ void **state) {
        expect("", NULL, "");
        expect(SEEN(EVENT_HEX, "dm", ALICE_HEX, "hi") "," SEEN(
                               EVENT_HEX, "dm", ALICE_HEX, "hello?"),
                        NULL, DM_ALICE);
        expect(SEEN(EVENT_HEX, "mention", ALICE_HEX, "hi"), NULL,
                        "{\"type\":\"reply\",\"to\":\"" EVENT_HEX "\",\"text\":\"" WORDS "\"}");
        expect(SEEN(EVENT_HEX, "reply", ALICE_HEX, "hi") "," SEEN(EVENT_HEX, "job", "", "hi"), NULL,
                        "");
}

static void a_zap_is_thanked_for(_unused_ void **state) {
        expect(SEEN(EVENT_HEX, "zap", ALICE_HEX, "tea"), NULL,
                        "{\"type\":\"dm\",\"to\":\"" ALICE_HEX
                        "\",\"text\":\"[automatic] Thank you for 21 sat.\"}");
}

static void what_the_owner_tells_is_remembered_and_nobody_elses(_unused_ void **state) {
        expect(SEEN("tell:1", "tell", "owner", "be kind"), NULL,
                        "{\"type\":\"remember\",\"text\":\"be kind\"}");
        expect(SEEN("tell:1", "tell", ALICE_HEX, "be kind") "," SEEN(
                               "tell:2", "tell", "owner", " "),
                        NULL, "");
}

static void two_of_them_do_not_answer_each_other_for_ever(_unused_ void **state) {
        expect(SEEN(EVENT_HEX, "dm", BOB_HEX, WORDS), NULL, "");
        expect(SEEN(EVENT_HEX, "zap", BOB_HEX, WORDS), NULL, "");
}

static void what_is_not_allowed_is_not_tried(_unused_ void **state) {
        expect(SEEN(EVENT_HEX, "dm", ALICE_HEX, "hi") "," SEEN("tell:1", "tell", "owner", "x"),
                        "\"post\"", "");
}

static void sixty_four_authors_get_thirty_two_answers(_unused_ void **state) {
        _cleanup_buffer_ Buffer seen = { .max = 1 << 20 }, answer = { .max = 1 << 20 };
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_free_ char *json = NULL;
        World w = { .type = "exec" };
        size_t n = 0;

        for (unsigned i = 0; i < 64; i++)
                assert_int_equal(buffer_addf(&seen,
                                                 "%s{\"id\":\"" EVENT_HEX
                                                 "\",\"what\":\"dm\",\"author\":\"%064x\",\"text\":"
                                                 "\"hi\"}",
                                                 i ? "," : "", i + 1),
                                0);
        w.observations = seen.data;
        c = world_context(&w, &json);
        assert_int_equal(rules_answer(c, &answer), 0);
        for (const char *p = answer.data; (p = strstr(p, "\"dm\"")); p++)
                n++;
        assert_int_equal(n, ACTIONS_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_speaks_to_it_is_answered_once),
                cmocka_unit_test(a_zap_is_thanked_for),
                cmocka_unit_test(what_the_owner_tells_is_remembered_and_nobody_elses),
                cmocka_unit_test(two_of_them_do_not_answer_each_other_for_ever),
                cmocka_unit_test(what_is_not_allowed_is_not_tried),
                cmocka_unit_test(sixty_four_authors_get_thirty_two_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
