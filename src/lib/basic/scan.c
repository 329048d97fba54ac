#include "basic/scan.h"

#include "basic/text.h"

static int scan_fail(Scan *s, const char *reason) {
        s->reason = reason;
        return -EBADMSG;
}

int scan_start(Scan *s, const char *text, size_t size, unsigned depth_max, size_t values_max) {
        *s = (Scan){
                .p = text,
                .end = text + size,
                .depth_max = depth_max,
                .values_max = values_max,
        };
        return utf8_is_valid(text, size) ? 0 : scan_fail(s, "it is not UTF-8");
}

static bool is_blank(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

char scan_peek(Scan *s) {
        while (s->p < s->end && is_blank(*s->p))
                s->p++;
        return s->p < s->end ? *s->p : 0;
}

int scan_end(Scan *s) {
        (void) scan_peek(s);
        return s->p == s->end ? 0 : scan_fail(s, "something follows its end");
}

static int scan_value(Scan *s) {
        return ++s->n_values <= s->values_max ? 0 : scan_fail(s, "it has too many values");
}

int scan_open(Scan *s, char bracket) {
        if (scan_peek(s) != bracket)
                return scan_fail(
                                s, bracket == '{' ? "an object is missing" : "an array is missing");
        if (++s->depth > s->depth_max)
                return scan_fail(s, "it is nested too deeply");

        s->p++;
        s->first = true;
        return scan_value(s);
}

int scan_more(Scan *s, char bracket) {
        bool first = TAKE(s->first, false);
        char c = scan_peek(s);

        if (c == bracket) {
                s->p++;
                s->depth--;
                return 0;
        }
        if (first)
                return 1;
        if (c != ',')
                return scan_fail(s, "it is not JSON: a comma or bracket is missing");

        s->p++;
        return 1;
}

int scan_colon(Scan *s) {
        if (scan_peek(s) != ':')
                return scan_fail(s, "it is not JSON: a colon is missing");

        s->p++;
        s->n_keys++;
        return 0;
}

static int scan_hex4(Scan *s, uint32_t *ret) {
        uint32_t u = 0;

        if (s->end - s->p < 4)
                return scan_fail(s, "it is not JSON: an escape is cut off");

        for (unsigned i = 0; i < 4; i++) {
                char c = *s->p++;

                if (is_digit(c))
                        u = u << 4 | (uint32_t) (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                        u = u << 4 | (uint32_t) ((c | 0x20) - 'a' + 10);
                else
                        return scan_fail(s, "it is not JSON: an escape is unknown");
        }

        *ret = u;
        return 0;
}

static unsigned utf8_put(uint32_t u, char *ret) {
        if (u < 0x80) {
                ret[0] = (char) u;
                return 1;
        }
        if (u < 0x800) {
                ret[0] = (char) (0xc0 | u >> 6);
                ret[1] = (char) (0x80 | (u & 0x3f));
                return 2;
        }
        if (u < 0x10000) {
                ret[0] = (char) (0xe0 | u >> 12);
                ret[1] = (char) (0x80 | (u >> 6 & 0x3f));
                ret[2] = (char) (0x80 | (u & 0x3f));
                return 3;
        }
        ret[0] = (char) (0xf0 | u >> 18);
        ret[1] = (char) (0x80 | (u >> 12 & 0x3f));
        ret[2] = (char) (0x80 | (u >> 6 & 0x3f));
        ret[3] = (char) (0x80 | (u & 0x3f));
        return 4;
}

/* Behind "\u": one unit, or two that are a surrogate pair. A lone surrogate is no character. */
static int scan_unicode(Scan *s, char ret[static 4]) {
        uint32_t u, low;
        int r;

        r = scan_hex4(s, &u);
        if (r < 0)
                return r;
        if (u < 0xd800 || u > 0xdfff)
                return (int) utf8_put(u, ret);

        if (u > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
                return scan_fail(s, "half a surrogate pair is in it");
        s->p += 2;
        r = scan_hex4(s, &low);
        if (r < 0)
                return r;
        if (low < 0xdc00 || low > 0xdfff)
                return scan_fail(s, "half a surrogate pair is in it");

        return (int) utf8_put(0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00), ret);
}

/* At the backslash. Returns how many bytes it stands for. */
static int scan_escape(Scan *s, char ret[static 4]) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *at;
        char c;

        c = s->end - s->p >= 2 ? s->p[1] : 0;
        s->p += 2;
        if (c == 'u')
                return scan_unicode(s, ret);

        at = c ? strchr(from, c) : NULL;
        if (!at)
                return scan_fail(s, "it is not JSON: an escape is unknown");
        ret[0] = to[at - from];
        return 1;
}

/* Whether one of the eight bytes ends a run of plain text: a quote, a backslash, a control
 * character. The usual trick: subtracting borrows out of exactly the bytes that are too small. */
static bool eight_are_plain(const char *p) {
        const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
        uint64_t w, quote, backslash, control;

        memcpy(&w, p, sizeof(w));
        quote = w ^ ones * '"';
        backslash = w ^ ones * '\\';
        control = (w - ones * 0x20) & ~w;
        quote = (quote - ones) & ~quote;
        backslash = (backslash - ones) & ~backslash;
        return ((control | quote | backslash) & high) == 0;
}

static const char *plain_end(const char *p, const char *end) {
        while (end - p >= 8 && eight_are_plain(p))
                p += 8;
        while (p < end && *p != '"' && *p != '\\' && (uint8_t) *p >= 0x20)
                p++;
        return p;
}

/* Behind the opening quote. With ret = NULL only the length counts. */
static int scan_text(Scan *s, char *ret, size_t *ret_size) {
        size_t size = 0;

        for (;;) {
                const char *from = s->p;
                char escape[4];
                int n;

                s->p = plain_end(s->p, s->end);
                if (ret)
                        memcpy(ret + size, from, (size_t) (s->p - from));
                size += (size_t) (s->p - from);

                if (s->p == s->end)
                        return scan_fail(s, "it is not JSON: a string has no end");
                if (*s->p == '"')
                        break;
                if (*s->p != '\\')
                        return scan_fail(s, "it is not JSON: a control character is in a string");

                n = scan_escape(s, escape);
                if (n < 0)
                        return n;
                if (ret)
                        memcpy(ret + size, escape, (size_t) n);
                size += (size_t) n;
                s->nul |= escape[0] == 0;
        }

        s->p++;
        if (ret)
                ret[size] = 0;
        *ret_size = size;
        return 0;
}

int scan_string(Scan *s, char *ret, size_t *ret_size) {
        if (scan_peek(s) != '"')
                return scan_fail(s, "a text is missing");

        s->p++;
        return scan_value(s) ?: scan_text(s, ret, ret_size);
}

int scan_u64(Scan *s, uint64_t max, uint64_t *ret) {
        uint64_t u = 0;

        if (!is_digit(scan_peek(s)))
                return scan_fail(s, "a whole number is missing");

        do {
                unsigned digit = (unsigned) (*s->p++ - '0');

                if (u > max / 10 || u * 10 > max - digit)
                        return scan_fail(s, "a number is too large");
                if (u == 0 && digit == 0 && s->p < s->end && is_digit(*s->p))
                        return scan_fail(s, "it is not JSON: a number begins with 0");
                u = u * 10 + digit;
        } while (s->p < s->end && is_digit(*s->p));

        if (s->p < s->end && (*s->p == '.' || (*s->p | 0x20) == 'e'))
                return scan_fail(s, "a number is not whole");

        *ret = u;
        return scan_value(s);
}

static int scan_word(Scan *s, const char *word) {
        size_t n = strlen(word);

        if ((size_t) (s->end - s->p) < n || memcmp(s->p, word, n) != 0)
                return scan_fail(s, "it is not JSON: a word is unknown");

        s->p += n;
        return scan_value(s);
}

int scan_bool(Scan *s, bool *ret) {
        char c = scan_peek(s);
        int r;

        if (c != 't' && c != 'f')
                return scan_fail(s, "true or false is missing");

        r = scan_word(s, c == 't' ? "true" : "false");
        if (r >= 0)
                *ret = c == 't';
        return r;
}

static bool skip_digits(Scan *s) {
        const char *from = s->p;

        while (s->p < s->end && is_digit(*s->p))
                s->p++;
        return s->p > from;
}

/* A whole number must fit 64 bits: json-c would quietly take the nearest that does. */
static int scan_number(Scan *s) {
        bool negative = *s->p == '-', whole = true;
        const char *from;
        Scan again;
        uint64_t u;

        s->p += negative;
        from = s->p;
        if (!skip_digits(s) || (*from == '0' && s->p - from > 1))
                return scan_fail(s, "it is not JSON: a number has the wrong form");

        again = *s;
        again.p = from;
        again.end = s->p;

        if (s->p < s->end && *s->p == '.') {
                s->p++;
                whole = false;
                if (!skip_digits(s))
                        return scan_fail(s, "it is not JSON: a number has the wrong form");
        }
        if (s->p < s->end && (*s->p | 0x20) == 'e') {
                s->p++;
                whole = false;
                if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
                        s->p++;
                if (!skip_digits(s))
                        return scan_fail(s, "it is not JSON: a number has the wrong form");
        }

        if (whole && scan_u64(&again, negative ? INT64_MAX : UINT64_MAX, &u) < 0)
                return scan_fail(s, again.reason);
        return scan_value(s);
}

static int skip_object(Scan *s) {
        size_t size;
        int r;

        r = scan_open(s, '{');
        while (r >= 0 && (r = scan_more(s, '}')) > 0) {
                s->nul = false;
                r = scan_string(s, NULL, &size);
                if (r >= 0 && s->nul)
                        r = scan_fail(s, "a name in it holds a NUL");
                if (r >= 0)
                        r = scan_colon(s) ?: scan_skip(s);
        }
        return r;
}

static int skip_array(Scan *s) {
        int r;

        r = scan_open(s, '[');
        while (r >= 0 && (r = scan_more(s, ']')) > 0)
                r = scan_skip(s);
        return r;
}

int scan_skip(Scan *s) {
        size_t size;

        switch (scan_peek(s)) {
        case '{':
                return skip_object(s);
        case '[':
                return skip_array(s);
        case '"':
                return scan_string(s, NULL, &size);
        case 't':
                return scan_word(s, "true");
        case 'f':
                return scan_word(s, "false");
        case 'n':
                return scan_word(s, "null");
        case '-':
        case '0' ... '9':
                return scan_number(s);
        case 0:
                return scan_fail(s, "it is not JSON: it ends too early");
        default:
                return scan_fail(s, "it is not JSON: a word is unknown");
        }
}
