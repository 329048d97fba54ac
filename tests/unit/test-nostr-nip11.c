/* nostr/nip11: what relays say about themselves, also where it makes no sense. */
#include "tests/unit/unit.h"

#include "nostr/nip11.h"

static RelayInfo *read_info(const char *text) {
        const char *reason = NULL;
        RelayInfo *i = NULL;

        assert_int_equal(relay_info_parse(text, strlen(text), &i, &reason), 0);
        return i;
}

static void what_is_not_said_is_no_limit(_unused_ void **state) {
        _cleanup_(relay_info_freep) RelayInfo *i = read_info("{}");

        assert_string_equal(i->name, "");
        assert_int_equal(i->n_nips, 0);
        assert_int_equal(i->message_max, -1);
        assert_int_equal(i->limit_max, -1);
        assert_int_equal(i->pow_min, -1);
        assert_false(i->auth || i->payment || i->restricted);
}

static void a_usual_document_is_read(_unused_ void **state) {
        _cleanup_(relay_info_freep) RelayInfo *i = read_info(
                        "{\"name\":\"a\\nrelay\",\"software\":\"strfry\",\"version\":\"1.0\","
                        "\"supported_nips\":[1,11,\"42\",50,-1,99999],\"limitation\":{"
                        "\"max_message_length\":131072,\"max_subscriptions\":20,\"max_filters\":10,"
                        "\"max_limit\":500,\"default_limit\":100,\"min_pow_difficulty\":12,"
                        "\"created_at_lower_limit\":94608000,\"auth_required\":true}}");

        assert_string_equal(i->name, "a relay");
        assert_int_equal(i->n_nips, 3);
        assert_int_equal(i->nips[2], 50);
        assert_int_equal(i->message_max, 131072);
        assert_int_equal(i->limit_max, 100);
        assert_int_equal(i->pow_min, 12);
        assert_true(i->auth);
        assert_false(i->payment);
}

static void nonsense_is_not_said(_unused_ void **state) {
        _cleanup_(relay_info_freep) RelayInfo *i = read_info(
                        "{\"name\":7,\"supported_nips\":\"1\",\"limitation\":{\"max_message_length\":64,"
                        "\"max_limit\":-5,\"max_subscriptions\":\"many\",\"min_pow_difficulty\":0,"
                        "\"auth_required\":\"yes\",\"payment_required\":null}}");
        _cleanup_(relay_info_freep) RelayInfo *list = read_info("{\"limitation\":[1]}");

        assert_string_equal(i->name, "");
        assert_int_equal(i->message_max, -1);
        assert_int_equal(i->limit_max, -1);
        assert_int_equal(i->subscriptions_max, -1);
        assert_int_equal(i->pow_min, -1);
        assert_false(i->auth || i->payment);
        assert_int_equal(list->tags_max, -1);
}

static void what_is_no_document_is_refused_with_a_reason(_unused_ void **state) {
        static const char *const bad[] = { "", "[]", "{", "\"name\"", "<html>", "{}{}" };

        for (size_t n = 0; n < ELEMENTSOF(bad); n++) {
                const char *reason = NULL;
                RelayInfo *i = NULL;

                assert_int_equal(relay_info_parse(bad[n], strlen(bad[n]), &i, &reason), -EBADMSG);
                assert_non_null(reason);
                assert_null(i);
        }
}

static void assert_refused(const char *limitation, const char *prefix) {
        static const char json[] =
                        "{\"id\":\"00000000000000000000000000000000000000000000000000000000000000ff\","
                        "\"pubkey\":\"a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243\","
                        "\"created_at\":1000,\"kind\":1,\"tags\":[[\"t\",\"x\"]],\"content\":\"h\xc3\xa4llo\","
                        "\"sig\":\"00000000000000000000000000000000000000000000000000000000000000000000000000"
                        "000000000000000000000000000000000000000000000000000000\"}";
        _cleanup_(relay_info_freep) RelayInfo *i = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL, *refusal;
        char text[200];

        assert_true(snprintf(text, sizeof(text), "{\"limitation\":{%s}}", limitation) > 0);
        i = read_info(text);
        /* The numbers of a test are smaller than those that make sense. */
        if (i->content_max == 256)
                i->content_max = 5;
        if (i->content_max == 257)
                i->content_max = 4;
        assert_int_equal(event_parse_trusted(json, strlen(json), &e, &reason), 0);
        refusal = relay_info_refusal(i, e, 2000);
        if (!prefix)
                assert_null(refusal);
        else
                assert_memory_equal(refusal, prefix, strlen(prefix));
}

static void an_event_that_would_be_refused_is_known(_unused_ void **state) {
        assert_refused("", NULL);
        assert_refused("\"max_message_length\":4096", NULL);
        assert_refused("\"max_content_length\":256", NULL); /* characters, not bytes */
        assert_refused("\"max_content_length\":257", "invalid: its content");
        assert_refused("\"created_at_lower_limit\":1000", NULL);
        assert_refused("\"created_at_lower_limit\":999", "invalid: it is older");
        assert_refused("\"min_pow_difficulty\":248", NULL);
        assert_refused("\"min_pow_difficulty\":249", "pow: ");
        assert_refused("\"min_pow_difficulty\":100000", "pow: ");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_not_said_is_no_limit),
                cmocka_unit_test(a_usual_document_is_read),
                cmocka_unit_test(nonsense_is_not_said),
                cmocka_unit_test(what_is_no_document_is_refused_with_a_reason),
                cmocka_unit_test(an_event_that_would_be_refused_is_known),
        };

        return cmocka_run_group_tests_name("nostr/nip11", tests, NULL, NULL);
}
