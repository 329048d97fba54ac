#include "basic/json.h"

#include <limits.h>

#define json_bool json_c_bool /* json-c has a type of our function's name */
#include <json-c/json.h>
#undef json_bool

#include "basic/scan.h"

/* How many names the tree holds: fewer than the text where one came twice and json-c kept the last.
 * Bounded by the depth that was checked before. */
static size_t count_keys(const Json *j) {
        size_t n = 0;

        if (json_is_array(j))
                for (size_t i = 0; i < json_array_size(j); i++)
                        n += count_keys(json_array_at(j, i));

        if (json_is_object(j)) {
                const void *cursor = NULL;
                const char *key;
                Json *value;

                while (json_next(j, &cursor, &key, &value))
                        n += 1 + count_keys(value);
        }
        return n;
}

static int parse_tree(const char *text, size_t size, unsigned depth_max, Json **ret) {
        struct json_tokener *t;
        Json *j;

        t = json_tokener_new_ex((int) depth_max + 1);
        if (!t)
                return -ENOMEM;

        json_tokener_set_flags(t, JSON_TOKENER_STRICT);
        j = json_tokener_parse_ex(t, text, (int) size);
        /* A bare number at the very end could go on, for all json-c knows: the NUL ends it. */
        if (!j && json_tokener_get_error(t) == json_tokener_continue)
                j = json_tokener_parse_ex(t, "", 1);
        json_tokener_free(t);

        *ret = j;
        return 0;
}

int json_parse(const char *text, size_t size, unsigned depth_max, size_t values_max, Json **ret,
                const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        bool null;
        Scan s;
        int r;

        if (size > INT_MAX / 2) {
                *reterr = "it is too long";
                return -EBADMSG;
        }

        /* The text is checked before json-c sees it: after this only memory can fail. */
        r = scan_start(&s, text, size, depth_max, values_max);
        null = r >= 0 && scan_peek(&s) == 'n';
        if (r >= 0)
                r = scan_skip(&s) ?: scan_end(&s);
        if (r < 0) {
                *reterr = s.reason;
                return r;
        }

        r = parse_tree(text, size, depth_max, &j);
        if (r < 0)
                return r;
        if (!j && !null)
                return -ENOMEM;

        if (count_keys(j) != s.n_keys) {
                *reterr = "a name is in it twice";
                return -EBADMSG;
        }

        *ret = TAKE_PTR(j);
        return 0;
}

Json *json_unref(Json *j) {
        (void) json_object_put(j);
        return NULL;
}

bool json_is_object(const Json *j) {
        return json_object_is_type(j, json_type_object);
}

bool json_is_array(const Json *j) {
        return json_object_is_type(j, json_type_array);
}

bool json_is_string(const Json *j) {
        return json_object_is_type(j, json_type_string);
}

bool json_is_null(const Json *j) {
        return !j;
}

bool json_is_number(const Json *j) {
        return json_object_is_type(j, json_type_int) || json_object_is_type(j, json_type_double);
}

size_t json_array_size(const Json *j) {
        return json_is_array(j) ? json_object_array_length(j) : 0;
}

Json *json_array_at(const Json *j, size_t i) {
        return i < json_array_size(j) ? json_object_array_get_idx(j, i) : NULL;
}

Json *json_get(const Json *j, const char *key) {
        Json *value = NULL;

        return json_is_object(j) && json_object_object_get_ex(j, key, &value) ? value : NULL;
}

/* json-c's getters take no const, though they do not change a string or a number. */
static Json *writable(const Json *j) {
        return (Json *) j;
}

int json_bytes(const Json *j, const char **ret, size_t *ret_size) {
        if (!json_is_string(j))
                return -EINVAL;

        *ret = json_object_get_string(writable(j));
        *ret_size = (size_t) json_object_get_string_len(j);
        return 0;
}

int json_string(const Json *j, const char **ret) {
        const char *s;
        size_t size;
        int r;

        r = json_bytes(j, &s, &size);
        if (r < 0)
                return r;
        if (strlen(s) != size)
                return -EINVAL;

        *ret = s;
        return 0;
}

int json_u64(const Json *j, uint64_t max, uint64_t *ret) {
        uint64_t u;

        if (!json_object_is_type(j, json_type_int) || json_object_get_int64(j) < 0)
                return -EINVAL;

        u = json_object_get_uint64(j);
        if (u > max)
                return -EINVAL;

        *ret = u;
        return 0;
}

int json_i64(const Json *j, int64_t *ret) {
        if (!json_object_is_type(j, json_type_int) || json_object_get_uint64(j) > INT64_MAX)
                return -EINVAL;

        *ret = json_object_get_int64(j);
        return 0;
}

