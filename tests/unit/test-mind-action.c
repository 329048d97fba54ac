/* mind/action: what an agent may want, read strictly and written canonically. */
#include "tests/unit/unit.h"

#include "mind/action.h"
#include "money/bolt11.h"

#define HEX  "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
#define NPUB "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
#define NOTE "note180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkws4c58hj"

static void expect_action(const char *json, const char *canonical) {
        _cleanup_(action_freep) Action *a = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *same = NULL, *line = NULL;
        const char *reason = "memory";

        if (action_parse_text(json, strlen(json), &a, &reason) < 0)
                fail_msg("%s: %s", json, reason);
        assert_int_equal(action_json(a, &text), 0);
        assert_string_equal(text, canonical);
        assert_int_equal(action_parse_text(text, strlen(text), &again, &reason), 0);
        assert_int_equal(action_json(again, &same), 0);
        assert_string_equal(same, text);
        assert_int_equal(action_describe(a, &line), 0);
        assert_true(line[0] && !strchr(line, '\n'));
}

static void expect_refused(const char *json, const char *why) {
        _cleanup_(action_freep) Action *a = NULL;
        const char *reason = NULL;

        assert_int_equal(action_parse_text(json, strlen(json), &a, &reason), -EBADMSG);
        assert_null(a);
        assert_string_equal(reason, why);
}

static void expect_line(const char *json, const char *line) {
        _cleanup_(action_freep) Action *a = NULL;
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;

        assert_int_equal(action_parse_text(json, strlen(json), &a, &reason), 0);
        assert_int_equal(action_describe(a, &text), 0);
        assert_string_equal(text, line);
}

static void every_action_reads_as_it_was_written(_unused_ void **state) {
        /* clang-format off */
        static const char *const same[] = {
                "{\"type\":\"post\",\"text\":\"Hello\\nworld\"}",
                "{\"type\":\"reply\",\"to\":\"" HEX "\",\"text\":\"yes\"}",
                "{\"type\":\"react\",\"to\":\"" HEX "\",\"content\":\"+\"}",
                "{\"type\":\"dm\",\"to\":\"" HEX "\",\"text\":\"for you\"}",
                "{\"type\":\"zap\",\"to\":\"" HEX "\",\"sats\":21,\"comment\":\"thanks\"}",
                "{\"type\":\"zap\",\"to\":\"" NPUB "\",\"sats\":21000000}",
                "{\"type\":\"zap\",\"to\":\"" NOTE "\",\"sats\":1}",
                "{\"type\":\"goal_add\",\"text\":\"live\"}",
                "{\"type\":\"goal_add\",\"text\":\"live\",\"priority\":1}",
                "{\"type\":\"goal_update\",\"id\":\"3.1\",\"progress\":0}",
                "{\"type\":\"goal_update\",\"id\":\"3.1\",\"progress\":100,\"text\":\"x\",\"priority\":9}",
                "{\"type\":\"goal_close\",\"id\":\"3.1\",\"status\":\"dropped\"}",
                "{\"type\":\"remember\",\"text\":\"it rained\"}",
                "{\"type\":\"forget\",\"id\":\"12.3\"}",
                "{\"type\":\"schedule\",\"in_seconds\":60}",
                "{\"type\":\"schedule\",\"heartbeat_seconds\":604800}",
                "{\"type\":\"follow\",\"who\":\"" HEX "\",\"on\":false}",
                "{\"type\":\"ask\",\"text\":\"May I?\"}",
                "{\"type\":\"nothing\"}",
        };
        /* clang-format on */

        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                expect_action(same[i], same[i]);
}

static void other_spellings_become_the_canonical_one(_unused_ void **state) {
        expect_action(" { \"text\" : \"\\u0061\", \"type\":\"post\" } ",
                        "{\"type\":\"post\",\"text\":\"a\"}");
        expect_action("{\"type\":\"dm\",\"text\":\"x\",\"to\":\"" NPUB "\"}",
                        "{\"type\":\"dm\",\"to\":\"" HEX "\",\"text\":\"x\"}");
        expect_action("{\"type\":\"dm\",\"text\":\"x\",\"to\":\"nostr:" NPUB "\"}",
                        "{\"type\":\"dm\",\"to\":\"" HEX "\",\"text\":\"x\"}");
        expect_action("{\"type\":\"reply\",\"text\":\"x\",\"to\":\"" NOTE "\"}",
                        "{\"type\":\"reply\",\"to\":\"" HEX "\",\"text\":\"x\"}");
}

