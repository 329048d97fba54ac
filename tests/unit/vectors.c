#include "tests/unit/vectors.h"

#include <ctype.h>

struct json_object *vectors_json(const char *name) {
        _cleanup_free_ char *text = vectors_read(name);
        struct json_object *j = json_tokener_parse(text);

        assert_non_null(j);
        return j;
}

struct json_object *row_get(struct json_object *row, const char *key) {
        struct json_object *j = NULL;

        if (!json_object_object_get_ex(row, key, &j))
                fail_msg("no \"%s\" in %s", key, json_object_to_json_string(row));
        return j;
}

const char *row_string(struct json_object *row, const char *key) {
        return json_object_get_string(row_get(row, key));
}

int row_int(struct json_object *row, const char *key) {
        return json_object_get_int(row_get(row, key));
}

size_t hex_bytes(const char *hex, uint8_t ret[static VECTOR_BYTES_MAX]) {
        static const char digits[] = "0123456789abcdef";
        size_t n = strlen(hex) / 2;

        assert_true(n <= VECTOR_BYTES_MAX && strlen(hex) % 2 == 0);
        for (size_t i = 0; i < 2 * n; i++) {
                const char *d = strchr(digits, tolower((unsigned char) hex[i]));

                assert_non_null(d);
                ret[i / 2] = (uint8_t) (ret[i / 2] << 4 | (d - digits));
        }
        return n;
}

size_t row_bytes(struct json_object *row, const char *key, uint8_t ret[static VECTOR_BYTES_MAX]) {
        return hex_bytes(row_string(row, key), ret);
}
