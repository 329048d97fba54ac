/* The TOML reader: lines, keys, tables and arrays. Scalars are in toml-scalar.c, the tree is in
 * toml-value.c. */
#include "basic/text.h"
#include "basic/toml-internal.h"

static int value(TomlParser *t, TomlValue **ret);

int toml_fail_at(TomlParser *t, const char *at, const char *reason) {
        TomlError *e = t->error;

        *e = (TomlError){ .line = 1, .column = 1, .reason = reason };
        for (const char *p = t->start; p < at; p++)
                if (*p == '\n') {
                        e->line++;
                        e->column = 1;
                } else
                        e->column += (*p & 0xc0) != 0x80;
        return -EBADMSG;
}

void toml_position(TomlParser *t, unsigned *ret_line, unsigned *ret_column) {
        for (; t->counted < t->p; t->counted++)
                if (*t->counted == '\n') {
                        t->line++;
                        t->column = 1;
                } else
                        t->column += (*t->counted & 0xc0) != 0x80;
        *ret_line = t->line;
        *ret_column = t->column;
}

/* Once for all of the file, so that nothing later meets half a character. */
static int check_characters(TomlParser *t) {
        if (!utf8_is_valid(t->start, (size_t) (t->end - t->start)))
                return toml_fail(t, N_("the file is not UTF-8"));

        for (const char *p = t->start; p < t->end; p++) {
                unsigned char c = (unsigned char) *p;
                bool allowed = c == '\t' || c == '\n' ||
                               (c == '\r' && p + 1 < t->end && p[1] == '\n');

                if ((c < 0x20 && !allowed) || c == 0x7f)
                        return toml_fail_at(t, p, N_("control characters are not allowed"));
        }
        return 0;
}

static void skip_comment(TomlParser *t) {
        if (toml_peek(t) == '#')
                while (t->p < t->end && *t->p != '\n' && !toml_looking_at(t, "\r\n"))
                        t->p++;
}

static void skip_blanks_and_lines(TomlParser *t) {
        do {
                toml_skip_blanks(t);
                skip_comment(t);
        } while (toml_newline(t));
}

static int end_of_line(TomlParser *t) {
        toml_skip_blanks(t);
        skip_comment(t);
        if (t->p == t->end || toml_newline(t))
                return 0;
        return toml_fail(t, N_("the line should end here"));
}

static bool is_bare(int c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
}

/* One part of a.dotted."key". */
static int key_part(TomlParser *t, char **ret) {
        _cleanup_free_ char *s = NULL;
        const char *begin = t->p;
        size_t size;
        int r;

        if (toml_peek(t) == '"' || toml_peek(t) == '\'') {
                r = toml_quoted(t, false, &s, &size);
                if (r < 0)
                        return r;
                if (strlen(s) != size)
                        return toml_fail_at(t, begin, N_("a key cannot have a NUL"));
        } else {
                while (is_bare(toml_peek(t)))
                        t->p++;
                if (t->p == begin)
                        return toml_fail(t, N_("a key is expected"));
                s = strndup(begin, (size_t) (t->p - begin));
                if (!s)
                        return -ENOMEM;
        }
        toml_skip_blanks(t);
        *ret = TAKE_PTR(s);
        return 0;
}

static int add_table(TomlParser *t, TomlValue *parent, char **key, TomlOrigin o, TomlValue **ret) {
        TomlValue *table;
        int r;

        r = toml_new(t, TOML_TABLE, o, &table);
        if (r < 0)
                return r;
        toml_position(t, &table->line, &table->column);
        table->key_column = table->column;
        *ret = table;
        return toml_add(parent, key, &table);
}

/* The table that all but the last part of a dotted key name, made where it is not there. */
static int enter_dotted(TomlParser *t, TomlValue **table, char **key) {
        TomlValue *found = toml_find(*table, *key);

        if (!found)
                return add_table(t, *table, key, TOML_DOTTED, table);
        if (found->type != TOML_TABLE || found->origin != TOML_DOTTED)
                return toml_fail(t, N_("this key is defined already, and cannot be added to"));
        *table = found;
        return 0;
}

