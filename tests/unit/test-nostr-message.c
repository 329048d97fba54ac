/* nostr/message: both directions of the conversation with a relay. */
#include "tests/unit/unit.h"

#include "nostr/message.h"

#define ID "247eefca62d0313421556905822cd11f96794d31c013b880fd3c1f387baa0cf4"

static void what_a_client_says_is_read(_unused_ void **state) {
        const char *req = "[\"REQ\",\"s\",{\"kinds\":[1]}, {} ]",
                   *event = "[\"EVENT\",{\"id\":\"]\"},7]", *reason = NULL;
        Message m;

        assert_int_equal(message_parse_from_client(req, strlen(req), &m, &reason), 0);
        assert_int_equal(m.type, MESSAGE_REQ);
        assert_string_equal(m.subscription, "s");
        assert_int_equal(m.n_filters, 2);
        assert_int_equal(m.filters[0].size, strlen("{\"kinds\":[1]}"));
        assert_memory_equal(m.filters[1].text, "{}", 2);

        assert_int_equal(message_parse_from_client(event, strlen(event), &m, &reason), 0);
        assert_int_equal(m.type, MESSAGE_EVENT);
        assert_memory_equal(m.json.text, "{\"id\":\"]\"}", m.json.size);
}

static void what_a_relay_says_is_read(_unused_ void **state) {
        static const struct {
                const char *text;
                MessageType type;
                const char *subscription, *said;
        } rows[] = {
                { "[\"EVENT\",\"sub\",{\"a\":[1]}]", MESSAGE_EVENT, "sub", "" },
                { "[\"EOSE\",\"sub\"]", MESSAGE_EOSE, "sub", "" },
                { "[\"EOSE\",\"sub\",[\"finish\"],{\"more\":[]}]", MESSAGE_EOSE, "sub", "" },
                { "[\"CLOSED\",\"sub\",\"auth-required: x\"]", MESSAGE_CLOSED, "sub",
                                "auth-required: x" },
                { "[\"CLOSED\",\"sub\"]", MESSAGE_CLOSED, "sub", "" },
                { "[\"NOTICE\",\"h\\u00e9\"]", MESSAGE_NOTICE, "", "hé" },
                { "[\"AUTH\",\"challenge\"]", MESSAGE_AUTH, "", "challenge" },
                { "[\"OK\",\"" ID "\",true,\"\"]", MESSAGE_OK, "", "" },
                { "[\"OK\",\"" ID "\",false,\"invalid: no\"]", MESSAGE_OK, "", "invalid: no" },
                { "[\"OK\",\"" ID "\",true]", MESSAGE_OK, "", "" },
                { "[\"COUNT\",\"sub\",{\"count\":5}]", MESSAGE_COUNT, "sub", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = NULL;
                Message m;

                assert_int_equal(message_parse_from_relay(
                                                 rows[i].text, strlen(rows[i].text), &m, &reason),
                                0);
                assert_int_equal(m.type, rows[i].type);
                assert_string_equal(m.subscription, rows[i].subscription);
                assert_string_equal(m.text, rows[i].said);
                if (m.type == MESSAGE_OK)
                        assert_int_equal(m.accepted, strstr(rows[i].text, "true") != NULL);
                if (m.type == MESSAGE_COUNT)
                        assert_int_equal(m.count, 5);
        }
}

static void wrong_messages_are_refused_with_a_reason(_unused_ void **state) {
        static const struct {
                const char *text;
                int error;
                const char *reason;
        } rows[] = {
                { "", -EBADMSG, "an array is missing" },
                { "{}", -EBADMSG, "an array is missing" },
                { "[]", -EBADMSG, "it ends too early" },
                { "[1]", -EBADMSG, "a text is missing" },
                { "[\"EVENT\"]", -EBADMSG, "it ends too early" },
                { "[\"EVENT\",\"\",{}]", -EBADMSG, "its subscription has no name" },
                { "[\"EVENT\",\"s\",[]]", -EBADMSG, "an object is missing" },
                { "[\"EVENT\",\"s\",{}]x", -EBADMSG, "something follows its end" },
                { "[\"EVENT\",\"s\",{}", -EBADMSG,
                                "it is not JSON: a comma or bracket is missing" },
                { "[\"OK\",\"12\",true,\"\"]", -EBADMSG,
                                "an id in it is not 64 lowercase hex digits" },
                { "[\"OK\",\"" ID "\",1,\"\"]", -EBADMSG, "true or false is missing" },
                { "[\"EOSE\",\"0123456789012345678901234567890123456789012345678901234567890123x\"]",
                                -EBADMSG, "a name in it is too long" },
                { "[\"NEG-MSG\",\"s\",\"00\"]", -EOPNOTSUPP, "its type is unknown" },
                { "[\"COUNT\",\"s\",{}]", -EBADMSG, "it has no count" },
                { "[\"NOTICE\",\"a\\u0000b\"]", -EBADMSG, "a NUL is in it" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = "";
                Message m;

                assert_int_equal(message_parse_from_relay(
                                                 rows[i].text, strlen(rows[i].text), &m, &reason),
                                rows[i].error);
                assert_string_equal(reason, rows[i].reason);
        }
}

static void a_long_notice_is_cut_between_two_characters(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 8192 };
        const char *reason = NULL;
        Message m;

        assert_int_equal(buffer_add_string(&b, "[\"NOTICE\",\"x"), 0);
        for (int i = 0; i < MESSAGE_TEXT_MAX; i++)
                assert_int_equal(buffer_add_string(&b, "é"), 0);
        assert_int_equal(buffer_add_string(&b, "\"]"), 0);
        assert_int_equal(message_parse_from_relay(b.data, b.size, &m, &reason), 0);
        assert_int_equal(strlen(m.text), MESSAGE_TEXT_MAX - 1);
}

static void more_filters_than_we_take_are_refused(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 8192 };
        const char *reason = NULL;
        Message m;

        assert_int_equal(buffer_add_string(&b, "[\"REQ\",\"s\""), 0);
        for (int i = 0; i <= MESSAGE_FILTERS_MAX; i++)
                assert_int_equal(buffer_add_string(&b, ",{}"), 0);
        assert_int_equal(buffer_add_string(&b, "]"), 0);
        assert_int_equal(message_parse_from_client(b.data, b.size, &m, &reason), -EBADMSG);
        assert_string_equal(reason, "it has too many filters");
}

