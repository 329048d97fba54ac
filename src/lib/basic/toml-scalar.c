/* TOML's scalars: strings with their escapes, booleans, numbers, dates and times. */
#include <math.h>
#include <stdio.h>

#include "basic/toml-internal.h"

#define NUMBER_MAX 80

static bool is_digit(int c) {
        return c >= '0' && c <= '9';
}

static int hex_value(int c) {
        if (is_digit(c))
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(char *o, uint32_t c) {
        if (c < 0x80) {
                o[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                o[0] = (char) (0xc0 | c >> 6);
                o[1] = (char) (0x80 | (c & 63));
                return 2;
        }
        if (c < 0x10000) {
                o[0] = (char) (0xe0 | c >> 12);
                o[1] = (char) (0x80 | (c >> 6 & 63));
                o[2] = (char) (0x80 | (c & 63));
                return 3;
        }
        o[0] = (char) (0xf0 | c >> 18);
        o[1] = (char) (0x80 | (c >> 12 & 63));
        o[2] = (char) (0x80 | (c >> 6 & 63));
        o[3] = (char) (0x80 | (c & 63));
        return 4;
}

/* \uXXXX or \UXXXXXXXX, the position is on the u. */
static int unicode_escape(TomlParser *t, char **o) {
        int n = *t->p == 'u' ? 4 : 8;
        uint32_t c = 0;

        t->p++;
        for (; n > 0; n--, t->p++) {
                int digit = hex_value(toml_peek(t));

                if (digit < 0)
                        return toml_fail(t, N_("a \\u escape needs 4 hex digits, \\U needs 8"));
                c = c << 4 | (uint32_t) digit;
        }
        if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                return toml_fail(t, N_("this escape is no character"));
        *o += put_utf8(*o, c);
        return 0;
}

/* What follows a backslash. What an escape makes is never longer than the escape. */
static int escape(TomlParser *t, bool multi, char **o) {
        static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
        int c = toml_peek(t);
        const char *hit = c > 0 ? strchr(from, c) : NULL;

        if (hit) {
                *(*o)++ = to[hit - from];
                t->p++;
                return 0;
        }
        if (c == 'u' || c == 'U')
                return unicode_escape(t, o);
        if (!multi)
                return toml_fail(t, N_("there is no such escape"));

        /* A backslash at the end of a line swallows all blanks up to the next text. */
        toml_skip_blanks(t);
        if (!toml_newline(t))
                return toml_fail(t, N_("there is no such escape"));
        do
                toml_skip_blanks(t);
        while (toml_newline(t));
        return 0;
}

/* At the end of a string? Three quotes end one of several lines; up to two more belong to it. */
static bool string_end(TomlParser *t, bool multi, const char *quotes, char **o) {
        if (!multi)
                return toml_eat(t, (const char[]){ quotes[0], '\0' });
        if (!toml_eat(t, quotes))
                return false;
        for (int i = 0; i < 2 && toml_peek(t) == quotes[0]; i++)
                *(*o)++ = *t->p++;
        return true;
}

int toml_quoted(TomlParser *t, bool may_span_lines, char **ret, size_t *ret_size) {
        const char *begin = t->p, quotes[] = { *t->p, *t->p, *t->p, '\0' };
        bool multi = toml_looking_at(t, quotes), literal = *t->p == '\'';
        _cleanup_free_ char *out = NULL;
        char *o;
        int r;

        if (multi && !may_span_lines)
                return toml_fail(t, N_("a key cannot span lines"));
        t->p += multi ? 3 : 1;
        if (multi)
                (void) toml_newline(t);

        o = out = malloc((size_t) (t->end - t->p) + 1);
        if (!out)
                return -ENOMEM;

        while (!string_end(t, multi, quotes, &o)) {
                int c = toml_peek(t);

                if (c < 0 || (!multi && (c == '\n' || c == '\r')))
                        return toml_fail_at(t, begin, N_("the string has no end"));
                *o = *t->p++;
                if (c != '\\' || literal) {
                        o++;
                        continue;
                }
                r = escape(t, multi, &o);
                if (r < 0)
                        return r;
        }

        *o = '\0';
        *ret_size = (size_t) (o - out);
        *ret = realloc(out, *ret_size + 1) ?: out; /* a short string in a long file */
        (void) TAKE_PTR(out);
        return 0;
}

static bool digits(const TomlParser *t, const char **p, int n, int min, int max, int *ret) {
        int v = 0;

        for (; n > 0; n--, (*p)++) {
                if (*p >= t->end || !is_digit(**p))
                        return false;
                v = v * 10 + (**p - '0');
        }
        *ret = v;
        return v >= min && v <= max;
}

static bool one_of(const TomlParser *t, const char **p, const char *set) {
        if (*p >= t->end || !**p || !strchr(set, **p))
                return false;
        (*p)++;
        return true;
}

/* YYYY-MM-DD */
static bool date(const TomlParser *t, const char **p) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int y, m, d;

        if (!digits(t, p, 4, 0, 9999, &y) || !one_of(t, p, "-") || !digits(t, p, 2, 1, 12, &m) ||
                        !one_of(t, p, "-") || !digits(t, p, 2, 1, 31, &d))
                return false;
        return d <= days[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

/* HH:MM:SS with an optional fraction; RFC 3339 allows a leap second. */
static bool time_of_day(const TomlParser *t, const char **p) {
        const char *fraction;
        int n;

        if (!digits(t, p, 2, 0, 23, &n) || !one_of(t, p, ":") || !digits(t, p, 2, 0, 59, &n) ||
                        !one_of(t, p, ":") || !digits(t, p, 2, 0, 60, &n))
                return false;
        if (!one_of(t, p, "."))
                return true;
        fraction = *p;
        while (*p < t->end && is_digit(**p))
                (*p)++;
        return *p > fraction;
}

static bool zone(const TomlParser *t, const char **p) {
        int n;

        if (one_of(t, p, "Zz"))
                return true;
        if (!one_of(t, p, "+-"))
                return true; /* a local time has none */
        return digits(t, p, 2, 0, 23, &n) && one_of(t, p, ":") && digits(t, p, 2, 0, 59, &n);
}

static bool date_time(const TomlParser *t, const char **p) {
        bool separated;

        if (t->end - t->p > 2 && t->p[2] == ':')
                return time_of_day(t, p);
        if (!date(t, p))
                return false;
        separated = *p + 1 < t->end && **p == ' ' && is_digit((*p)[1]);
        if (!separated && (*p >= t->end || (**p | 0x20) != 't'))
                return true;
        (*p)++;
        return time_of_day(t, p) && zone(t, p);
}

/* "1979-" and "07:" begin no number. */
static bool looks_like_date(const TomlParser *t) {
        size_t n = 0, size = (size_t) (t->end - t->p);

        while (n < 5 && n < size && is_digit(t->p[n]))
                n++;
        return n < size && ((n == 4 && t->p[n] == '-') || (n == 2 && t->p[n] == ':'));
}

static int date_value(TomlParser *t, TomlValue **ret) {
        _cleanup_(toml_freep) TomlValue *v = NULL;
        const char *p = t->p;
        int r;

        if (!date_time(t, &p))
                return toml_fail(t, N_("there is no such date or time"));

        r = toml_new(t, TOML_DATE, TOML_CLOSED, &v);
        if (r < 0)
                return r;
        v->text.size = (size_t) (p - t->p);
        v->text.data = strndup(t->p, v->text.size);
        if (!v->text.data)
                return -ENOMEM;
        t->p = p;
        *ret = TAKE_PTR(v);
        return 0;
}

static bool is_digit_of(int base, int c) {
        int v = hex_value(c);

        return v >= 0 && v < base;
}

/* Copies digits without their underscores, which must stand between two of them. */
static int copy_digits(TomlParser *t, int base, char *text, size_t *n) {
        const char *begin = t->p;

        for (;; t->p++) {
                int c = toml_peek(t), next = t->end - t->p > 1 ? t->p[1] : -1;

                if (c == '_' && t->p > begin && t->p[-1] != '_' && is_digit_of(base, next))
                        continue;
                if (!is_digit_of(base, c))
                        break;
                if (*n >= NUMBER_MAX - 1)
                        return toml_fail(t, N_("the number is too long"));
                text[(*n)++] = (char) c;
        }
        if (t->p == begin)
                return toml_fail(t, N_("a value is expected: a string needs quotes"));
        return 0;
}

/* A point or an exponent, each with digits behind it. */
static int copy_fraction(TomlParser *t, char *text, size_t *n, bool *ret_found) {
        int r;

        for (int part = 0; part < 2; part++) {
                int c = toml_peek(t);

                if (c < 0 || (part == 0 ? c != '.' : (c | 0x20) != 'e'))
                        continue;
                *ret_found = true;
                if (*n >= NUMBER_MAX - 2)
                        return toml_fail(t, N_("the number is too long"));
                text[(*n)++] = *t->p++;
                if (part == 1 && (toml_peek(t) == '+' || toml_peek(t) == '-'))
                        text[(*n)++] = *t->p++;
                r = copy_digits(t, 10, text, n);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int real_value(TomlParser *t, double d, TomlValue **ret) {
        int r;

        r = toml_new(t, TOML_FLOAT, TOML_CLOSED, ret);
        if (r < 0)
                return r;
        (*ret)->real = d;
        return 0;
}

static int integer_value(TomlParser *t, const char *text, int base, TomlValue **ret) {
        bool negative = *text == '-';
        int64_t n = 0;
        int r;

        for (const char *p = text + negative; *p; p++) {
                int digit = negative ? -hex_value(*p) : hex_value(*p);

                if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
                        return toml_fail(t, N_("the number does not fit into 64 bits"));
        }
        r = toml_new(t, TOML_INTEGER, TOML_CLOSED, ret);
        if (r < 0)
                return r;
        (*ret)->integer = n;
        return 0;
}

static int prefix_base(TomlParser *t) {
        static const struct {
                const char *prefix;
                int base;
        } bases[] = { { "0x", 16 }, { "0o", 8 }, { "0b", 2 } };

        for (size_t i = 0; i < ELEMENTSOF(bases); i++)
                if (toml_eat(t, bases[i].prefix))
                        return bases[i].base;
        return 10;
}

static int number(TomlParser *t, TomlValue **ret) {
        const char *begin = t->p, *first;
        char text[NUMBER_MAX + 1] = "";
        bool negative = toml_peek(t) == '-', is_real = false;
        int base = 10, r;
        size_t n = 0;

        if (negative || toml_peek(t) == '+')
                t->p++;
        else
                base = prefix_base(t);
        if (negative)
                text[n++] = '-';
        if (base == 10 && toml_eat(t, "inf"))
                return real_value(t, negative ? -INFINITY : INFINITY, ret);
        if (base == 10 && toml_eat(t, "nan"))
                return real_value(t, NAN, ret);

        first = t->p;
        r = copy_digits(t, base, text, &n);
        if (r < 0)
                return r;
        if (base == 10 && *first == '0' && t->p - first > 1)
                return toml_fail_at(t, begin, N_("a number cannot begin with a zero"));
        if (base == 10) {
                r = copy_fraction(t, text, &n, &is_real);
                if (r < 0)
                        return r;
        }
        text[n] = '\0';
        return is_real ? real_value(t, strtod(text, NULL), ret) : integer_value(t, text, base, ret);
}

static int boolean_value(TomlParser *t, bool b, TomlValue **ret) {
        int r;

        r = toml_new(t, TOML_BOOLEAN, TOML_CLOSED, ret);
        if (r < 0)
                return r;
        (*ret)->boolean = b;
        return 0;
}

int toml_scalar(TomlParser *t, TomlValue **ret) {
        if (toml_eat(t, "true"))
                return boolean_value(t, true, ret);
        if (toml_eat(t, "false"))
                return boolean_value(t, false, ret);
        return looks_like_date(t) ? date_value(t, ret) : number(t, ret);
}