static int key_value(TomlParser *t, TomlValue *table) {
        _cleanup_(toml_freep) TomlValue *v = NULL;
        _cleanup_free_ char *key = NULL;
        const char *begin = t->p;
        unsigned line, column;
        int r;

        toml_position(t, &line, &column);
        for (unsigned depth = 0;; depth++) {
                r = key_part(t, &key);
                if (r < 0)
                        return r;
                if (!toml_eat(t, "."))
                        break;
                if (depth >= TOML_DEPTH_MAX)
                        return toml_fail(t, N_("the key has too many parts"));
                r = enter_dotted(t, &table, &key);
                if (r < 0)
                        return r;
                key = mfree(key);
                toml_skip_blanks(t);
        }
        if (!toml_eat(t, "="))
                return toml_fail(t, N_("a '=' is expected after the key"));
        if (toml_find(table, key))
                return toml_fail_at(t, begin, N_("this key is there already"));

        toml_skip_blanks(t);
        r = value(t, &v);
        if (r < 0)
                return r;
        v->key_column = column;
        return toml_add(table, &key, &v);
}

static int array(TomlParser *t, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *a = NULL;
        int r;

        r = toml_new(t, TOML_ARRAY, TOML_CLOSED, &a);
        if (r < 0)
                return r;

        for (;;) {
                TomlValue *item;

                skip_blanks_and_lines(t);
                if (toml_eat(t, "]"))
                        break;
                r = value(t, &item);
                if (r < 0)
                        return r;
                r = toml_add(a, NULL, &item);
                if (r < 0)
                        return r;
                skip_blanks_and_lines(t);
                if (toml_eat(t, "]"))
                        break;
                if (!toml_eat(t, ","))
                        return toml_fail(t, N_("a ',' or a ']' is expected"));
        }
        *ret = TAKE_PTR(a);
        return 0;
}

/* All on one line, and no ',' before the '}'. While it is read its dotted keys may be added to. */
static int inline_table(TomlParser *t, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *table = NULL;
        int r;

        r = toml_new(t, TOML_TABLE, TOML_CLOSED, &table);
        if (r < 0)
                return r;

        toml_skip_blanks(t);
        if (!toml_eat(t, "}"))
                for (;;) {
                        toml_skip_blanks(t);
                        r = key_value(t, table);
                        if (r < 0)
                                return r;
                        toml_skip_blanks(t);
                        if (toml_eat(t, "}"))
                                break;
                        if (!toml_eat(t, ","))
                                return toml_fail(t, N_("a ',' or a '}' is expected"));
                }
        *ret = TAKE_PTR(table);
        return 0;
}

