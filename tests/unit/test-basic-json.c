/* basic/json: what json-c lets through and we do not. */
#include "tests/unit/unit.h"

#include "basic/json.h"

static Json *parse_ok(const char *text) {
        const char *reason = "no reason";
        Json *j = NULL;
        int r;

        r = json_parse(text, strlen(text), 8, 64, &j, &reason);
        if (r < 0)
                print_message("# %s: %s\n", reason, text);
        assert_int_equal(r, 0);
        return j;
}

static void assert_refused(const char *text, size_t size, const char *expected) {
        const char *reason = NULL;
        Json *j = NULL;

        assert_int_equal(json_parse(text, size, 4, 16, &j, &reason), -EBADMSG);
        assert_string_equal(reason, expected);
}

static void every_kind_of_value_is_read(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *j = parse_ok(
                        " {\"s\":\"\\u00e9\\n\",\"u\":18446744073709551615,\"i\":-9223372036854775807,"
                        "\"t\":true,\"n\":null,\"a\":[1,2.5e-3,\"x\"],\"o\":{}} ");
        const char *s;
        uint64_t u;
        int64_t i;
        bool t;

        assert_int_equal(json_string(json_get(j, "s"), &s), 0);
        assert_string_equal(s, "é\n");
        assert_int_equal(json_u64(json_get(j, "u"), UINT64_MAX, &u), 0);
        assert_true(u == UINT64_MAX);
        assert_int_equal(json_i64(json_get(j, "u"), &i), -EINVAL);
        assert_int_equal(json_i64(json_get(j, "i"), &i), 0);
        assert_true(i == -INT64_MAX);
        assert_int_equal(json_u64(json_get(j, "i"), UINT64_MAX, &u), -EINVAL);
        assert_int_equal(json_bool(json_get(j, "t"), &t), 0);
        assert_true(t);
        assert_null(json_get(j, "n"));
        assert_null(json_get(j, "not there"));
        assert_int_equal(json_array_size(json_get(j, "a")), 3);
        assert_int_equal(json_u64(json_array_at(json_get(j, "a"), 1), 9, &u), -EINVAL);
        assert_int_equal(json_u64(json_array_at(json_get(j, "a"), 0), 0, &u), -EINVAL);
        assert_null(json_array_at(json_get(j, "a"), 3));
        assert_true(json_is_object(json_get(j, "o")));
        assert_int_equal(json_string(json_get(j, "t"), &s), -EINVAL);
}

static void a_value_may_stand_alone(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *number = parse_ok("17"), *null = parse_ok(" null "),
                                    *text = parse_ok("\"Ping\"");
        uint64_t u;

        assert_int_equal(json_u64(number, 17, &u), 0);
        assert_int_equal(u, 17);
        assert_true(json_is_null(null));
        assert_true(json_is_string(text));
}

