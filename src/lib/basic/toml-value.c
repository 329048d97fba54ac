/* The tree that the TOML reader builds. Tables keep the order of the file and are searched from the
 * front: TOML_VALUES_MAX keeps that cheap even for a hostile file. */
#include "basic/toml-internal.h"

int toml_new(TomlParser *t, TomlType type, TomlOrigin origin, TomlValue **ret) {
        TomlValue *v;

        if (++t->n_values > TOML_VALUES_MAX)
                return toml_fail(t, N_("the file has too many values"));

        v = new0(TomlValue, 1);
        if (!v)
                return -ENOMEM;

        v->type = type;
        v->origin = origin;
        *ret = v;
        return 0;
}

static bool has_list(const TomlValue *v) {
        return v->type == TOML_ARRAY || v->type == TOML_TABLE;
}

TomlValue *toml_free(TomlValue *v) {
        if (!v)
                return NULL;
        if (has_list(v)) {
                for (size_t i = 0; i < v->list.n; i++) {
                        toml_free(v->list.items[i]);
                        if (v->type == TOML_TABLE)
                                free(v->list.keys[i]);
                }
                free(v->list.items);
                free(v->list.keys);
        } else if (v->type == TOML_STRING || v->type == TOML_DATE)
                free(v->text.data);
        free(v);
        return NULL;
}

static int list_grow(TomlValue *v) {
        size_t n = v->list.allocated > 0 ? 2 * v->list.allocated : 8;
        TomlValue **items;
        char **keys;

        items = reallocarray(v->list.items, n, sizeof(*items));
        if (!items)
                return -ENOMEM;
        v->list.items = items;
        if (v->type == TOML_TABLE) {
                keys = reallocarray(v->list.keys, n, sizeof(*keys));
                if (!keys)
                        return -ENOMEM;
                v->list.keys = keys;
        }
        v->list.allocated = n;
        return 0;
}

int toml_add(TomlValue *list, char **key, TomlValue **value) {
        if (list->list.n == list->list.allocated && list_grow(list) < 0) {
                if (key)
                        *key = mfree(*key);
                *value = toml_free(*value);
                return -ENOMEM;
        }
        if (key)
                list->list.keys[list->list.n] = TAKE_PTR(*key);
        list->list.items[list->list.n++] = TAKE_PTR(*value);
        return 0;
}

TomlValue *toml_find(const TomlValue *table, const char *key) {
        for (size_t i = 0; i < table->list.n; i++)
                if (streq(table->list.keys[i], key))
                        return table->list.items[i];
        return NULL;
}

TomlType toml_type(const TomlValue *v) {
        return v->type;
}

unsigned toml_line(const TomlValue *v) {
        return v->line;
}

unsigned toml_column(const TomlValue *v) {
        return v->column;
}

unsigned toml_key_column(const TomlValue *v) {
        return v->key_column;
}

int toml_bytes(const TomlValue *v, const char **ret, size_t *ret_size) {
        if (v->type != TOML_STRING && v->type != TOML_DATE)
                return -EINVAL;
        *ret = v->text.data;
        *ret_size = v->text.size;
        return 0;
}

int toml_string(const TomlValue *v, const char **ret) {
        if (v->type != TOML_STRING || strlen(v->text.data) != v->text.size)
                return -EINVAL;
        *ret = v->text.data;
        return 0;
}

int toml_integer(const TomlValue *v, int64_t *ret) {
        if (v->type != TOML_INTEGER)
                return -EINVAL;
        *ret = v->integer;
        return 0;
}

int toml_float(const TomlValue *v, double *ret) {
        if (v->type != TOML_FLOAT)
                return -EINVAL;
        *ret = v->real;
        return 0;
}

int toml_boolean(const TomlValue *v, bool *ret) {
        if (v->type != TOML_BOOLEAN)
                return -EINVAL;
        *ret = v->boolean;
        return 0;
}

size_t toml_size(const TomlValue *v) {
        return has_list(v) ? v->list.n : 0;
}

const TomlValue *toml_at(const TomlValue *v, size_t i, const char **ret_key) {
        if (i >= toml_size(v))
                return NULL;
        if (ret_key)
                *ret_key = v->type == TOML_TABLE ? v->list.keys[i] : NULL;
        return v->list.items[i];
}

const TomlValue *toml_get(const TomlValue *table, const char *key) {
        return table->type == TOML_TABLE ? toml_find(table, key) : NULL;
}
