#pragma once
/* JSON from strangers, read strictly, and JSON for others, written canonically. json-c parses; what
 * it lets through (bad UTF-8, NaN, huge integers, keys cut at NUL) is refused here.
 *
 * Json is json-c's own object: borrowed pointers live as long as the root. */
#include "basic/buffer.h"

typedef struct json_object Json;

/* One whole value and nothing behind it. -EBADMSG with a reason; -ENOMEM. `values_max` limits what
 * a short text may blow up to: the number of values in it, names included. Refused as well: a name
 * twice in one object or with a NUL inside, whole numbers beyond 64 bits, anything not UTF-8. */
int json_parse(const char *text, size_t size, unsigned depth_max, size_t values_max, Json **ret,
                const char **reterr);
Json *json_unref(Json *j);
DEFINE_CLEANUP(Json, json_unref)

bool json_is_object(const Json *j);
bool json_is_array(const Json *j);
bool json_is_string(const Json *j);
bool json_is_null(const Json *j);
bool json_is_number(const Json *j);

size_t json_array_size(const Json *j);
Json *json_array_at(const Json *j, size_t i);   /* NULL behind the end and for null */
Json *json_get(const Json *j, const char *key); /* NULL: not there */

/* -EINVAL: another type or out of range. A string with a NUL inside is refused by json_string(). */
int json_string(const Json *j, const char **ret);
int json_bytes(const Json *j, const char **ret, size_t *ret_size);
int json_u64(const Json *j, uint64_t max, uint64_t *ret);
int json_i64(const Json *j, int64_t *ret);
int json_bool(const Json *j, bool *ret);

/* Keys of an object in their order. Start with *cursor = NULL; false at the end. */
bool json_next(const Json *j, const void **cursor, const char **ret_key, Json **ret_value);

/* A table of fields instead of code: name, what it must be, where it goes, whether it must be
 * there. */
typedef enum JsonType {
        JSON_STRING, /* const char * into the tree */
        JSON_U64,    /* uint64_t */
        JSON_I64,    /* int64_t */
        JSON_BOOL,   /* bool */
        JSON_ARRAY,  /* Json * */
        JSON_OBJECT, /* Json * */
} JsonType;

typedef struct JsonField {
        const char *name;
        JsonType type;
        size_t offset;
        bool required;
} JsonField;

/* Unknown keys are ignored. The reason names no key; *ret_field does. */
int json_read(const Json *j, const JsonField *fields, size_t n_fields, void *base,
                const char **ret_field, const char **reterr);

/* Writing: NIP-01's escapes, which are also JSON's; C0 controls as \u00xx, all else verbatim. */
int json_write_string(Buffer *b, const char *s, size_t size); /* with the quotes */
size_t json_string_size(const char *s, size_t size);          /* what that would take */
int json_write(Buffer *b, const Json *j); /* a value; numbers as they were read */
char *json_put_string(char *at, const char *s, size_t size); /* there is room; returns the end */