int json_bool(const Json *j, bool *ret) {
        if (!json_object_is_type(j, json_type_boolean))
                return -EINVAL;

        *ret = json_object_get_boolean(j);
        return 0;
}

bool json_next(const Json *j, const void **cursor, const char **ret_key, Json **ret_value) {
        const struct lh_entry *e = *cursor;

        if (!json_is_object(j))
                return false;

        e = e ? lh_entry_next(e) : lh_table_head(json_object_get_object(j));
        if (!e)
                return false;

        *ret_key = lh_entry_k(e);
        *ret_value = lh_entry_v(e);
        *cursor = e;
        return true;
}

static int read_string(const Json *j, void *ret) {
        return json_string(j, ret);
}

static int read_u64(const Json *j, void *ret) {
        return json_u64(j, UINT64_MAX, ret);
}

static int read_i64(const Json *j, void *ret) {
        return json_i64(j, ret);
}

static int read_bool(const Json *j, void *ret) {
        return json_bool(j, ret);
}

static int read_array(const Json *j, void *ret) {
        *(Json **) ret = writable(j);
        return json_is_array(j) ? 0 : -EINVAL;
}

static int read_object(const Json *j, void *ret) {
        *(Json **) ret = writable(j);
        return json_is_object(j) ? 0 : -EINVAL;
}

static const struct {
        int (*read)(const Json *j, void *ret);
        const char *otherwise;
} json_types[] = {
        [JSON_STRING] = { read_string, "it is not a text" },
        [JSON_U64] = { read_u64, "it is not a whole number from 0 on" },
        [JSON_I64] = { read_i64, "it is not a whole number" },
        [JSON_BOOL] = { read_bool, "it is neither true nor false" },
        [JSON_ARRAY] = { read_array, "it is not an array" },
        [JSON_OBJECT] = { read_object, "it is not an object" },
};

int json_read(const Json *j, const JsonField *fields, size_t n_fields, void *base,
                const char **ret_field, const char **reterr) {
        *ret_field = NULL;
        if (!json_is_object(j)) {
                *reterr = "it is not an object";
                return -EBADMSG;
        }

        for (const JsonField *f = fields; f < fields + n_fields; f++) {
                const Json *value = json_get(j, f->name);

                if (!value && !f->required)
                        continue;

                if (!value || json_types[f->type].read(value, (char *) base + f->offset) < 0) {
                        *ret_field = f->name;
                        *reterr = value ? json_types[f->type].otherwise : "it is missing";
                        return -EBADMSG;
                }
        }
        return 0;
}

/* What follows the backslash, or 0 for a character that is written as it is. */
static char escape_letter(uint8_t c) {
        switch (c) {
        case '"':
        case '\\':
                return (char) c;
        case '\b':
                return 'b';
        case '\f':
                return 'f';
        case '\n':
                return 'n';
        case '\r':
                return 'r';
        case '\t':
                return 't';
        default:
                return c < 0x20 ? 'u' : 0;
        }
}

static bool is_plain(char c) {
        return (uint8_t) c >= 0x20 && c != '"' && c != '\\';
}

size_t json_string_size(const char *s, size_t size) {
        size_t n = 2;

        for (size_t i = 0; i < size; i++) {
                char letter = is_plain(s[i]) ? 0 : escape_letter((uint8_t) s[i]);

                n += letter == 0 ? 1 : letter == 'u' ? 6 : 2;
        }
        return n;
}

char *json_put_string(char *at, const char *s, size_t size) {
        static const char digits[] = "0123456789abcdef";
        const char *end = s + size;

        *at++ = '"';
        while (s < end) {
                const char *from = s;
                char letter;

                while (s < end && is_plain(*s))
                        s++;
                memcpy(at, from, (size_t) (s - from));
                at += s - from;
                if (s == end)
                        break;

                letter = escape_letter((uint8_t) *s);
                *at++ = '\\';
                *at++ = letter;
                if (letter == 'u') {
                        *at++ = '0';
                        *at++ = '0';
                        *at++ = digits[(uint8_t) *s >> 4];
                        *at++ = digits[*s & 0xf];
                }
                s++;
        }
        *at++ = '"';
        return at;
}

int json_write_string(Buffer *b, const char *s, size_t size) {
        int r;

        if (size > b->max) /* keeps the sum below from running over */
                return -ENOBUFS;

        r = buffer_reserve(b, json_string_size(s, size));
        if (r < 0)
                return r;

        b->size = (size_t) (json_put_string(b->data + b->size, s, size) - b->data);
        b->data[b->size] = 0;
        return 0;
}

int json_write(Buffer *b, const Json *j) {
        size_t size = 0;
        const char *text = json_object_to_json_string_length(writable(j),
                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

        return text ? buffer_add(b, text, size) : -ENOMEM;
}