static void what_json_c_lets_through_is_refused(_unused_ void **state) {
        static const struct {
                const char *text, *reason;
        } rows[] = {
                { "", "it is not JSON: it ends too early" },
                { "{\"a\":1,\"a\":2}", "a name is in it twice" },
                { "[{\"a\":{\"b\":1,\"b\":2}}]", "a name is in it twice" },
                { "{\"a\\u0000b\":1}", "a name in it holds a NUL" },
                { "NaN", "it is not JSON: a word is unknown" },
                { "[Infinity]", "it is not JSON: a word is unknown" },
                { "-Infinity", "it is not JSON: a number has the wrong form" },
                { "1.", "it is not JSON: a number has the wrong form" },
                { "01", "it is not JSON: a number has the wrong form" },
                { "-", "it is not JSON: a number has the wrong form" },
                { "1e", "it is not JSON: a number has the wrong form" },
                { "+1", "it is not JSON: a word is unknown" },
                { "18446744073709551616", "a number is too large" },
                { "-9223372036854775809", "a number is too large" },
                { "\"\x01\"", "it is not JSON: a control character is in a string" },
                { "\"\\x\"", "it is not JSON: an escape is unknown" },
                { "\"\\u12x4\"", "it is not JSON: an escape is unknown" },
                { "\"\\u1", "it is not JSON: an escape is cut off" },
                { "\"\\", "it is not JSON: an escape is unknown" },
                { "\"abc", "it is not JSON: a string has no end" },
                { "\"\xf5\x80\x80\x80\"", "it is not UTF-8" },
                { "tru", "it is not JSON: a word is unknown" },
                { "[1,]", "it is not JSON: a word is unknown" },
                { "[1 2]", "it is not JSON: a comma or bracket is missing" },
                { "{\"a\" 1}", "it is not JSON: a colon is missing" },
                { "{1:2}", "a text is missing" },
                { "[1]]", "something follows its end" },
                { "[[[[[1]]]]]", "it is nested too deeply" },
                { "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]", "it has too many values" },
                { "/* */ 1", "it is not JSON: a word is unknown" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_refused(rows[i].text, strlen(rows[i].text), rows[i].reason);
        assert_refused("1\0", 2, "something follows its end");
}

static void a_text_with_a_nul_is_bytes_but_no_string(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *j = parse_ok("\"a\\u0000b\"");
        const char *s;
        size_t size;

        assert_int_equal(json_string(j, &s), -EINVAL);
        assert_int_equal(json_bytes(j, &s, &size), 0);
        assert_int_equal(size, 3);
        assert_memory_equal(s, "a\0b", 3);
}

static void names_come_in_their_order(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *j = parse_ok("{\"b\":1,\"a\":null,\"c\":3}");
        const void *cursor = NULL;
        char trail[8] = "";
        const char *key;
        size_t n = 0;
        Json *value;

        while (json_next(j, &cursor, &key, &value))
                trail[n++] = *key;
        assert_string_equal(trail, "bac");
}

typedef struct Point {
        const char *name;
        uint64_t x;
        int64_t y;
        bool visible;
        Json *tags;
} Point;

static const JsonField point_fields[] = {
        { "name", JSON_STRING, offsetof(Point, name), true },
        { "x", JSON_U64, offsetof(Point, x), true },
        { "y", JSON_I64, offsetof(Point, y), false },
        { "visible", JSON_BOOL, offsetof(Point, visible), false },
        { "tags", JSON_ARRAY, offsetof(Point, tags), false },
};

static int read_point(const char *text, Point *ret, const char **ret_field, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = parse_ok(text);

        return json_read(j, point_fields, ELEMENTSOF(point_fields), ret, ret_field, reterr);
}

static void a_table_of_fields_reads_an_object(_unused_ void **state) {
        const char *field, *reason;
        Point p = { .y = 5 };

        assert_int_equal(read_point("{\"name\":\"p\",\"x\":3,\"visible\":true,\"z\":0}", &p, &field,
                                         &reason),
                        0);
        assert_int_equal(p.x, 3);
        assert_int_equal(p.y, 5);
        assert_true(p.visible);

        assert_int_equal(read_point("{\"name\":\"p\"}", &p, &field, &reason), -EBADMSG);
        assert_string_equal(field, "x");
        assert_string_equal(reason, "it is missing");
        assert_int_equal(read_point("{\"name\":7}", &p, &field, &reason), -EBADMSG);
        assert_string_equal(field, "name");
        assert_string_equal(reason, "it is not a text");
        assert_int_equal(read_point("[]", &p, &field, &reason), -EBADMSG);
        assert_null(field);
}

static void strings_are_written_with_nostrs_escapes(_unused_ void **state) {
        static const char text[] = "a\"\\\b\f\n\r\t\x01\x1f\x7f/é\0z";
        _cleanup_buffer_ Buffer b = { .max = 64 };

        assert_int_equal(json_write_string(&b, text, sizeof(text) - 1), 0);
        assert_string_equal(b.data, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/é\\u0000z\"");
        assert_int_equal(json_write_string(&b, "012345678901234567890123456789", 30), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_of_value_is_read),
                cmocka_unit_test(a_value_may_stand_alone),
                cmocka_unit_test(what_json_c_lets_through_is_refused),
                cmocka_unit_test(a_text_with_a_nul_is_bytes_but_no_string),
                cmocka_unit_test(names_come_in_their_order),
                cmocka_unit_test(a_table_of_fields_reads_an_object),
                cmocka_unit_test(strings_are_written_with_nostrs_escapes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