static void what_is_written_is_nostr(_unused_ void **state) {
        static const char *const filters[] = { "{\"kinds\":[1]}", "{}" };
        _cleanup_buffer_ Buffer b = { .max = 8192 };

        assert_int_equal(message_write_event(&b, NULL, "{}", 2), 0);
        assert_int_equal(message_write_event(&b, "s\"", "{}", 2), 0);
        assert_int_equal(message_write_req(&b, "s", filters, 2), 0);
        assert_int_equal(message_write_close(&b, "s"), 0);
        assert_int_equal(message_write_auth(&b, "{}", 2), 0);
        assert_int_equal(message_write_challenge(&b, "c"), 0);
        assert_int_equal(message_write_ok(&b, ID, false, "invalid: x"), 0);
        assert_int_equal(message_write_eose(&b, "s"), 0);
        assert_int_equal(message_write_closed(&b, "s", "error: y"), 0);
        assert_int_equal(message_write_notice(&b, "n"), 0);
        assert_int_equal(message_write_count(&b, "s", 3), 0);
        assert_string_equal(b.data,
                        "[\"EVENT\",{}][\"EVENT\",\"s\\\"\",{}][\"REQ\",\"s\",{\"kinds\":[1]},{}]"
                        "[\"CLOSE\",\"s\"][\"AUTH\",{}][\"AUTH\",\"c\"][\"OK\",\"" ID
                        "\",false,\"invalid: x\"][\"EOSE\",\"s\"][\"CLOSED\",\"s\",\"error: y\"]"
                        "[\"NOTICE\",\"n\"][\"COUNT\",\"s\",{\"count\":3}]");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_a_client_says_is_read),
                cmocka_unit_test(what_a_relay_says_is_read),
                cmocka_unit_test(wrong_messages_are_refused_with_a_reason),
                cmocka_unit_test(a_long_notice_is_cut_between_two_characters),
                cmocka_unit_test(more_filters_than_we_take_are_refused),
                cmocka_unit_test(what_is_written_is_nostr),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