static void what_is_not_exactly_an_action_is_refused(_unused_ void **state) {
        expect_refused("[]", "it is not an object");
        expect_refused("{}", "it has no type");
        expect_refused("{\"type\":1}", "it has no type");
        expect_refused("{\"type\":\"launch\"}", "there is no action of this type");
        expect_refused("{\"type\":\"Post\",\"text\":\"x\"}", "there is no action of this type");
        expect_refused("{\"type\":\"post\",\"text\":\"x\",\"agent\":\"other\"}",
                        "it has a field that this action does not have");
        expect_refused("{\"type\":\"nothing\",\"text\":\"x\"}",
                        "it has a field that this action does not have");
        expect_refused("{\"type\":\"post\",\"text\":[\"x\"]}",
                        "its text is empty, too long, or has control characters");
        expect_refused("{\"type\":\"post\",\"text\":{\"a\":{}}}", "it is nested too deeply");
        expect_refused("{\"type\":\"post\",\"text\":\"a\",\"text\":\"b\"}",
                        "a name is in it twice");
        expect_refused("{\"type\":\"dm\",\"to\":\"" NOTE "\",\"text\":\"x\"}",
                        "\"to\" is no npub and no public key in hex");
        expect_refused("{\"type\":\"reply\",\"to\":\"" NPUB "\",\"text\":\"x\"}",
                        "\"to\" is no id of an event");
        expect_refused("{\"type\":\"reply\",\"to\":\"tell:1\",\"text\":\"x\"}",
                        "\"to\" is no id of an event");
}

static void texts_say_something_and_have_a_length(_unused_ void **state) {
        static const char *const bad[] = { "", " ", "\\n\\t ", "\\u0000", "a\\u0000", "\\u001b[2J",
                "\\u007f" };
        char json[ACTION_TEXT_MAX + 64];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                (void) snprintf(json, sizeof(json), "{\"type\":\"post\",\"text\":\"%s\"}", bad[i]);
                expect_refused(json, "its text is empty, too long, or has control characters");
        }
        for (unsigned more = 0; more < 2; more++) {
                _cleanup_(action_freep) Action *a = NULL;
                const char *reason;
                int n;

                n = snprintf(json, sizeof(json), "{\"type\":\"post\",\"text\":\"%0*d\"}",
                                (int) (ACTION_TEXT_MAX + more), 0);
                assert_int_equal(action_parse_text(json, (size_t) n, &a, &reason),
                                more ? -EBADMSG : 0);
        }
        expect_refused("{\"type\":\"zap\",\"to\":\"" HEX "\",\"sats\":1,\"comment\":\"a\\nb\"}",
                        "its comment is empty, too long, or not one line");
}

static void numbers_have_a_range(_unused_ void **state) {
        static const char *const sats[] = { "0", "-1", "21000001", "1.0", "1e3", "\"21\"", "null",
                "9223372036854775807", "true" };
        char json[256];

        for (size_t i = 0; i < ELEMENTSOF(sats); i++) {
                (void) snprintf(json, sizeof(json),
                                "{\"type\":\"zap\",\"to\":\"" HEX "\",\"sats\":%s}", sats[i]);
                expect_refused(json, "its sats are no whole number from 1 to 21000000");
        }
        expect_refused("{\"type\":\"schedule\",\"in_seconds\":59}",
                        "a time is a whole number of seconds from 60 to 604800");
        expect_refused("{\"type\":\"schedule\",\"in_seconds\":60,\"heartbeat_seconds\":60}",
                        "it says either \"in_seconds\" or \"heartbeat_seconds\"");
        expect_refused("{\"type\":\"schedule\"}",
                        "it says either \"in_seconds\" or \"heartbeat_seconds\"");
        expect_refused("{\"type\":\"goal_update\",\"id\":\"1.1\"}",
                        "it changes nothing of the goal");
        expect_refused("{\"type\":\"goal_update\",\"id\":\"1.1\",\"progress\":101}",
                        "progress is a number from 0 to 100");
        expect_refused("{\"type\":\"goal_close\",\"id\":\"1.1\",\"status\":\"do\"}",
                        "a goal ends as \"done\" or \"dropped\"");
        expect_refused("{\"type\":\"goal_close\",\"id\":\"1.1\",\"status\":\"done|dropped\"}",
                        "a goal ends as \"done\" or \"dropped\"");
}

