/* mind/name: what an agent may be called, also by those who called it otherwise. */
#include "tests/unit/unit.h"

#include "mind/name.h"

static void a_name_is_fit_for_paths_and_units(_unused_ void **state) {
        static const char *const good[] = { "a", "ada", "0.9", "a-b_c.d",
                "a2345678901234567890123456789012" };
        static const char *const bad[] = { "", "A", "-a", ".a", "_a", "a b", "a/b", "a@b", "ä",
                "a23456789012345678901234567890123" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(agent_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(agent_name_is_valid(bad[i]));
}

static void expect(const char *toml, const char *name) {
        char *text = strdup(toml), got[AGENT_NAME_LENGTH_MAX + 1];

        assert_non_null(text);
        if (!name)
                assert_int_equal(agent_name_read(text, strlen(text), got), -EBADMSG);
        else {
                assert_int_equal(agent_name_read(text, strlen(text), got), 0);
                assert_string_equal(got, name);
                assert_true(agent_name_is_valid(got));
        }
        assert_null(strstr(text, "abandon"));
        free(text);
}

static void both_historic_layouts_have_one(_unused_ void **state) {
        expect("name = \"ada\"\nnpub = \"npub1\"\n", "ada");
        expect("name = \"My Agent!\"\n", "my-agent");
        expect("name = '..x'\n", "x");
        expect("[profile]\nname = \"Ada\"\n[schedule]\nactive = true\n", "ada");
        expect("name = \"a\"\n[profile]\nname = \"b\"\n", "a");
        expect("name = \"Ünïcode and a long long long long name\"",
                        "n--code-and-a-long-long-long-lon");
}

static void words_of_a_key_are_wiped_before_anything_is_read(_unused_ void **state) {
        expect("mnemonic_encrypted = \"abandon abandon about\"\nname = \"ada\"\n", "ada");
        expect("name = \"ada\"\n  mnemonic = 'abandon'", "ada");
        expect("mnemonic = \"abandon\"\n = broken\n", NULL);
}

static void a_file_without_a_name_has_none(_unused_ void **state) {
        expect("", NULL);
        expect("name = 7\n", NULL);
        expect("name = \"---\"\n", NULL);
        expect("name = \"\"\n", NULL);
        expect("profile = 1\n", NULL);
        expect("name = \"a\"\nname = \"b\"\n", NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_is_fit_for_paths_and_units),
                cmocka_unit_test(both_historic_layouts_have_one),
                cmocka_unit_test(words_of_a_key_are_wiped_before_anything_is_read),
                cmocka_unit_test(a_file_without_a_name_has_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
