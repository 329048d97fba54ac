/* basic/toml: values, what may be added to what, limits, and where a mistake is. Values are
 * compared with those of Python's tomllib by toml-against-tomllib.py. */
#include "tests/unit/unit.h"

#include <math.h>

#include "basic/buffer.h"
#include "basic/toml.h"

static TomlValue *parse(const char *text) {
        TomlValue *v = NULL;
        TomlError error = { 0 };
        int r = toml_parse(text, strlen(text), &v, &error);

        if (r < 0)
                fail_msg("%u:%u: %s", error.line, error.column, error.reason);
        return v;
}

static TomlError refusal(const char *text, size_t size) {
        TomlValue *v = NULL;
        TomlError error = { 0 };

        assert_int_equal(toml_parse(text, size, &v, &error), -EBADMSG);
        assert_null(v);
        assert_non_null(error.reason);
        return error;
}

static const TomlValue *find(const TomlValue *v, const char *dotted) {
        char part[64];

        while (v && *dotted) {
                size_t n = strcspn(dotted, ".");

                assert_true(n < sizeof(part));
                memcpy(part, dotted, n);
                part[n] = '\0';
                v = toml_get(v, part);
                dotted += n + (dotted[n] == '.');
        }
        assert_non_null(v);
        return v;
}

static void assert_text(const TomlValue *root, const char *key, const char *expected) {
        const char *s;

        assert_int_equal(toml_string(find(root, key), &s), 0);
        assert_string_equal(s, expected);
}

static void assert_number(const TomlValue *root, const char *key, int64_t expected) {
        int64_t n;

        assert_int_equal(toml_integer(find(root, key), &n), 0);
        assert_int_equal(n, expected);
}

static void an_empty_file_is_an_empty_table(_unused_ void **state) {
        static const char *const texts[] = { "", "\n", "# only a comment", "\xef\xbb\xbf", "\r\n" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_(toml_freep) TomlValue *v = parse(texts[i]);

                assert_int_equal(toml_type(v), TOML_TABLE);
                assert_int_equal(toml_size(v), 0);
        }
}

static void strings_have_their_escapes(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v = parse("a = \"tab\\t quote\\\" \\u00e9 \\U0001F600\"\n"
                                                   "b = 'C:\\new'\n"
                                                   "c = \"\"\"\none \\\n   two\n\"\"\"\n"
                                                   "d = '''\n'quoted''''\n"
                                                   "e = \"\"\n");

        assert_text(v, "a", "tab\t quote\" \xc3\xa9 \xf0\x9f\x98\x80");
        assert_text(v, "b", "C:\\new");
        assert_text(v, "c", "one two\n");
        assert_text(v, "d", "'quoted'");
        assert_text(v, "e", "");
}

static void a_string_with_a_nul_is_only_given_as_bytes(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v = parse("a = \"x\\u0000y\"");
        const char *s;
        size_t size;

        assert_int_equal(toml_string(find(v, "a"), &s), -EINVAL);
        assert_int_equal(toml_bytes(find(v, "a"), &s, &size), 0);
        assert_int_equal(size, 3);
        assert_memory_equal(s, "x\0y", 3);
}

static void numbers_have_all_their_forms(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v =
                        parse("a = +1_000\nb = 0xdead_BEEF\nc = 0o755\nd = 0b101\n"
                              "e = -9223372036854775808\nf = 9223372036854775807\n"
                              "g = 6.5e-1\nh = -inf\ni = nan\nj = 1e3\nk = -0\n");
        double d;

        assert_number(v, "a", 1000);
        assert_number(v, "b", 0xdeadbeef);
        assert_number(v, "c", 0755);
        assert_number(v, "d", 5);
        assert_number(v, "e", INT64_MIN);
        assert_number(v, "f", INT64_MAX);
        assert_number(v, "k", 0);
        assert_int_equal(toml_float(find(v, "g"), &d), 0);
        assert_true(d == 0.65);
        assert_int_equal(toml_float(find(v, "h"), &d), 0);
        assert_true(isinf(d) && d < 0);
        assert_int_equal(toml_float(find(v, "i"), &d), 0);
        assert_true(isnan(d));
        assert_int_equal(toml_float(find(v, "j"), &d), 0);
        assert_true(d == 1000);
        assert_int_equal(toml_float(find(v, "a"), &d), -EINVAL);
}

