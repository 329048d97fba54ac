#pragma once
/* TOML 1.0, read strictly into a small tree in which each value knows where it was written.
 *
 * Dates and times are kept as their text. A NUL in a key is refused; in a string it is allowed, but
 * toml_string() does not hand such a string out. */
#include "basic/macro.h"

typedef enum TomlType {
        TOML_STRING,
        TOML_INTEGER,
        TOML_FLOAT,
        TOML_BOOLEAN,
        TOML_DATE,
        TOML_ARRAY,
        TOML_TABLE,
        _TOML_TYPE_MAX,
} TomlType;

typedef struct TomlValue TomlValue;

typedef struct TomlError {
        unsigned line, column; /* from 1; columns count characters */
        const char *reason;
} TomlError;

#define TOML_SIZE_MAX   (1024 * 1024)
#define TOML_DEPTH_MAX  32
#define TOML_VALUES_MAX 10000

/* A table. -EBADMSG with *ret_error, -ENOMEM. */
int toml_parse(const char *text, size_t size, TomlValue **ret, TomlError *ret_error);
TomlValue *toml_free(TomlValue *v);
DEFINE_CLEANUP(TomlValue, toml_free)

TomlType toml_type(const TomlValue *v);
unsigned toml_line(const TomlValue *v);
unsigned toml_column(const TomlValue *v);
unsigned toml_key_column(const TomlValue *v); /* of its key, on the same line */

/* -EINVAL: another type. */
int toml_string(const TomlValue *v, const char **ret);
int toml_bytes(const TomlValue *v, const char **ret, size_t *ret_size); /* strings and dates */
int toml_integer(const TomlValue *v, int64_t *ret);
int toml_float(const TomlValue *v, double *ret);
int toml_boolean(const TomlValue *v, bool *ret);

size_t toml_size(const TomlValue *v); /* of an array or a table, else 0 */
const TomlValue *toml_at(const TomlValue *v, size_t i, const char **ret_key); /* of both */
const TomlValue *toml_get(const TomlValue *table, const char *key);           /* NULL: not there */
