#include "nostr/filter.h"

#include <ctype.h>
#include <inttypes.h>

#include "basic/json.h"

static char **values_free(char **values, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(values[i]);
        return mfree(values);
}

Filter *filter_free(Filter *f) {
        if (!f)
                return NULL;

        for (size_t i = 0; i < f->n_tags; i++)
                (void) values_free(f->tags[i].values, f->tags[i].n);
        free(f->ids);
        free(f->authors);
        free(f->kinds);
        free(f->tags);
        return mfree(f);
}

static int compare_32(const void *a, const void *b) {
        return memcmp(a, b, 32);
}

static int compare_kinds(const void *a, const void *b) {
        return (int) *(const uint16_t *) a - (int) *(const uint16_t *) b;
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorts, and takes out what is there twice; returns how many are left. */
static size_t sort_unique(
                void *list, size_t n, size_t size, int (*compare)(const void *, const void *)) {
        char *p = list;
        size_t left = MIN(n, (size_t) 1);

        qsort(list, n, size, compare);
        for (size_t i = 1; i < n; i++)
                if (compare(p + i * size, p + (left - 1) * size) != 0)
                        memmove(p + left++ * size, p + i * size, size);
        return left;
}

static int parse_keys(const Json *list, uint8_t (**ret)[32], size_t *ret_n, const char **reterr) {
        _cleanup_free_ uint8_t(*keys)[32] = NULL;
        size_t n = json_array_size(list);

        keys = calloc(MAX(n, (size_t) 1), sizeof(*keys));
        if (!keys)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                const char *hex;

                if (json_string(json_array_at(list, i), &hex) < 0 ||
                                hex_decode(hex, keys[i], 32) < 0) {
                        *reterr = "an id or author in it is not 64 lowercase hex digits";
                        return -EBADMSG;
                }
        }

        *ret_n = sort_unique(keys, n, sizeof(*keys), compare_32);
        *ret = TAKE_PTR(keys);
        return 0;
}

static int parse_kinds(const Json *list, Filter *f, const char **reterr) {
        size_t n = json_array_size(list);

        f->kinds = new0(uint16_t, MAX(n, (size_t) 1));
        if (!f->kinds)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                uint64_t kind;

                if (json_u64(json_array_at(list, i), UINT16_MAX, &kind) < 0) {
                        *reterr = "a kind in it is not a number from 0 to 65535";
                        return -EBADMSG;
                }
                f->kinds[i] = (uint16_t) kind;
        }

        f->n_kinds = sort_unique(f->kinds, n, sizeof(*f->kinds), compare_kinds);
        return 0;
}

/* NIP-01: ids and keys in tags are whole, a prefix never matches. */
static bool tag_value_is_good(char name, const char *value) {
        uint8_t bytes[32];

        return (name != 'e' && name != 'p') || hex_decode(value, bytes, sizeof(bytes)) >= 0;
}

static int parse_tag_values(const Json *list, FilterTag *t, const char **reterr) {
        size_t n = json_array_size(list);

        t->values = new0(char *, MAX(n, (size_t) 1));
        if (!t->values)
                return -ENOMEM;

        for (; t->n < n; t->n++) {
                const char *value;

                if (json_string(json_array_at(list, t->n), &value) < 0 ||
                                !tag_value_is_good(t->name, value)) {
                        *reterr = "a tag value in it is not as NIP-01 has it";
                        return -EBADMSG;
                }
                t->values[t->n] = strdup(value);
                if (!t->values[t->n])
                        return -ENOMEM;
        }

        qsort(t->values, n, sizeof(*t->values), compare_strings);
        return 0;
}

static int parse_tag(const char *key, const Json *list, Filter *f, const char **reterr) {
        FilterTag *tags;

        if (!isalpha((unsigned char) key[1]) || key[2]) {
                *reterr = "a tag in it is not one letter";
                return -EBADMSG;
        }
        if (f->n_tags == FILTER_TAGS_MAX) {
                *reterr = "it has too many tags";
                return -EBADMSG;
        }

        tags = reallocarray(f->tags, f->n_tags + 1, sizeof(*tags));
        if (!tags)
                return -ENOMEM;
        f->tags = tags;
        tags[f->n_tags] = (FilterTag){ .name = key[1] };
        return parse_tag_values(list, &tags[f->n_tags++], reterr);
}

static int parse_list(const char *key, const Json *list, Filter *f, const char **reterr) {
        if (!json_is_array(list)) {
                *reterr = "a list in it is not an array";
                return -EBADMSG;
        }
        if (json_array_size(list) == 0)
                f->nothing = true;

        if (streq(key, "ids"))
                return parse_keys(list, &f->ids, &f->n_ids, reterr);
        if (streq(key, "authors"))
                return parse_keys(list, &f->authors, &f->n_authors, reterr);
        if (streq(key, "kinds"))
                return parse_kinds(list, f, reterr);
        return parse_tag(key, list, f, reterr);
}

static int parse_number(const Json *value, int64_t *ret, const char **reterr) {
        uint64_t u;

        if (json_u64(value, INT64_MAX, &u) < 0) {
                *reterr = "a number in it is not whole or negative";
                return -EBADMSG;
        }
        *ret = (int64_t) u;
        return 0;
}