static void dates_keep_their_text(_unused_ void **state) {
        static const char *const dates[] = { "1979-05-27T07:32:00Z",
                "1979-05-27 00:32:00.999-07:00", "1979-05-27T07:32:00", "1979-05-27", "07:32:00.5",
                "2024-02-29" };
        const char *s;
        size_t size;

        for (size_t i = 0; i < ELEMENTSOF(dates); i++) {
                char text[80];
                _cleanup_(toml_freep) TomlValue *v = NULL;

                (void) snprintf(text, sizeof(text), "a = %s # when\n", dates[i]);
                v = parse(text);
                assert_int_equal(toml_type(find(v, "a")), TOML_DATE);
                assert_int_equal(toml_bytes(find(v, "a"), &s, &size), 0);
                assert_string_equal(s, dates[i]);
        }
}

static void tables_come_by_header_by_dots_and_inline(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v = parse("top.dotted.\"key\" = 1\n"
                                                   "[a.b]\nc = 2\n"
                                                   "[a]\nd = 3\n"
                                                   "[x]\ny = { z.w = 4, list = [ 1,\n 2, ] }\n");

        assert_number(v, "top.dotted.key", 1);
        assert_number(v, "a.b.c", 2);
        assert_number(v, "a.d", 3);
        assert_number(v, "x.y.z.w", 4);
        assert_int_equal(toml_size(find(v, "x.y.list")), 2);
}

static void a_list_of_tables_grows_by_its_headers(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v = parse("[[fruit]]\nname = \"apple\"\n"
                                                   "[fruit.taste]\nsweet = true\n"
                                                   "[[fruit]]\nname = \"pear\"\n");
        const TomlValue *fruit = find(v, "fruit");
        bool sweet;

        assert_int_equal(toml_size(fruit), 2);
        assert_text(toml_at(fruit, 0, NULL), "name", "apple");
        assert_int_equal(toml_boolean(find(toml_at(fruit, 0, NULL), "taste.sweet"), &sweet), 0);
        assert_true(sweet);
        assert_text(toml_at(fruit, 1, NULL), "name", "pear");
        assert_null(toml_at(fruit, 2, NULL));
}

static void a_value_knows_where_it_was_written(_unused_ void **state) {
        _cleanup_(toml_freep) TomlValue *v =
                        parse("a = 1\n  \"\xc3\xa9\" = [ 2,\n    3 ]\n[sect]\n");

        assert_int_equal(toml_line(find(v, "a")), 1);
        assert_int_equal(toml_column(find(v, "a")), 5);
        assert_int_equal(toml_line(find(v, "\xc3\xa9")), 2);
        assert_int_equal(toml_key_column(find(v, "\xc3\xa9")), 3);
        assert_int_equal(toml_column(find(v, "\xc3\xa9")), 9);
        assert_int_equal(toml_line(toml_at(find(v, "\xc3\xa9"), 1, NULL)), 3);
        assert_int_equal(toml_column(toml_at(find(v, "\xc3\xa9"), 1, NULL)), 5);
        assert_int_equal(toml_line(find(v, "sect")), 4);
}

