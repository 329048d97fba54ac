/* basic/codec: what is encoded comes back, and nothing else is accepted. */
#include "tests/unit/vectors.h"

#include "basic/codec.h"

static void hex_is_lowercase_and_exact(_unused_ void **state) {
        uint8_t bytes[3];
        char text[7];

        hex_encode("\x00\xab\xff", 3, text);
        assert_string_equal(text, "00abff");
        assert_int_equal(hex_decode("00abff", bytes, 3), 0);
        assert_memory_equal(bytes, "\x00\xab\xff", 3);
        assert_int_equal(hex_decode("00abf", bytes, 3), -EINVAL);
        assert_int_equal(hex_decode("00abff0", bytes, 3), -EINVAL);
        assert_int_equal(hex_decode("00ABff", bytes, 3), -EINVAL);
        assert_int_equal(hex_decode("00 bff", bytes, 3), -EINVAL);
        assert_int_equal(hex_decode("", bytes, 0), 0);
}

static void base64_goes_there_and_back(_unused_ void **state) {
        static const struct {
                const char *plain, *text;
        } rows[] = {
                { "", "" },
                { "f", "Zg==" },
                { "fo", "Zm8=" },
                { "foo", "Zm9v" },
                { "foobar", "Zm9vYmFy" },
                { "\xff\xef\xbe", "/+++" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ uint8_t *data = NULL;
                _cleanup_free_ char *text = NULL;
                size_t size;

                assert_int_equal(base64_encode(rows[i].plain, strlen(rows[i].plain), &text), 0);
                assert_string_equal(text, rows[i].text);
                assert_int_equal(base64_decode(text, strlen(text), &data, &size), 0);
                assert_int_equal(size, strlen(rows[i].plain));
                assert_memory_equal(data, rows[i].plain, size);
        }
}

static void base64_refuses_what_is_not_canonical(_unused_ void **state) {
        static const char *const bad[] = { "Zg",
                "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\n",
                "Zg==Zg==", "Zm-_", "=Zm9", "Z=m9" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint8_t *data;
                size_t size;

                assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &data, &size), -EINVAL);
        }
}

static void bech32_knows_the_valid_texts_of_bip_173(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bech32_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "valid")) {
                _cleanup_free_ uint8_t *data = NULL;
                _cleanup_free_ char *hrp = NULL;
                size_t size;
                int r;

                /* Some of them carry five-bit values that are not whole bytes. */
                r = bech32_decode(json_object_get_string(row), 90, &hrp, &data, &size);
                assert_true(r == 0 || r == -EBADMSG);
        }
}

static void bech32_refuses_the_invalid_texts_of_bip_173(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bech32_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "invalid")) {
                uint8_t text[VECTOR_BYTES_MAX] = { 0 }, *data;
                size_t size;
                char *hrp;
                int r;

                row_bytes(row, "bytes_hex", text);
                r = bech32_decode((const char *) text, 90, &hrp, &data, &size);
                assert_true(r == -EINVAL || r == -E2BIG);
        }
}

static void bech32_of_every_length_comes_back(_unused_ void **state) {
        uint8_t bytes[64];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t) (i * 37);
        for (size_t n = 0; n <= sizeof(bytes); n++) {
                _cleanup_free_ char *text = NULL, *hrp = NULL;
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                assert_int_equal(bech32_encode("test", bytes, n, &text), 0);
                assert_int_equal(bech32_decode(text, strlen(text), &hrp, &data, &size), 0);
                assert_string_equal(hrp, "test");
                assert_int_equal(size, n);
                assert_memory_equal(data, bytes, n);
        }
}

static void bech32_keeps_to_the_callers_limit(_unused_ void **state) {
        _cleanup_free_ char *text = NULL;
        uint8_t *data;
        size_t size;
        char *hrp;

        assert_int_equal(bech32_encode("test", (const uint8_t *) "abc", 3, &text), 0);
        assert_int_equal(bech32_decode(text, strlen(text) - 1, &hrp, &data, &size), -E2BIG);
}

static void a_value_in_a_query_survives(_unused_ void **state) {
        static const char *const broken[] = { "%", "%4", "%zz", "%00", "a%4" };
        _cleanup_free_ char *text = NULL, *back = NULL;

        assert_int_equal(percent_encode("a b&c=ü/~_.-+", &text), 0);
        assert_string_equal(text, "a%20b%26c%3D%C3%BC%2F~_.-%2B");
        assert_int_equal(percent_decode(text, strlen(text), &back), 0);
        assert_string_equal(back, "a b&c=ü/~_.-+");
        for (size_t i = 0; i < ELEMENTSOF(broken); i++)
                assert_int_equal(percent_decode(broken[i], strlen(broken[i]), &back), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_value_in_a_query_survives),
                cmocka_unit_test(hex_is_lowercase_and_exact),
                cmocka_unit_test(base64_goes_there_and_back),
                cmocka_unit_test(base64_refuses_what_is_not_canonical),
                cmocka_unit_test(bech32_knows_the_valid_texts_of_bip_173),
                cmocka_unit_test(bech32_refuses_the_invalid_texts_of_bip_173),
                cmocka_unit_test(bech32_of_every_length_comes_back),
                cmocka_unit_test(bech32_keeps_to_the_callers_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
