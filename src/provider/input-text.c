#include "input-text.h"

#include <ctype.h>
#include <strings.h>

#include "basic/text.h"
#include "html.h"

static int wrong(const char **reterr, const char *reason) {
        *reterr = reason;
        return -EBADMSG;
}

static bool type_is(const char *type, size_t n, const char *name) {
        return strlen(name) == n && strncasecmp(type, name, n) == 0;
}

static bool type_ends(const char *type, size_t n, const char *end) {
        size_t m = strlen(end);

        return n > m && strncasecmp(type + n - m, end, m) == 0;
}

static bool is_html(const char *type, size_t n) {
        return type_is(type, n, "text/html") || type_is(type, n, "application/xhtml+xml");
}

static bool is_text(const char *type, size_t n) {
        static const char *const names[] = { "application/json", "application/xml",
                "application/x-ndjson", "application/javascript", "application/ecmascript",
                "application/yaml", "application/x-yaml", "application/toml", "application/sql",
                "application/x-sh", "application/x-tex" };

        if (n > 5 && strncasecmp(type, "text/", 5) == 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (type_is(type, n, names[i]))
                        return true;
        return type_ends(type, n, "+json") || type_ends(type, n, "+xml");
}

/* What servers say of files that they do not know. */
static bool is_anything(const char *type, size_t n) {
        return n == 0 || type_is(type, n, "application/octet-stream") ||
               type_is(type, n, "binary/octet-stream");
}

static bool charset_is_latin(const char *type) {
        static const char *const names[] = { "iso-8859-1", "iso8859-1", "latin1", "windows-1252",
                "cp1252", "iso-8859-15" };
        const char *p = type ? strcasestr(type, "charset=") : NULL;

        if (!p)
                return false;
        p += strlen("charset=");
        p += *p == '"';
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strncasecmp(p, names[i], strlen(names[i])) == 0)
                        return true;
        return false;
}

static int add_latin(Buffer *b, const char *s, size_t size) {
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i++) {
                unsigned char c = (unsigned char) s[i];
                char two[2] = { (char) (0xc0 | c >> 6), (char) (0x80 | (c & 0x3f)) };

                r = c < 0x80 ? buffer_add(b, s + i, 1) : buffer_add(b, two, 2);
        }
        return r;
}

/* No control characters but line ends and tabs; DEL counts among them. */
static void clean(Buffer *b) {
        char *to = b->data;

        for (size_t i = 0; i < b->size; i++) {
                unsigned char c = (unsigned char) b->data[i];

                if (c >= ' ' ? c != 0x7f : c == '\n' || c == '\t')
                        *to++ = b->data[i];
        }
        if (!b->data)
                return;
        b->size = (size_t) (to - b->data);
        *to = '\0';
}

int input_text(const char *type, const char *body, size_t size, Buffer *b, const char **reterr) {
        _cleanup_buffer_ Buffer latin = { .max = 2 * size + 1 };
        size_t n = type ? strcspn(type, "; ") : 0;
        int r;

        if (!is_text(type ?: "", n) && !is_html(type ?: "", n) && !is_anything(type, n))
                return wrong(reterr, _("What the URL leads to is not a text."));
        if (size >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0) {
                body += 3; /* the mark of the byte order, which UTF-8 has not */
                size -= 3;
        }
        if (!utf8_is_valid(body, size) && charset_is_latin(type)) {
                r = add_latin(&latin, body, size);
                if (r < 0)
                        return r;
                body = latin.data ?: "";
                size = latin.size;
        }
        if (!utf8_is_valid(body, size) || (is_anything(type, n) && memchr(body, 0, size)))
                return wrong(reterr, _("What the URL leads to is not a text in UTF-8."));

        r = is_html(type ?: "", n) ? html_text(body, size, b) : buffer_add(b, body, size);
        if (r >= 0)
                clean(b);
        return r;
}