static void a_mistake_is_named_with_its_line_and_column(_unused_ void **state) {
        static const struct {
                const char *text;
                unsigned line, column;
                const char *reason;
        } mistakes[] = {
                { "a = 1\nb 2\n", 2, 3, "a '=' is expected after the key" },
                { "a = yes\n", 1, 5, "a value is expected: a string needs quotes" },
                { "a = \"open\n", 1, 5, "the string has no end" },
                { "a = 1\na = 2\n", 2, 1, "this key is there already" },
                { "a = 1 b = 2\n", 1, 7, "the line should end here" },
                { "a = [1 2]\n", 1, 8, "a ',' or a ']' is expected" },
                { "a = {b = 1,}\n", 1, 12, "a key is expected" },
                { "a = 9223372036854775808\n", 1, 24, "the number does not fit into 64 bits" },
                { "a = 012\n", 1, 5, "a number cannot begin with a zero" },
                { "a = 2023-02-29\n", 1, 5, "there is no such date or time" },
                { "a = \"\\q\"\n", 1, 7, "there is no such escape" },
                { "a = \"\\ud800\"\n", 1, 12, "this escape is no character" },
                { "[a]\n[a]\n", 2, 3, "this table is there already" },
                { "[a\n", 1, 3, "a ']' is expected" },
                { "a = {}\n[a.b]\n", 2, 4, "this is no table that could be added to" },
                { "a = []\n[[a]]\n", 2, 4, "this key is there already, and is no list of tables" },
                { "[a.b.c]\n[a]\nb.x = 1\n", 3, 3,
                                "this key is defined already, and cannot be added to" },
                { "a = 1\x01\n", 1, 6, "control characters are not allowed" },
                { "a = 1\rb = 2", 1, 6, "control characters are not allowed" },
                { "\xc3\xa9 = 1\n", 1, 1, "a key is expected" },
                { "a = \"\xc0\xaf\"\n", 1, 1, "the file is not UTF-8" },
                { "\"a\\u0000\" = 1\n", 1, 1, "a key cannot have a NUL" },
                { "\"\"\"a\"\"\" = 1\n", 1, 1, "a key cannot span lines" },
                { "a = 1__0\n", 1, 6, "the line should end here" },
                { "a = 1.\n", 1, 7, "a value is expected: a string needs quotes" },
        };

        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++) {
                TomlError e = refusal(mistakes[i].text, strlen(mistakes[i].text));

                assert_string_equal(e.reason, mistakes[i].reason);
                assert_int_equal(e.line, mistakes[i].line);
                assert_int_equal(e.column, mistakes[i].column);
        }
}

static void depth_size_and_number_of_values_are_limited(_unused_ void **state) {
        _cleanup_buffer_ Buffer deep = { .max = 4096 }, dots = { .max = 4096 },
                                many = { .max = TOML_SIZE_MAX },
                                large = { .max = 2 * TOML_SIZE_MAX };

        assert_int_equal(buffer_add_string(&deep, "a = "), 0);
        for (int i = 0; i < TOML_DEPTH_MAX + 1; i++)
                assert_int_equal(buffer_add_string(&deep, "["), 0);
        assert_string_equal(
                        refusal(deep.data, deep.size).reason, "the values are nested too deeply");

        for (int i = 0; i < TOML_DEPTH_MAX + 2; i++)
                assert_int_equal(buffer_add_string(&dots, "a."), 0);
        assert_string_equal(refusal(dots.data, dots.size).reason, "the key has too many parts");

        assert_int_equal(buffer_add_string(&many, "a = ["), 0);
        for (int i = 0; i < TOML_VALUES_MAX; i++)
                assert_int_equal(buffer_add_string(&many, "1,"), 0);
        assert_string_equal(refusal(many.data, many.size).reason, "the file has too many values");

        while (large.size <= TOML_SIZE_MAX)
                assert_int_equal(buffer_add_string(&large, "################################"), 0);
        assert_string_equal(refusal(large.data, large.size).reason, "the file is too large");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_file_is_an_empty_table),
                cmocka_unit_test(strings_have_their_escapes),
                cmocka_unit_test(a_string_with_a_nul_is_only_given_as_bytes),
                cmocka_unit_test(numbers_have_all_their_forms),
                cmocka_unit_test(dates_keep_their_text),
                cmocka_unit_test(tables_come_by_header_by_dots_and_inline),
                cmocka_unit_test(a_list_of_tables_grows_by_its_headers),
                cmocka_unit_test(a_value_knows_where_it_was_written),
                cmocka_unit_test(a_mistake_is_named_with_its_line_and_column),
                cmocka_unit_test(depth_size_and_number_of_values_are_limited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
