#include "html.h"

#include <ctype.h>
#include <strings.h>

#define TAG_MAX    16
#define ENTITY_MAX 10

typedef struct Html {
        const char *at, *end;
        Buffer *out;
        unsigned lines; /* ends of lines that are due before the next word */
        bool blank;     /* a space is */
        int error;
} Html;

static void put(Html *h, const char *s, size_t n) {
        static const char ends[] = "\n\n";

        if (h->error < 0)
                return;
        if (h->lines > 0 && h->out->size > 0)
                h->error = buffer_add(h->out, ends, MIN(h->lines, 2U));
        else if (h->blank && h->out->size > 0)
                h->error = buffer_add(h->out, " ", 1);
        h->lines = 0;
        h->blank = false;
        if (h->error >= 0)
                h->error = buffer_add(h->out, s, n);
}

static void want_lines(Html *h, unsigned n) {
        h->lines = MAX(h->lines, n);
}

/* ---- characters */

static size_t utf8_encode(uint32_t c, char ret[static 4]) {
        if (c < 0x80) {
                ret[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                ret[0] = (char) (0xc0 | c >> 6);
                ret[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                ret[0] = (char) (0xe0 | c >> 12);
                ret[1] = (char) (0x80 | (c >> 6 & 0x3f));
                ret[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        ret[0] = (char) (0xf0 | c >> 18);
        ret[1] = (char) (0x80 | (c >> 12 & 0x3f));
        ret[2] = (char) (0x80 | (c >> 6 & 0x3f));
        ret[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

/* "#38", "#x26": 0 where it is none or no character that may be in a text. */
static uint32_t number_of(const char *s, size_t n) {
        bool hex = n > 1 && (s[1] == 'x' || s[1] == 'X');
        uint32_t c = 0;

        for (size_t i = hex ? 2 : 1; i < n; i++) {
                unsigned char d = (unsigned char) s[i];

                if (hex ? !isxdigit(d) : !isdigit(d))
                        return 0;
                c = c * (hex ? 16 : 10) + (uint32_t) (isdigit(d) ? d - '0' : (d | 32) - 'a' + 10);
                if (c > 0x10ffff)
                        return 0;
        }
        return c < ' ' || (c >= 0xd800 && c < 0xe000) ? 0 : c;
}

static uint32_t entity(const char *s, size_t n) {
        static const struct {
                const char *name;
                uint32_t c;
        } names[] = {
                { "amp", '&' },
                { "lt", '<' },
                { "gt", '>' },
                { "quot", '"' },
                { "apos", '\'' },
                { "nbsp", ' ' },
                { "ndash", 0x2013 },
                { "mdash", 0x2014 },
                { "hellip", 0x2026 },
                { "lsquo", 0x2018 },
                { "rsquo", 0x2019 },
                { "ldquo", 0x201c },
                { "rdquo", 0x201d },
                { "copy", 0xa9 },
                { "euro", 0x20ac },
                { "auml", 0xe4 },
                { "ouml", 0xf6 },
                { "uuml", 0xfc },
                { "Auml", 0xc4 },
                { "Ouml", 0xd6 },
                { "Uuml", 0xdc },
                { "szlig", 0xdf },
                { "eacute", 0xe9 },
                { "egrave", 0xe8 },
        };

        if (n > 1 && s[0] == '#')
                return number_of(s, n);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i].name) == n && memcmp(names[i].name, s, n) == 0)
                        return names[i].c;
        return 0;
}

static void read_entity(Html *h) {
        const char *name = h->at + 1;
        size_t left = (size_t) (h->end - name), n = 0;
        char text[4];
        uint32_t c;

        while (n < left && n <= ENTITY_MAX && (isalnum((unsigned char) name[n]) || name[n] == '#'))
                n++;
        c = entity(name, n);
        if (c == 0) {
                put(h, h->at++, 1);
                return;
        }
        h->at = name + n + (n < left && name[n] == ';');
        if (c == ' ')
                h->blank = true;
        else
                put(h, text, utf8_encode(c, text));
}

/* ---- tags */

static const char *find(const char *at, const char *end, const char *s) {
        const char *found = end > at ? memmem(at, (size_t) (end - at), s, strlen(s)) : NULL;

        return found ? found + strlen(s) : end;
}

static bool is_one_of(const char *name, const char *const *list) {
        for (; *list; list++)
                if (streq(name, *list))
                        return true;
        return false;
}

/* Everything up to its own end, which is all that counts in there. */
static void skip_element(Html *h, const char *name) {
        size_t n = strlen(name);

        while (h->at < h->end) {
                h->at = find(h->at, h->end, "</");
                if ((size_t) (h->end - h->at) >= n && strncasecmp(h->at, name, n) == 0) {
                        h->at = find(h->at, h->end, ">");
                        return;
                }
        }
}

/* A > in quotes ends no tag. */
static const char *tag_end(const Html *h, const char *at) {
        char quote = 0;

        for (; at < h->end; at++) {
                if (quote)
                        quote = *at == quote ? 0 : quote;
                else if (*at == '"' || *at == '\'')
                        quote = *at;
                else if (*at == '>')
                        return at + 1;
        }
        return find(h->at, h->end, ">"); /* a quote that is never closed counts for nothing */
}

static void read_tag(Html *h) {
        static const char *const skipped[] = { "script", "style", "noscript", "template", "svg",
                "iframe", "object", "nav", "select", NULL };
        static const char *const paragraphs[] = { "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul",
                "ol", "table", "blockquote", "pre", "section", "article", "header", "footer",
                NULL };
        static const char *const lines[] = { "br", "div", "li", "tr", "title", "dt", "dd", "hr",
                "option", NULL };
        const char *p = h->at + 1;
        bool closing = p < h->end && *p == '/';
        char name[TAG_MAX + 1];
        size_t n = 0;

        for (p += closing; p < h->end && n < TAG_MAX && isalnum((unsigned char) *p); p++)
                name[n++] = (char) tolower((unsigned char) *p);
        name[n] = '\0';
        h->at = tag_end(h, p);
        if (!closing && is_one_of(name, skipped) && (h->at - p < 2 || h->at[-2] != '/'))
                skip_element(h, name);
        if (is_one_of(name, paragraphs))
                want_lines(h, 2);
        else if (is_one_of(name, lines))
                want_lines(h, 1);
        else if (streq(name, "td") || streq(name, "th"))
                h->blank = true;
}

static void read_markup(Html *h) {
        size_t left = (size_t) (h->end - h->at);

        if (left >= 4 && memcmp(h->at, "<!--", 4) == 0)
                h->at = find(h->at + 4, h->end, "-->");
        else if (left >= 2 && (h->at[1] == '!' || h->at[1] == '?'))
                h->at = find(h->at, h->end, ">");
        else if (left >= 2 && (isalpha((unsigned char) h->at[1]) || h->at[1] == '/'))
                read_tag(h);
        else
                put(h, h->at++, 1);
}

static void read_words(Html *h) {
        const char *start = h->at;

        while (h->at < h->end && *h->at != '<' && *h->at != '&' && !strchr(" \t\r\n", *h->at))
                h->at++;
        if (h->at > start)
                put(h, start, (size_t) (h->at - start));
        for (; h->at < h->end && *h->at && strchr(" \t\r\n", *h->at); h->at++)
                h->blank = true;
        if (h->at < h->end && *h->at == '\0')
                h->at++;
}

int html_text(const char *html, size_t size, Buffer *b) {
        Html h = { .at = html, .end = html + size, .out = b };

        while (h.at < h.end && h.error >= 0) {
                if (*h.at == '<')
                        read_markup(&h);
                else if (*h.at == '&')
                        read_entity(&h);
                else
                        read_words(&h);
        }
        return h.error;
}