static char *invoice(int64_t msat) {
        const uint8_t secret[32] = { [31] = 1 };
        char description[] = "tea";
        Bolt11 b = {
                .network = NETWORK_REGTEST,
                .amount_msat = msat,
                .created_at = 1700000000,
                .description = description,
        };
        const char *reason = NULL;
        char *text;

        assert_int_equal(bolt11_encode(&b, secret, &text, &reason), 0);
        return text;
}

static void an_invoice_is_paid_up_to_a_limit_only(_unused_ void **state) {
        _cleanup_free_ char *some = invoice(20500), *none = invoice(0);
        char json[2048], canonical[2048];

        (void) snprintf(json, sizeof(json), "{\"type\":\"pay\",\"invoice\":\"%s\",\"max_sats\":30}",
                        some);
        expect_action(json, json);
        expect_line(json, "Pay an invoice of 20.5 sat: \"tea\"");

        (void) snprintf(json, sizeof(json), "{\"type\":\"pay\",\"invoice\":\"%s\"}", some);
        (void) snprintf(canonical, sizeof(canonical),
                        "{\"type\":\"pay\",\"invoice\":\"%s\",\"max_sats\":21}", some);
        expect_action(json, canonical);

        (void) snprintf(json, sizeof(json), "{\"type\":\"pay\",\"invoice\":\"%s\",\"max_sats\":20}",
                        some);
        expect_refused(json, "the invoice asks for more than \"max_sats\"");
        (void) snprintf(json, sizeof(json), "{\"type\":\"pay\",\"invoice\":\"%s\",\"max_sats\":20}",
                        none);
        expect_refused(json, "the invoice says no amount");
}

static void a_person_reads_one_harmless_line(_unused_ void **state) {
        expect_line("{\"type\":\"zap\",\"to\":\"" NPUB "\",\"sats\":21,\"comment\":\"for tea\"}",
                        "Zap 21 sat to " NPUB ": \"for tea\"");
        expect_line("{\"type\":\"post\",\"text\":\"a\\nb\\u202ec\\u009bd\\u200be\"}",
                        "Publish the note \"a b\xef\xbf\xbd"
                        "c\xef\xbf\xbd"
                        "d\xef\xbf\xbd"
                        "e\"");
        expect_line("{\"type\":\"goal_update\",\"id\":\"2.1\",\"progress\":50,\"priority\":2}",
                        "Change goal 2.1, progress 50 %, priority 2");
}

static void a_long_text_is_cut_between_characters_and_its_length_said(_unused_ void **state) {
        _cleanup_(action_freep) Action *a = NULL;
        _cleanup_free_ char *line = NULL;
        char json[1024] = "{\"type\":\"post\",\"text\":\"x";
        const char *reason;

        for (unsigned i = 0; i < 200; i++)
                memcpy(json + strlen(json), "ä", 3);
        memcpy(json + strlen(json), "\"}", 3);
        assert_int_equal(action_parse_text(json, strlen(json), &a, &reason), 0);
        assert_int_equal(action_describe(a, &line), 0);
        assert_non_null(strstr(line, "ä…\" (401 bytes in all)"));
}

static void the_prompt_shows_the_form_of_each(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { 0 };

        buffer_init(&b, 4096);
        for (ActionType t = 0; t < _ACTION_TYPE_MAX; t++) {
                ActionType again;

                assert_int_equal(action_type_from_name(action_type_name(t), &again), 0);
                assert_int_equal(again, t);
                assert_int_equal(action_type_schema(t, &b), 0);
        }
        assert_non_null(strstr(b.data,
                        "{\"type\":\"zap\",\"to\":\"NPUB or ID\",\"sats\":N,\"comment\":\"…\"?}  "));
        assert_non_null(strstr(b.data, "\"status\":\"done|dropped\"}  "));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_action_reads_as_it_was_written),
                cmocka_unit_test(other_spellings_become_the_canonical_one),
                cmocka_unit_test(what_is_not_exactly_an_action_is_refused),
                cmocka_unit_test(texts_say_something_and_have_a_length),
                cmocka_unit_test(numbers_have_a_range),
                cmocka_unit_test(an_invoice_is_paid_up_to_a_limit_only),
                cmocka_unit_test(a_person_reads_one_harmless_line),
                cmocka_unit_test(a_long_text_is_cut_between_characters_and_its_length_said),
                cmocka_unit_test(the_prompt_shows_the_form_of_each),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
