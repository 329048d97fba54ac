/* cli/agent-parcel: the file in which an agent travels. */
#include "tests/unit/unit.h"

#include "agent-parcel.h"
#include "basic/crypt.h"

static const char body[] = "{\"v\":1,\"name\":\"scout\"}";

typedef struct World {
        Secret *passphrase, *other;
        char *text;
} World;

static int setup(void **state) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        static World w;

        assert_int_equal(crypt_setup(), 0);
        assert_int_equal(secret_copy("correct horse", 13, &w.passphrase), 0);
        assert_int_equal(secret_copy("correct hors", 12, &w.other), 0);
        assert_int_equal(parcel_keys_new(w.passphrase, &k), 0);
        assert_int_equal(parcel_write(&k, body, strlen(body), &w.text), 0);
        *state = &w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        secret_free(w->passphrase);
        secret_free(w->other);
        free(w->text);
        return 0;
}

static int open_with(
                const char *text, const Secret *passphrase, Secret **ret, const char **reterr) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        int r;

        *reterr = "";
        r = parcel_keys_of(text, passphrase, &k, reterr);
        return r < 0 ? r : parcel_read(&k, text, ret, reterr);
}

static void what_was_written_is_read(void **state) {
        _cleanup_(secret_freep) Secret *got = NULL;
        const char *reason;
        World *w = *state;

        assert_int_equal(open_with(w->text, w->passphrase, &got, &reason), 0);
        assert_string_equal(secret_text(got), body);
        assert_null(strstr(w->text, "scout"));
        assert_non_null(strstr(w->text, "pylon-agent 1 pbkdf2-sha512 500000 "));
}

/* Written by an independent program, from the man page. */
static void a_file_of_another_hand_is_read(_unused_ void **state) {
        static const char text[] =
                        "pylon-agent 1 pbkdf2-sha512 10000 000102030405060708090a0b0c0d0e0f\n"
                        "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fcOX8hdskS4KWlEaBIMFIHrHNXhgll00J\n"
                        "7b8G3fu4jMXErCKoFifNoMDeeerGYyEaxhRYc/N8\n";
        _cleanup_(secret_freep) Secret *passphrase = NULL, *got = NULL;
        const char *reason;

        assert_int_equal(secret_copy("passphrase", 10, &passphrase), 0);
        assert_int_equal(open_with(text, passphrase, &got, &reason), 0);
        assert_string_equal(secret_text(got), body);
}

static void the_keys_are_the_same_again_and_two(void **state) {
        _cleanup_(parcel_keys_done) ParcelKeys one = { 0 }, two = { 0 };
        const char *reason;
        World *w = *state;

        assert_int_equal(parcel_keys_of(w->text, w->passphrase, &one, &reason), 0);
        assert_int_equal(parcel_keys_of(w->text, w->passphrase, &two, &reason), 0);
        assert_memory_equal(secret_text(one.words), secret_text(two.words), PARCEL_KEY_SIZE);
        assert_memory_not_equal(secret_text(one.words), secret_text(one.body), PARCEL_KEY_SIZE);
}

static void another_passphrase_opens_nothing(void **state) {
        _cleanup_(secret_freep) Secret *got = NULL;
        const char *reason;
        World *w = *state;

        assert_int_equal(open_with(w->text, w->other, &got, &reason), -EBADMSG);
        assert_non_null(strstr(reason, "passphrase"));
}

static void lines_may_end_as_elsewhere(void **state) {
        _cleanup_(secret_freep) Secret *got = NULL;
        World *w = *state;
        _cleanup_free_ char *text = calloc(2, strlen(w->text) + 1);
        const char *reason;
        char *at = text;
        bool first = true;

        assert_non_null(text);
        for (const char *p = w->text; *p; p++) {
                if (*p == '\n' && !first)
                        *at++ = '\r';
                first = first && *p != '\n';
                *at++ = *p;
        }
        assert_int_equal(open_with(text, w->passphrase, &got, &reason), 0);
}

/* One key serves for all of them; stretching it each time would take minutes. */
static void every_changed_letter_is_noticed(void **state) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        World *w = *state;
        char *text = w->text;
        const char *reason;

        assert_int_equal(parcel_keys_of(text, w->passphrase, &k, &reason), 0);
        for (char *p = strchr(text, '\n') + 1; *p; p++) {
                _cleanup_(secret_freep) Secret *got = NULL;
                char was = *p;

                *p = was == 'A' ? 'B' : 'A';
                assert_int_equal(parcel_read(&k, text, &got, &reason), -EBADMSG);
                *p = was;
        }
        for (size_t n = strlen(text) - 1; n-- > 0;) {
                _cleanup_(secret_freep) Secret *got = NULL;
                _cleanup_free_ char *cut = strndup(text, n);

                assert_non_null(cut);
                if (strchr(cut, '\n'))
                        assert_int_equal(parcel_read(&k, cut, &got, &reason), -EBADMSG);
        }
}

static void first_lines_that_are_none_are_refused_before_any_work(void **state) {
        static const char *const bad[] = { "", "\n", "hello\n", "pylon-agent 1\n",
                "pylon-agent 2 pbkdf2-sha512 500000 00112233445566778899aabbccddeeff\n",
                "pylon-agent 1 pbkdf2-sha512 500000\n",
                "pylon-agent 1 pbkdf2-sha512 500000 00112233445566778899aabbccddee\n",
                "pylon-agent 1 pbkdf2-sha512 500000 00112233445566778899aabbccddeeff00\n",
                "pylon-agent 1 pbkdf2-sha512 500000 00112233445566778899AABBCCDDEEFF\n",
                "pylon-agent 1 pbkdf2-sha512 500000 00112233445566778899aabbccddeeff",
                "pylon-agent 1 pbkdf2-sha512 500000 00112233445566778899aabbccddeeff \n",
                "pylon-agent 1 pbkdf2-sha512 1 00112233445566778899aabbccddeeff\n",
                "pylon-agent 1 pbkdf2-sha512 4294967295 00112233445566778899aabbccddeeff\n",
                "pylon-agent 1 pbkdf2-sha512 42949672960 00112233445566778899aabbccddeeff\n",
                "pylon-agent 1 pbkdf2-sha512 -1 00112233445566778899aabbccddeeff\n" };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ParcelKeys k = { 0 };
                const char *reason = NULL;

                assert_int_equal(parcel_keys_of(bad[i], w->passphrase, &k, &reason), -EBADMSG);
                assert_non_null(reason);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_written_is_read),
                cmocka_unit_test(a_file_of_another_hand_is_read),
                cmocka_unit_test(the_keys_are_the_same_again_and_two),
                cmocka_unit_test(another_passphrase_opens_nothing),
                cmocka_unit_test(lines_may_end_as_elsewhere),
                cmocka_unit_test(every_changed_letter_is_noticed),
                cmocka_unit_test(first_lines_that_are_none_are_refused_before_any_work),
        };

        return cmocka_run_group_tests_name("cli-agent-parcel", tests, setup, teardown);
}