static int parse_key(const char *key, const Json *value, Filter *f, const char **reterr) {
        if (streq(key, "since"))
                return parse_number(value, &f->since, reterr);
        if (streq(key, "until"))
                return parse_number(value, &f->until, reterr);
        if (streq(key, "limit"))
                return parse_number(value, &f->limit, reterr);
        if (*key == '#' || streq(key, "ids") || streq(key, "authors") || streq(key, "kinds"))
                return parse_list(key, value, f, reterr);

        *reterr = "a key in it is unknown";
        return -EBADMSG;
}

int filter_parse(const char *json, size_t size, Filter **ret, const char **reterr) {
        _cleanup_(filter_freep) Filter *f = NULL;
        _cleanup_(json_unrefp) Json *j = NULL;
        const void *cursor = NULL;
        const char *key;
        Json *value;
        int r;

        if (size > FILTER_SIZE_MAX) {
                *reterr = "it is too large";
                return -E2BIG;
        }

        r = json_parse(json, size, 2, FILTER_VALUES_MAX, &j, reterr);
        if (r < 0)
                return r;
        if (!json_is_object(j)) {
                *reterr = "it is not an object";
                return -EBADMSG;
        }

        f = new0(Filter, 1);
        if (!f)
                return -ENOMEM;
        f->until = INT64_MAX;
        f->limit = -1;

        while (json_next(j, &cursor, &key, &value)) {
                r = parse_key(key, value, f, reterr);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(f);
        return 0;
}

static int write_key(Buffer *b, const char *key) {
        return buffer_addf(b, "%s\"%s\":", b->data[b->size - 1] == '{' ? "" : ",", key);
}

static int write_keys(Buffer *b, const char *key, const uint8_t (*keys)[32], size_t n) {
        int r;

        r = write_key(b, key);
        for (size_t i = 0; i < n && r >= 0; i++) {
                char hex[HEX32_MAX];

                hex_encode(keys[i], 32, hex);
                r = buffer_addf(b, "%c\"%s\"", i == 0 ? '[' : ',', hex);
        }
        return r < 0 ? r : buffer_add_string(b, n == 0 ? "[]" : "]");
}

static int write_kinds(Buffer *b, const Filter *f) {
        int r;

        r = write_key(b, "kinds");
        for (size_t i = 0; i < f->n_kinds && r >= 0; i++)
                r = buffer_addf(b, "%c%u", i == 0 ? '[' : ',', f->kinds[i]);
        return r < 0 ? r : buffer_add_string(b, f->n_kinds == 0 ? "[]" : "]");
}

static int write_tag(Buffer *b, const FilterTag *t) {
        int r;

        r = write_key(b, (const char[]){ '#', t->name, 0 });
        for (size_t i = 0; i < t->n && r >= 0; i++) {
                r = buffer_add_string(b, i == 0 ? "[" : ",");
                if (r >= 0)
                        r = json_write_string(b, t->values[i], strlen(t->values[i]));
        }
        return r < 0 ? r : buffer_add_string(b, t->n == 0 ? "[]" : "]");
}

static int write_number(Buffer *b, const char *key, int64_t n) {
        int r;

        r = write_key(b, key);
        return r < 0 ? r : buffer_addf(b, "%" PRIi64, n);
}

int filter_write(const Filter *f, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{");
        if (r >= 0 && f->ids)
                r = write_keys(b, "ids", f->ids, f->n_ids);
        if (r >= 0 && f->authors)
                r = write_keys(b, "authors", f->authors, f->n_authors);
        if (r >= 0 && f->kinds)
                r = write_kinds(b, f);
        for (size_t i = 0; i < f->n_tags && r >= 0; i++)
                r = write_tag(b, f->tags + i);
        if (r >= 0 && f->since > 0)
                r = write_number(b, "since", f->since);
        if (r >= 0 && f->until < INT64_MAX)
                r = write_number(b, "until", f->until);
        if (r >= 0 && f->limit >= 0)
                r = write_number(b, "limit", f->limit);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static bool has(const void *key, const void *list, size_t n, size_t size,
                int (*compare)(const void *, const void *)) {
        return n == 0 || bsearch(key, list, n, size, compare);
}

static bool tag_matches(const FilterTag *f, const Event *e) {
        const char name[] = { f->name, 0 };
        const Tag *t = NULL;

        while ((t = event_find_tag(e, name, t)))
                if (t->n >= 2 && bsearch(&t->values[1], f->values, f->n, sizeof(*f->values),
                                                 compare_strings))
                        return true;
        return false;
}

bool filter_matches(const Filter *f, const Event *e) {
        uint16_t kind = event_kind(e);

        if (f->nothing || event_created_at(e) < f->since || event_created_at(e) > f->until)
                return false;
        if (!has(&kind, f->kinds, f->n_kinds, sizeof(kind), compare_kinds) ||
                        !has(event_id(e), f->ids, f->n_ids, 32, compare_32) ||
                        !has(event_pubkey(e), f->authors, f->n_authors, 32, compare_32))
                return false;

        for (size_t i = 0; i < f->n_tags; i++)
                if (!tag_matches(f->tags + i, e))
                        return false;
        return true;
}