static int string(TomlParser *t, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *v = NULL;
        int r;

        r = toml_new(t, TOML_STRING, TOML_CLOSED, &v);
        if (r < 0)
                return r;
        r = toml_quoted(t, true, &v->text.data, &v->text.size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(v);
        return 0;
}

static int value_here(TomlParser *t, TomlValue **ret) {
        if (toml_eat(t, "["))
                return array(t, ret);
        if (toml_eat(t, "{"))
                return inline_table(t, ret);
        if (toml_peek(t) == '"' || toml_peek(t) == '\'')
                return string(t, ret);
        return toml_scalar(t, ret);
}

static int value(TomlParser *t, TomlValue **ret) {
        unsigned line, column;
        int r;

        if (t->depth >= TOML_DEPTH_MAX)
                return toml_fail(t, N_("the values are nested too deeply"));
        toml_position(t, &line, &column);
        t->depth++;
        r = value_here(t, ret);
        t->depth--;
        if (r < 0)
                return r;
        (*ret)->line = line;
        (*ret)->column = (*ret)->key_column = column;
        return 0;
}

/* The table that all but the last part of a [header] name. */
static int enter_header(TomlParser *t, TomlValue **table, char **key) {
        TomlValue *found = toml_find(*table, *key);

        if (!found)
                return add_table(t, *table, key, TOML_IMPLICIT, table);
        if (found->type == TOML_ARRAY && found->origin == TOML_GROWING)
                found = found->list.items[found->list.n - 1];
        if (found->type != TOML_TABLE || found->origin == TOML_CLOSED)
                return toml_fail(t, N_("this is no table that could be added to"));
        *table = found;
        return 0;
}

/* [header] */
static int open_table(TomlParser *t, TomlValue *parent, char **key, TomlValue **ret) {
        TomlValue *found = toml_find(parent, *key);

        if (!found)
                return add_table(t, parent, key, TOML_HEADER, ret);
        if (found->type != TOML_TABLE || found->origin != TOML_IMPLICIT)
                return toml_fail(t, N_("this table is there already"));
        found->origin = TOML_HEADER;
        toml_position(t, &found->line, &found->column);
        found->key_column = found->column;
        *ret = found;
        return 0;
}

/* [[header]] */
static int open_element(TomlParser *t, TomlValue *parent, char **key, TomlValue **ret) {
        TomlValue *list = toml_find(parent, *key), *added;
        int r;

        if (!list) {
                r = toml_new(t, TOML_ARRAY, TOML_GROWING, &added);
                if (r < 0)
                        return r;
                toml_position(t, &added->line, &added->column);
                added->key_column = added->column;
                list = added;
                r = toml_add(parent, key, &added);
                if (r < 0)
                        return r;
        } else if (list->type != TOML_ARRAY || list->origin != TOML_GROWING)
                return toml_fail(t, N_("this key is there already, and is no list of tables"));
        return add_table(t, list, NULL, TOML_HEADER, ret);
}

static int header(TomlParser *t, TomlValue *root, TomlValue **ret) {
        bool element = toml_eat(t, "[[");
        _cleanup_free_ char *key = NULL;
        TomlValue *table = root;
        int r;

        if (!element)
                (void) toml_eat(t, "[");
        for (unsigned depth = 0;; depth++) {
                toml_skip_blanks(t);
                r = key_part(t, &key);
                if (r < 0)
                        return r;
                if (!toml_eat(t, "."))
                        break;
                if (depth >= TOML_DEPTH_MAX)
                        return toml_fail(t, N_("the key has too many parts"));
                r = enter_header(t, &table, &key);
                if (r < 0)
                        return r;
                key = mfree(key);
        }
        if (!toml_looking_at(t, element ? "]]" : "]"))
                return toml_fail(t, element ? N_("']]' is expected") : N_("a ']' is expected"));
        r = element ? open_element(t, table, &key, ret) : open_table(t, table, &key, ret);
        t->p += element ? 2 : 1;
        return r;
}

static int document(TomlParser *t, TomlValue *root) {
        TomlValue *table = root;
        int r;

        r = check_characters(t);
        if (r < 0)
                return r;

        (void) toml_eat(t, "\xef\xbb\xbf");
        for (;;) {
                skip_blanks_and_lines(t);
                if (t->p == t->end)
                        return 0;
                r = toml_peek(t) == '[' ? header(t, root, &table) : key_value(t, table);
                if (r < 0)
                        return r;
                r = end_of_line(t);
                if (r < 0)
                        return r;
        }
}

int toml_parse(const char *text, size_t size, TomlValue **ret, TomlError *ret_error) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        TomlParser t = {
                .start = text,
                .end = text + size,
                .p = text,
                .counted = text,
                .line = 1,
                .column = 1,
                .error = ret_error,
        };
        int r;

        if (size > TOML_SIZE_MAX)
                return toml_fail(&t, N_("the file is too large"));

        r = toml_new(&t, TOML_TABLE, TOML_HEADER, &root);
        if (r < 0)
                return r;
        r = document(&t, root);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(root);
        return 0;
}
