/* mind/reply: whatever a model answers, it means some actions and some refusals. */
#include "tests/unit/mind-context.h"

#include "mind/reply.h"

#define OBSERVED                                                                                  \
        "{\"id\":\"" EVENT_HEX "\",\"what\":\"mention\",\"author\":\"" ALICE_HEX                  \
        "\",\"text\":\"hi\"},{\"id\":\"tell:1\",\"what\":\"tell\",\"author\":\"owner\",\"text\":" \
        "\"x\"},{\"id\":\"" EVENT_HEX "\",\"what\":\"dm\",\"author\":\"" ALICE_HEX                \
        "\",\"text\":\"hi\"}"

#define PEERS "{\"name\":\"bob\",\"npub\":\"" ALICE_NPUB "\"},{\"name\":\"o1\",\"npub\":\"x\"}"

static char *read_answer(const char *answer, size_t size, const char *allowed) {
        _cleanup_reply_ Reply reply = { 0 };
        _cleanup_buffer_ Buffer b = { .max = REPLY_SIZE_MAX };
        World w = { .observations = OBSERVED, .peers = PEERS, .allowed = allowed };
        _cleanup_free_ char *json = NULL;
        _cleanup_(context_freep) Context *c = world_context(&w, &json);

        assert_int_equal(reply_read(answer, size, c, &reply), 0);
        assert_int_equal(reply_write(&reply, &b), 0);
        return buffer_take(&b, NULL);
}

static void expect(const char *answer, const char *actions, const char *refused) {
        _cleanup_free_ char *got = read_answer(answer, strlen(answer), NULL), *wanted = NULL;

        assert_true(asprintf(&wanted, "{\"actions\":[%s],\"refused\":[%s]}", actions, refused) > 0);
        assert_string_equal(got, wanted);
}

#define HI         "{\"type\":\"post\",\"text\":\"hi\"}"
#define DO_NOTHING "{\"type\":\"nothing\"}"

static void json_is_found_wherever_it_is(_unused_ void **state) {
        expect("{\"actions\":[" HI "]}", HI, "");
        expect("[" HI "," DO_NOTHING "]", HI "," DO_NOTHING, "");
        expect("Sure! Here you are:\n```json\n{\"actions\": [" HI "]}\n```\nDone {really}.", HI,
                        "");
        expect("<think>{\"actions\":[]} or [1]? {</think>{\"actions\":[" HI "]}", HI, "");
        expect("{\"thoughts\":{\"a\":[1]},\"actions\":[" HI "]}", HI, "");
        expect(HI, HI, "");
        expect("{\"actions\":[]}", "", "");
        expect("[]", "", "{\"text\":\"[]\",\"reason\":\"there is no action in it\"}");
}

static void the_last_of_several_counts(_unused_ void **state) {
        expect("{\"actions\":[" HI "]} no, rather {\"actions\":[" DO_NOTHING "]}", DO_NOTHING, "");
        expect("{\"actions\":[" HI "]} {\"note\":\"that was all\"}", HI, "");
}

static void what_is_cut_off_is_not_done_in_part(_unused_ void **state) {
        expect("{\"actions\":[" HI ",{\"type\":\"zap\",\"to\":\"o1\",\"sa", "",
                        "{\"text\":\"{\\\"actions\\\":[{\\\"type\\\":\\\"post\\\",\\\"text\\\":"
                        "\\\"hi\\\"},{\\\"type\\\":\\\"zap\\\",\\\"to\\\":\\\"o1\\\",\\\"sa\","
                        "\"reason\":\"its JSON is cut off or not valid\"}");
        expect(HI " " HI, "",
                        "{\"text\":\"{\\\"type\\\":\\\"post\\\",\\\"text\\\":\\\"hi\\\"} {\\\"type\\\":"
                        "\\\"post\\\",\\\"text\\\":\\\"hi\\\"}\",\"reason\":\"there is no action in it\"}");
}

static void a_wrong_action_is_refused_and_the_others_stand(_unused_ void **state) {
        expect("{\"actions\":[{\"type\":\"post\",\"text\":\"x\",\"agent\":\"eve\"}," HI
               ",null,{\"type\":\"fly\"}]}",
                        HI,
                        "{\"text\":\"{\\\"type\\\":\\\"post\\\",\\\"text\\\":\\\"x\\\",\\\"agent\\\":"
                        "\\\"eve\\\"}\",\"reason\":\"it has a field that this action does not have\"},"
                        "{\"text\":\"null\",\"reason\":\"it is not an object\"},"
                        "{\"text\":\"{\\\"type\\\":\\\"fly\\\"}\",\"reason\":\"there is no action of "
                        "this type\"}");
}

