#include "basic/text.h"

#include <ctype.h>

/* How many bytes a character has that begins with this one, and the lowest value that needs so
 * many. 0: no character begins so. */
static size_t utf8_length(unsigned char c, uint32_t *ret_lowest) {
        if (c < 0x80) {
                *ret_lowest = 0;
                return 1;
        }
        if (c >= 0xc2 && c < 0xe0) {
                *ret_lowest = 0x80;
                return 2;
        }
        if (c >= 0xe0 && c < 0xf0) {
                *ret_lowest = 0x800;
                return 3;
        }
        if (c >= 0xf0 && c < 0xf5) {
                *ret_lowest = 0x10000;
                return 4;
        }
        return 0;
}

static bool utf8_char_is_valid(const unsigned char *p, size_t n, uint32_t lowest) {
        uint32_t code = p[0] & (0x7f >> n);

        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return false;
                code = code << 6 | (p[i] & 0x3f);
        }
        return code >= lowest && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

/* Eight characters of ASCII at once: most texts are nothing else. */
static bool eight_are_ascii(const unsigned char *p) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return (w & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_is_valid(const char *s, size_t size) {
        const unsigned char *p = (const unsigned char *) s, *end = p + size;

        while (p < end) {
                uint32_t lowest;
                size_t n;

                if (end - p >= 8 && eight_are_ascii(p)) {
                        p += 8;
                        continue;
                }
                if (*p < 0x80) {
                        p++;
                        continue;
                }
                n = utf8_length(*p, &lowest);
                if (n == 0 || n > (size_t) (end - p) || !utf8_char_is_valid(p, n, lowest))
                        return false;
                p += n;
        }
        return true;
}

size_t utf8_prefix(const char *s, size_t size, size_t max) {
        if (size <= max)
                return size;

        while (max > 0 && ((unsigned char) s[max] & 0xc0) == 0x80)
                max--;
        return max;
}

/* The digits at *s, which moves behind them. */
static int parse_digits(const char **s, uint64_t *ret) {
        const char *p = *s;
        uint64_t v = 0;

        if (!isdigit((unsigned char) *p) || (p[0] == '0' && isdigit((unsigned char) p[1])))
                return -EINVAL;

        for (; isdigit((unsigned char) *p); p++)
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                                __builtin_add_overflow(v, (uint64_t) (*p - '0'), &v))
                        return -ERANGE;

        *s = p;
        *ret = v;
        return 0;
}

int parse_u64(const char *s, uint64_t *ret) {
        uint64_t v;
        int r;

        r = parse_digits(&s, &v);
        if (r < 0)
                return r;
        if (*s)
                return -EINVAL;

        *ret = v;
        return 0;
}

int parse_u32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r;

        r = parse_u64(s, &v);
        if (r < 0)
                return r;
        if (v > UINT32_MAX)
                return -ERANGE;

        *ret = (uint32_t) v;
        return 0;
}

int parse_i64(const char *s, int64_t *ret) {
        uint64_t v;
        int r;

        r = parse_u64(s, &v);
        if (r < 0)
                return r;
        if (v > INT64_MAX)
                return -ERANGE;

        *ret = (int64_t) v;
        return 0;
}

int parse_decimal(const char *s, double *ret) {
        bool minus = *s == '-';
        double v = 0, unit = 1;
        size_t n_digits = 0;

        if (minus || *s == '+')
                s++;
        for (; *s >= '0' && *s <= '9'; s++, n_digits++)
                v = v * 10 + (*s - '0');
        if (*s == '.' || *s == ',')
                for (s++; *s >= '0' && *s <= '9'; s++, n_digits++)
                        v += (*s - '0') * (unit /= 10);
        if (*s || n_digits == 0)
                return -EINVAL;
        if (n_digits > 30)
                return -ERANGE;

        *ret = minus ? -v : v;
        return 0;
}

int parse_span(const char *s, usec_t *ret) {
        static const struct {
                const char *suffix;
                usec_t usec;
        } units[] = {
                { "", SEC },
                { "ms", MSEC },
                { "s", SEC },
                { "min", MIN_ },
                { "h", HOUR },
                { "d", 24 * HOUR },
        };
        uint64_t v;
        int r;

        r = parse_digits(&s, &v);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (streq(s, units[i].suffix))
                        return __builtin_mul_overflow(v, units[i].usec, ret) ? -ERANGE : 0;
        return -EINVAL;
}

char **strv_free(char **l) {
        STRV_FOREACH (s, l)
                free(*s);
        free(l);
        return NULL;
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH (s, l)
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH (i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

int strv_add(char ***l, const char *s) {
        _cleanup_free_ char *copy = strdup(s);
        size_t n = strv_length(*l);
        char **grown;

        if (!copy)
                return -ENOMEM;

        grown = reallocarray(*l, n + 2, sizeof(char *));
        if (!grown)
                return -ENOMEM;

        grown[n] = TAKE_PTR(copy);
        grown[n + 1] = NULL;
        *l = grown;
        return 0;
}

int strv_copy(char *const *l, char ***ret) {
        _cleanup_strv_ char **copy = NULL;
        int r;

        STRV_FOREACH (s, l) {
                r = strv_add(&copy, *s);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

size_t edit_distance(const char *a, const char *b) {
        size_t row[EDIT_DISTANCE_MAX + 1], n_a = strlen(a), n_b = strlen(b);

        if (n_a > EDIT_DISTANCE_MAX || n_b > EDIT_DISTANCE_MAX)
                return MAX(n_a, n_b);

        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 0; i < n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t j = 0; j < n_b; j++) {
                        size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
                        size_t insert = row[j] + 1, remove = row[j + 1] + 1;

                        diagonal = row[j + 1];
                        row[j + 1] = MIN(insert, remove);
                        row[j + 1] = MIN(row[j + 1], replace);
                }
        }
        return row[n_b];
}
