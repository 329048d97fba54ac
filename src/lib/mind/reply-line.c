/* The lines that the predecessor's agents were taught to answer: "POST: text", "ZAP: who | sats".
 * Each becomes the JSON of an action and is read as such. */
#include "basic/text.h"
#include "mind/reply-private.h"

#define JSON_MAX (2 * ACTION_JSON_MAX) /* a text with all its characters escaped */

typedef struct Line {
        const char *word;         /* with its colon */
        const char *type;         /* NULL: nothing of this kind is known any more */
        const char *first, *rest; /* fields before and behind the |; first NULL: there is no | */
} Line;

/* clang-format off */
static const Line lines[] = {
        { "POST:",            "post",     NULL, "text"     },
        { "REPLY:",           "reply",    "to", "text"     },
        { "DM:",              "dm",       "to", "text"     },
        { "DM44:",            "dm",       "to", "text"     },
        { "ZAP:",             "zap",      "to", "sats"     },
        { "PAY_INVOICE:",     "pay",      NULL, "invoice"  },
        { "REMEMBER:",        "remember", NULL, "text"     },
        { "GOAL:",            "goal_add", NULL, "text"     },
        { "NOTHING",          "nothing",  NULL, NULL       },
        { "CHANNEL:",         NULL,       NULL, NULL       },
        { "REQUEST_PAYMENT:", NULL,       NULL, NULL       },
};
/* clang-format on */

typedef struct Span {
        const char *at;
        size_t size;
} Span;

static Span trim(Span s) {
        while (s.size > 0 && strchr(" \t\r*`", *s.at)) {
                s.at++;
                s.size--;
        }
        while (s.size > 0 && strchr(" \t\r`", s.at[s.size - 1]))
                s.size--;
        return s;
}

static int write_field(Buffer *b, const char *name, Span value) {
        bool number = streq(name, "sats") && value.size > 0 && value.size < 10 && *value.at != '0';
        int r;

        for (size_t i = 0; i < value.size && number; i++)
                number = value.at[i] >= '0' && value.at[i] <= '9';
        r = buffer_addf(b, ",\"%s\":", name);
        if (r < 0)
                return r;
        return number ? buffer_add(b, value.at, value.size)
                      : json_write_string(b, value.at, value.size);
}

static int write_line(const Line *l, Span value, Buffer *b) {
        const char *bar = l->first ? memchr(value.at, '|', value.size) : NULL;
        int r;

        r = buffer_addf(b, "{\"type\":\"%s\"", l->type);
        if (r >= 0 && bar) {
                r = write_field(b, l->first, trim((Span){ value.at, (size_t) (bar - value.at) }));
                value = trim((Span){ bar + 1, (size_t) (value.at + value.size - bar - 1) });
        }
        if (r >= 0 && l->rest && (bar || !l->first))
                r = write_field(b, l->rest, value);
        return r < 0 ? r : buffer_add(b, "}", 1);
}

static int read_line(Answer *a, const Line *l, Span line) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_buffer_ Buffer b = { .max = JSON_MAX };
        _cleanup_free_ char *words = NULL;
        Span value = { line.at + strlen(l->word), line.size - strlen(l->word) };
        const char *reason = "it is too long";
        int r;

        if (!l->type)
                return answer_refuse(a, line.at, line.size, "there is no action of this type");
        r = write_line(l, trim(value), &b);
        if (r >= 0)
                r = json_parse(b.data, b.size, 2, 16, &j, &reason);
        if (r == -ENOBUFS || r == -EBADMSG)
                return answer_refuse(a, line.at, line.size, reason);
        if (r < 0)
                return r;
        words = strndup(line.at, MIN(line.size, (size_t) REFUSED_TEXT_MAX + 4));
        return words ? answer_add(a, j, words) : -ENOMEM;
}

static const Line *find(Span line) {
        for (const Line *l = lines; l < lines + ELEMENTSOF(lines); l++) {
                size_t n = strlen(l->word);

                if (line.size < n || memcmp(line.at, l->word, n) != 0)
                        continue;
                if (l->word[n - 1] == ':' || line.size == n ||
                                (line.size == n + 1 && line.at[n] == '.'))
                        return l;
        }
        return NULL;
}

int reply_read_lines(Answer *a, const char *text, size_t size) {
        const char *end = text + size;
        int n = 0, r;

        for (const char *p = text; p < end;) {
                const char *newline = memchr(p, '\n', (size_t) (end - p)) ?: end;
                Span line = trim((Span){ p, (size_t) (newline - p) });
                const Line *l;

                if (line.size >= 2 && memcmp(line.at, "- ", 2) == 0)
                        line = trim((Span){ line.at + 2, line.size - 2 });
                l = find(line);
                p = newline + 1;
                if (!l)
                        continue;
                r = read_line(a, l, line);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}
