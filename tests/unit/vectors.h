#pragma once
/* The official test vectors that are JSON, row by row. */
#include "tests/unit/unit.h"

#include <json-c/json.h>

#define VECTOR_BYTES_MAX 256

/* A file of vectors_read(), parsed; the caller puts it. */
struct json_object *vectors_json(const char *name);

/* What a row has under a key; the test fails where it is not there. */
struct json_object *row_get(struct json_object *row, const char *key);
const char *row_string(struct json_object *row, const char *key);
int row_int(struct json_object *row, const char *key);
/* Hex of any case; returns the number of bytes, at most VECTOR_BYTES_MAX. */
size_t row_bytes(struct json_object *row, const char *key, uint8_t ret[static VECTOR_BYTES_MAX]);
size_t hex_bytes(const char *hex, uint8_t ret[static VECTOR_BYTES_MAX]);

#define ROWS_FOREACH(row, list)                                  \
        for (size_t _i = 0, _n = json_object_array_length(list); \
                        _i < _n && ((row) = json_object_array_get_idx((list), _i), true); _i++)

static inline void json_object_putp(struct json_object **j) {
        (void) json_object_put(*j);
}
#define _cleanup_json_object_ _cleanup_(json_object_putp)
