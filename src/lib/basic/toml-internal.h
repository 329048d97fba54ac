#pragma once
/* What the three files of the TOML reader share: the parser's position and the tree's inside. */
#include "basic/toml.h"

/* How a table or array came to be decides whether a later line may add to it. */
typedef enum TomlOrigin {
        TOML_IMPLICIT, /* only as the parent of a [header] */
        TOML_HEADER,   /* its own [header], or an element of [[headers]] */
        TOML_DOTTED,   /* by a dotted key */
        TOML_CLOSED,   /* written inline: complete */
        TOML_GROWING,  /* an array of [[headers]] */
} TomlOrigin;

struct TomlValue {
        TomlType type;
        TomlOrigin origin;
        unsigned line, column, key_column;
        union {
                struct {
                        char *data;
                        size_t size;
                } text; /* string, date */
                int64_t integer;
                double real;
                bool boolean;
                struct {
                        TomlValue **items;
                        char **keys; /* of a table */
                        size_t n, allocated;
                } list; /* array, table */
        };
};

typedef struct TomlParser {
        const char *start, *end, *p;
        /* Up to where lines have been counted: each is counted once. */
        const char *counted;
        unsigned line, column;
        unsigned depth;
        size_t n_values;
        TomlError *error;
} TomlParser;

/* toml-value.c */
int toml_new(TomlParser *t, TomlType type, TomlOrigin origin, TomlValue **ret);
TomlValue *toml_find(const TomlValue *table, const char *key);
/* Takes the value, and *key too, in any case; they are NULL afterwards. */
int toml_add(TomlValue *list, char **key, TomlValue **value);

/* toml.c */
int toml_fail_at(TomlParser *t, const char *at, const char *reason);
static inline int toml_fail(TomlParser *t, const char *reason) {
        (void) toml_fail_at(t, t->p, reason);
        return -EBADMSG;
}
/* The line and column of the position; it must not go back between two calls. */
void toml_position(TomlParser *t, unsigned *ret_line, unsigned *ret_column);
static inline int toml_peek(const TomlParser *t) {
        return t->p < t->end ? (unsigned char) *t->p : -1;
}
static inline bool toml_looking_at(const TomlParser *t, const char *s) {
        size_t n = strlen(s);

        return (size_t) (t->end - t->p) >= n && memcmp(t->p, s, n) == 0;
}
static inline bool toml_eat(TomlParser *t, const char *s) {
        if (!toml_looking_at(t, s))
                return false;
        t->p += strlen(s);
        return true;
}
static inline void toml_skip_blanks(TomlParser *t) {
        while (toml_peek(t) == ' ' || toml_peek(t) == '\t')
                t->p++;
}
static inline bool toml_newline(TomlParser *t) {
        return toml_eat(t, "\n") || toml_eat(t, "\r\n");
}

/* toml-scalar.c. A quoted string at the position, as bytes with a NUL behind them. */
int toml_quoted(TomlParser *t, bool may_span_lines, char **ret, size_t *ret_size);
/* Boolean, number, date or time. */
int toml_scalar(TomlParser *t, TomlValue **ret);
