/* bus/text: what is fit for D-Bus is what sd-bus itself accepts, for every character there is. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "bus/text.h"

static size_t encode(uint32_t c, char *at) {
        uint8_t *p = (uint8_t *) at;
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        if (n == 1)
                p[0] = (uint8_t) c;
        for (size_t i = n; n > 1 && i-- > 0; c >>= 6)
                p[i] = i > 0 ? 0x80 | (c & 0x3f) : (uint8_t) (0xf00 >> n | c);
        p[n] = 0;
        return n;
}

static void it_agrees_with_sd_bus_on_every_character(_unused_ void **state) {
        sd_bus *bus = NULL;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_set_server(bus, 1, SD_ID128_ALLF) >= 0);
        assert_true(sd_bus_start(bus) >= 0);

        for (uint32_t c = 1; c < 0x110000;) {
                sd_bus_message *m = NULL;
                char text[8];

                /* A message for each thousand: it may not grow beyond 128 MB, nor be made anew. */
                assert_true(sd_bus_message_new_method_call(bus, &m, NULL, "/a", "a.b", "C") >= 0);
                for (uint32_t end = MIN(c + 1000, UINT32_C(0x110000)); c < end; c++) {
                        bool fit;

                        (void) encode(c, text);
                        fit = sd_bus_message_append(m, "s", text) >= 0;
                        if (bus_text_is_fit(text) != fit)
                                fail_msg("U+%04X", c);
                }
                sd_bus_message_unref(m);
        }
        sd_bus_close_unref(bus);
        (void) close(fds[1]);
}

static void a_fit_text_is_passed_on_as_it_is(_unused_ void **state) {
        const char *json = "{\"content\":\"\xf0\x9f\x98\x80 \xef\xbf\xbd\"}", *text;
        char *owned;

        assert_int_equal(bus_text_json(json, &owned, &text), 0);
        assert_ptr_equal(text, json);
        assert_null(owned);
}

static void noncharacters_become_escapes(_unused_ void **state) {
        const char *text;
        char *owned;

        assert_int_equal(bus_text_json("[\"a\xef\xbf\xbe"
                                       "b\xef\xb7\x90\xf0\x9f\xbf\xbf\xf4\x8f\xbf\xbe\"]",
                                         &owned, &text),
                        0);
        assert_string_equal(text, "[\"a\\ufffeb\\ufdd0\\ud83f\\udfff\\udbff\\udffe\"]");
        assert_true(bus_text_is_fit(text));
        free(owned);
}

static void noncharacters_of_other_texts_are_replaced(_unused_ void **state) {
        const char *text, *fit = "as it is \xef\xbf\xbd";
        char *owned;

        assert_int_equal(bus_text_clean(fit, &owned, &text), 0);
        assert_ptr_equal(text, fit);
        assert_null(owned);
        assert_int_equal(bus_text_clean("a\xef\xbf\xbe\xf0\x9f\xbf\xbf"
                                        "b",
                                         &owned, &text),
                        0);
        assert_string_equal(text, "a\xef\xbf\xbd\xef\xbf\xbd"
                                  "b");
        free(owned);
        assert_int_equal(bus_text_clean("\xff", &owned, &text), -EILSEQ);
}

static void words_that_are_not_fit_are_replaced(_unused_ void **state) {
        assert_string_equal(bus_text_or("no", "?"), "no");
        assert_string_equal(bus_text_or("\xef\xbf\xbe", "?"), "?");
        assert_string_equal(bus_text_or("cut in the middle \xc3", "?"), "?");
        assert_string_equal(bus_text_or(NULL, ""), "");
}

static void bad_utf8_is_refused(_unused_ void **state) {
        const char *text;
        char *owned;

        assert_int_equal(bus_text_json("\"\xff\"", &owned, &text), -EILSEQ);
        assert_int_equal(bus_text_json("\"\xef\xbf", &owned, &text), -EILSEQ);
        assert_false(bus_text_is_fit("\xed\xa0\x80"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_agrees_with_sd_bus_on_every_character),
                cmocka_unit_test(a_fit_text_is_passed_on_as_it_is),
                cmocka_unit_test(noncharacters_become_escapes),
                cmocka_unit_test(noncharacters_of_other_texts_are_replaced),
                cmocka_unit_test(words_that_are_not_fit_are_replaced),
                cmocka_unit_test(bad_utf8_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
