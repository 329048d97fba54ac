/* nostr/url: two spellings of one relay are one relay, and what is no relay is refused. */
#include "tests/unit/unit.h"

#include "nostr/url.h"

static void spellings_of_one_relay_become_one(_unused_ void **state) {
        static const char *const pairs[][2] = {
                { "wss://relay.damus.io", "wss://relay.damus.io" },
                { "WSS://Relay.Damus.IO/", "wss://relay.damus.io" },
                { "wss://nos.lol:443", "wss://nos.lol" },
                { "ws://h:80/", "ws://h" },
                { "ws://h:443/", "ws://h:443" },
                { "ws://127.0.0.1:7447/Path?Q=1", "ws://127.0.0.1:7447/Path?Q=1" },
                { "wss://h?token=a", "wss://h/?token=a" },
                { "ws://[::1]:7447/", "ws://[::1]:7447" },
                { "ws://[FE80::A]", "ws://[fe80::a]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                _cleanup_(url_freep) Url *u = NULL;
                const char *reason = NULL;

                assert_int_equal(url_parse(pairs[i][0], &u, &reason), 0);
                assert_string_equal(u->text, pairs[i][1]);
        }
}

static void the_parts_are_what_a_connection_needs(_unused_ void **state) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason = NULL;

        assert_int_equal(url_parse("wss://[::1]:8443?x", &u, &reason), 0);
        assert_true(u->secure);
        assert_string_equal(u->host, "::1");
        assert_int_equal(u->port, 8443);
        assert_string_equal(u->path, "/?x");
}

static void what_is_no_relay_is_refused_with_a_reason(_unused_ void **state) {
        static const char *const bad[] = { "", "ws://", "http://h", "ws:/h", "h", "ws://u:p@h",
                "ws://h:", "ws://h:0", "ws://h:65536", "ws://h:080", "ws://h:-1", "ws://h x",
                "ws://h\n", "ws://h/\x7f", "ws://h\xc3\xbc", "ws://h/#a", "ws://[::1", "ws://::1",
                "ws://[]", "ws://[h]", "ws://[::1]x", "ws://.h", "ws://h/\"", "ws://-h" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Url *u = NULL;
                const char *reason = NULL;

                assert_int_equal(url_parse(bad[i], &u, &reason), -EINVAL);
                assert_non_null(reason);
        }
}

static void an_address_has_a_maximum(_unused_ void **state) {
        char text[URL_MAX + 2] = "ws://h/";
        Url *u = NULL;
        const char *reason = NULL;

        memset(text + 7, 'a', sizeof(text) - 8);
        assert_int_equal(url_parse(text, &u, &reason), -EINVAL);
        text[URL_MAX] = '\0';
        assert_int_equal(url_parse(text, &u, &reason), 0);
        url_free(u);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(spellings_of_one_relay_become_one),
                cmocka_unit_test(the_parts_are_what_a_connection_needs),
                cmocka_unit_test(what_is_no_relay_is_refused_with_a_reason),
                cmocka_unit_test(an_address_has_a_maximum),
        };

        return cmocka_run_group_tests_name("nostr/url", tests, NULL, NULL);
}