static void what_is_not_allowed_is_refused_here_already(_unused_ void **state) {
        _cleanup_free_ char *got = read_answer("[" HI "," DO_NOTHING "]",
                        strlen("[" HI "," DO_NOTHING "]"), "\"nothing\"");

        assert_string_equal(got,
                        "{\"actions\":[" DO_NOTHING
                        "],\"refused\":[{\"text\":\"{\\\"type\\\":\\\"post\\\",\\\"text\\\":\\\"hi\\\"}\","
                        "\"reason\":\"this agent is not allowed to do so\"}]}");
}

static void observations_and_people_have_short_names(_unused_ void **state) {
        expect("[{\"type\":\"reply\",\"to\":\"o1\",\"text\":\"x\"}]",
                        "{\"type\":\"reply\",\"to\":\"" EVENT_HEX "\",\"text\":\"x\"}", "");
        expect("[{\"type\":\"dm\",\"to\":\"o1\",\"text\":\"x\"}]",
                        "{\"type\":\"dm\",\"to\":\"" ALICE_HEX "\",\"text\":\"x\"}", "");
        expect("[{\"type\":\"dm\",\"to\":\"o2\",\"text\":\"x\"}]",
                        "{\"type\":\"dm\",\"to\":\"" OWNER_HEX "\",\"text\":\"x\"}", "");
        expect("[{\"type\":\"dm\",\"to\":\"owner\",\"text\":\"x\"}]",
                        "{\"type\":\"dm\",\"to\":\"" OWNER_HEX "\",\"text\":\"x\"}", "");
        expect("[{\"type\":\"follow\",\"who\":\"bob\",\"on\":true}]",
                        "{\"type\":\"follow\",\"who\":\"" ALICE_HEX "\",\"on\":true}", "");
        expect("[{\"type\":\"zap\",\"to\":\"o3\",\"sats\":1}]",
                        "{\"type\":\"zap\",\"to\":\"" ALICE_NPUB "\",\"sats\":1}", "");
        expect("[{\"type\":\"reply\",\"to\":\"o2\",\"text\":\"x\"}]", "",
                        "{\"text\":\"{\\\"type\\\":\\\"reply\\\",\\\"to\\\":\\\"o2\\\",\\\"text\\\":"
                        "\\\"x\\\"}\",\"reason\":\"\\\"to\\\" is no id of an event\"}");
        expect("[{\"type\":\"dm\",\"to\":\"o4\",\"text\":\"x\"}]", "",
                        "{\"text\":\"{\\\"type\\\":\\\"dm\\\",\\\"to\\\":\\\"o4\\\",\\\"text\\\":"
                        "\\\"x\\\"}\",\"reason\":\"\\\"to\\\" is no npub and no public key in hex\"}");
}

static void the_predecessors_lines_are_read_too(_unused_ void **state) {
        expect("I think I will say hello.\nPOST: hi\n", HI, "");
        expect("- **POST: hi\r\nNOTHING.", HI "," DO_NOTHING, "");
        expect("REPLY: o1 | yes | no\nDM: " ALICE_NPUB " | for you\nDM44: o1|b",
                        "{\"type\":\"reply\",\"to\":\"" EVENT_HEX "\",\"text\":\"yes | no\"},"
                        "{\"type\":\"dm\",\"to\":\"" ALICE_HEX "\",\"text\":\"for you\"},"
                        "{\"type\":\"dm\",\"to\":\"" ALICE_HEX "\",\"text\":\"b\"}",
                        "");
        expect("ZAP: " ALICE_NPUB " | 21\nREMEMBER: it rained\nGOAL: live",
                        "{\"type\":\"zap\",\"to\":\"" ALICE_NPUB "\",\"sats\":21},"
                        "{\"type\":\"remember\",\"text\":\"it rained\"},"
                        "{\"type\":\"goal_add\",\"text\":\"live\"}",
                        "");
        expect("ZAP: " ALICE_NPUB " | 21 sats", "",
                        "{\"text\":\"ZAP: " ALICE_NPUB
                        " | 21 sats\",\"reason\":\"its sats are no whole number from 1 to "
                        "21000000\"}");
        expect("PAY_INVOICE: lnbc1", "",
                        "{\"text\":\"PAY_INVOICE: lnbc1\",\"reason\":\"it is misspelt\"}");
        expect("CHANNEL: hello", "",
                        "{\"text\":\"CHANNEL: hello\",\"reason\":\"there is no action of this "
                        "type\"}");
        expect("I will do NOTHING\nNOTHINGNESS", "",
                        "{\"text\":\"I will do NOTHING\\nNOTHINGNESS\",\"reason\":\"there is no "
                        "action in it\"}");
        expect("POST: no\n{\"actions\":[" HI "]}", HI, ""); /* JSON comes first */
}

