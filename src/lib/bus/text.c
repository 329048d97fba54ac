#include "bus/text.h"

#include <stdio.h>

#include "basic/text.h"

/* The size of the noncharacter that begins here, or 0. In UTF-8 those are EF B7 90…AF, and what
 * ends with BF BE or BF BF after all ones. */
static size_t nonchar_size(const char *s) {
        const uint8_t *p = (const uint8_t *) s;

        if (p[0] == 0xef && p[1] == 0xb7)
                return p[2] >= 0x90 && p[2] <= 0xaf ? 3 : 0;
        if (p[0] == 0xef && p[1] == 0xbf)
                return p[2] >= 0xbe ? 3 : 0;
        if (p[0] >= 0xf0 && (p[1] & 0x0f) == 0x0f && p[2] == 0xbf)
                return p[3] >= 0xbe ? 4 : 0;
        return 0;
}

static size_t count_nonchars(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += (uint8_t) *s >= 0xef && nonchar_size(s) > 0;
        return n;
}

bool bus_text_is_fit(const char *s) {
        return utf8_is_valid(s, strlen(s)) && count_nonchars(s) == 0;
}

const char *bus_text_or(const char *s, const char *otherwise) {
        return s && bus_text_is_fit(s) ? s : otherwise;
}

static uint32_t decode(const char *s, size_t size) {
        const uint8_t *p = (const uint8_t *) s;

        if (size == 3)
                return (uint32_t) (p[0] & 0x0f) << 12 | (uint32_t) (p[1] & 0x3f) << 6 |
                       (p[2] & 0x3f);
        return (uint32_t) (p[0] & 0x07) << 18 | (uint32_t) (p[1] & 0x3f) << 12 |
               (uint32_t) (p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

/* \uXXXX, or a pair of surrogates. At most 12 characters and a NUL. */
static char *put_escape(char *at, uint32_t c) {
        if (c < 0x10000)
                return at + snprintf(at, 13, "\\u%04x", c);
        c -= 0x10000;
        return at + snprintf(at, 13, "\\u%04x\\u%04x", 0xd800 | c >> 10, 0xdc00 | (c & 0x3ff));
}

static char *put_replacement(char *at, _unused_ uint32_t c) {
        memcpy(at, "\xef\xbf\xbd", 3);
        return at + 3;
}

/* Another text stands for each noncharacter, of at most 12 bytes. */
static int replace(const char *s, char *(*put)(char *at, uint32_t c), char **ret_owned,
                const char **ret) {
        size_t size = strlen(s), n;
        char *text, *at;

        if (!utf8_is_valid(s, size))
                return -EILSEQ;
        n = count_nonchars(s);
        if (n == 0) {
                *ret_owned = NULL;
                *ret = s;
                return 0;
        }

        text = at = malloc(size + n * 12 + 1);
        if (!text)
                return -ENOMEM;
        while (*s) {
                size_t nonchar = nonchar_size(s);

                if (nonchar > 0)
                        at = put(at, decode(s, nonchar));
                else
                        *at++ = *s;
                s += MAX(nonchar, (size_t) 1);
        }
        *at = 0;
        *ret_owned = text;
        *ret = text;
        return 0;
}

int bus_text_json(const char *json, char **ret_owned, const char **ret) {
        return replace(json, put_escape, ret_owned, ret);
}

int bus_text_clean(const char *s, char **ret_owned, const char **ret) {
        return replace(s, put_replacement, ret_owned, ret);
}
