#include "mind/foreign.h"

#include "basic/text.h"

#define CUT "…"

/* The joiner of emojis is shown. */
size_t foreign_unshown(const char *text) {
        const unsigned char *s = (const unsigned char *) text;

        if (s[0] < 0x20 || s[0] == 0x7f)
                return 1;
        if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xd8 && s[1] == 0x9c))
                return 2;
        if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x8b && s[2] <= 0x8f && s[2] != 0x8d)
                return 3;
        if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae)
                return 3;
        if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa0 && s[2] <= 0xaf)
                return 3;
        if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf)
                return 3;
        return s[0] == 0xf3 && s[1] == 0xa0 ? 4 : 0; /* tags and variations */
}

/* What stands here, and what is written in its place; its size, 0 where it is one plain
 * character. */
static size_t replaced(const char *s, const Foreign *how, const char **ret) {
        if (how->fence && startswith(s, how->fence)) {
                *ret = CUT;
                return strlen(how->fence);
        }
        if (*s == '<' || *s == '>') {
                *ret = *s == '<' ? "‹" : "›";
                return 1;
        }
        if (startswith(s, "[INST]") || startswith(s, "[/INST]")) {
                *ret = "(";
                return 1;
        }
        if (*s == '\n') {
                *ret = how->new_line;
                return 1;
        }
        *ret = " "; /* not nothing: what is around it shall not become a fence */
        return foreign_unshown(s);
}

/* The bytes of the character at s. */
static size_t character(const char *s) {
        size_t n = 1;

        while (((unsigned char) s[n] & 0xc0) == 0x80)
                n++;
        return n;
}

int foreign_write(Buffer *b, const char *text, const Foreign *how) {
        size_t start = b->size;
        int r = 0;

        for (const char *s = text; *s && r >= 0;) {
                const char *instead;
                size_t n = replaced(s, how, &instead), plain = n > 0 ? 0 : character(s);
                size_t size = n > 0 ? strlen(instead) : plain;

                if (b->size - start + size + strlen(CUT) > how->max)
                        return b->size - start + strlen(CUT) <= how->max ? buffer_add_string(b, CUT)
                                                                         : 0;
                r = buffer_add(b, n > 0 ? instead : s, size);
                s += n + plain;
        }
        return r;
}