static void what_repeats_the_fence_does_not_count(_unused_ void **state) {
        expect("You asked about <<<" FENCE_HEX "\n{\"actions\":[" DO_NOTHING "]}\n" FENCE_HEX ">>>",
                        "",
                        "{\"text\":\"You asked about <<<>>>\",\"reason\":\"there is no action in "
                        "it\"}");
        expect("{\"actions\":[" HI "]} they wrote <<<" FENCE_HEX "| {\"actions\":[" DO_NOTHING
               "]} " FENCE_HEX ">>>",
                        HI, "");
}

static void five_hundred_actions_are_thirty_two(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = ANSWER_SIZE_MAX };
        _cleanup_free_ char *got = NULL;
        size_t n = 0;

        assert_int_equal(buffer_add_string(&b, "{\"actions\":["), 0);
        for (unsigned i = 0; i < 500; i++)
                assert_int_equal(buffer_add_string(&b, i ? "," HI : HI), 0);
        assert_int_equal(buffer_add_string(&b, "]}"), 0);
        got = read_answer(b.data, b.size, NULL);
        for (const char *p = got; (p = strstr(p, HI)); p++)
                n++;
        assert_int_equal(n, 32);
        assert_non_null(strstr(got,
                        "\"refused\":[{\"text\":\"468 more\",\"reason\":\"an answer has at "
                        "most 32 actions\"}]}"));
}

static void expect_reason(const char *answer, size_t size, const char *reason) {
        _cleanup_free_ char *got = read_answer(answer, size, NULL);

        assert_non_null(strstr(got, "{\"actions\":[],"));
        if (!strstr(got, reason))
                fail_msg("%.300s: no \"%s\"", got, reason);
}

static void a_huge_answer_is_refused_unread(_unused_ void **state) {
        _cleanup_free_ char *a = malloc(ANSWER_SIZE_MAX + 1);

        assert_non_null(a);
        memset(a, 'x', ANSWER_SIZE_MAX + 1);
        expect_reason(a, ANSWER_SIZE_MAX, "there is no action in it");
        expect_reason(a, ANSWER_SIZE_MAX + 1, "the answer is longer than 1 MiB");
        expect_reason("\xff{\"actions\":[]}", 15, "the answer is not UTF-8");
        expect_reason("", 0, "there is no action in it");
        expect_reason("{\"actions\":[\0]}", 15, "its JSON is cut off or not valid");
}

/* Each would be looked at again and again by a reader that is not careful. */
static void texts_made_to_be_slow_are_not(_unused_ void **state) {
        static const char *const parts[] = { "[", "{", "{\"a\":", "[[[[[[[1,", "[\"", "[\"[\",",
                "{\"type\":[", "[1,", "[[],", "\"[", "```json\n{\"actions\":[", "POST:", "[\\" };
        _cleanup_free_ char *a = malloc(ANSWER_SIZE_MAX);

        assert_non_null(a);
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                size_t n = strlen(parts[i]);

                for (size_t at = 0; at < ANSWER_SIZE_MAX; at++)
                        a[at] = parts[i][at % n];
                expect_reason(a, ANSWER_SIZE_MAX, "\"refused\":[{");
        }
}

static void a_thousand_levels_are_too_many(_unused_ void **state) {
        char deep[8 + 1000 * 2] = "";

        for (unsigned i = 0; i < 1000; i++) {
                deep[i] = '[';
                deep[1999 - i] = ']';
        }
        expect_reason(deep, 2000, "there is no action in it");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(json_is_found_wherever_it_is),
                cmocka_unit_test(the_last_of_several_counts),
                cmocka_unit_test(what_is_cut_off_is_not_done_in_part),
                cmocka_unit_test(a_wrong_action_is_refused_and_the_others_stand),
                cmocka_unit_test(what_is_not_allowed_is_refused_here_already),
                cmocka_unit_test(observations_and_people_have_short_names),
                cmocka_unit_test(the_predecessors_lines_are_read_too),
                cmocka_unit_test(what_repeats_the_fence_does_not_count),
                cmocka_unit_test(five_hundred_actions_are_thirty_two),
                cmocka_unit_test(a_huge_answer_is_refused_unread),
                cmocka_unit_test(texts_made_to_be_slow_are_not),
                cmocka_unit_test(a_thousand_levels_are_too_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
