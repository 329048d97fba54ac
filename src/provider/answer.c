#include "answer.h"

#include "basic/json.h"
#include "basic/text.h"

#define JSON_DEPTH_MAX  64
#define JSON_VALUES_MAX 65536

static int wrong(const char **reterr, const char *reason) {
        *reterr = reason;
        return -EBADMSG;
}

size_t answer_size_max(size_t configured, bool encrypted) {
        return encrypted ? configured / 3 * 2 : configured;
}

static bool is_blank(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void trim(const char **s, size_t *size) {
        while (*size > 0 && is_blank(**s))
                (*s)++, (*size)--;
        while (*size > 0 && is_blank((*s)[*size - 1]))
                (*size)--;
}

static bool is_json(const char *s, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        return json_parse(s, size, JSON_DEPTH_MAX, JSON_VALUES_MAX, &j, &reason) >= 0;
}

/* Models like to put JSON between ``` and ```, though they are told not to. */
static bool find_json(const char **s, size_t *size) {
        const char *start, *end;
        size_t n;

        if (is_json(*s, *size))
                return true;
        start = memmem(*s, *size, "```", 3);
        start = start ? memchr(start, '\n', *size - (size_t) (start - *s)) : NULL;
        if (!start)
                return false;
        end = memmem(start, *size - (size_t) (start - *s), "```", 3);
        if (!end)
                return false;
        n = (size_t) (end - start);
        trim(&start, &n);
        if (!is_json(start, n))
                return false;
        *s = start;
        *size = n;
        return true;
}

/* NIP-01's serialisation of these is disputed; C0 but line ends and tabs, and DEL. */
int answer_clean(Buffer *b, const char *s, size_t size) {
        size_t from = 0;
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i++) {
                unsigned char c = (unsigned char) s[i];

                if ((c >= ' ' && c != 0x7f) || c == '\n' || c == '\t')
                        continue;
                r = buffer_add(b, s + from, i - from);
                from = i + 1;
        }
        return r < 0 ? r : buffer_add(b, s + from, size - from);
}

/* How much of it takes so many bytes in an event, where line ends and quotes take two. */
static size_t fitting(const char *s, size_t size, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++) {
                n += strchr("\n\t\"\\", s[i]) ? 2 : 1;
                if (n > max)
                        return utf8_prefix(s, size, i);
        }
        return size;
}

int answer_make(const TextTask *t, const char *content, size_t size, size_t size_max, Answer *ret,
                const char **reterr) {
        Answer a = { .output = t->output };
        size_t fits;
        bool json;
        int r;

        *reterr = _("There is no memory.");
        trim(&content, &size);
        json = t->json && find_json(&content, &size);
        if (size == 0)
                return wrong(reterr, _("The model gave no answer."));
        if (!utf8_is_valid(content, size))
                return wrong(reterr, _("The model's answer is no text."));
        fits = fitting(content, size, size_max);
        if (fits < size && t->json)
                return wrong(reterr, _("The answer is larger than relays take."));
        if (t->json && !json) {
                a.output = "text/plain";
                a.note = _("The model did not answer in JSON.");
        }
        if (fits < size) {
                size = fits;
                a.note = _("The answer was cut off, because relays take no larger one.");
        }

        buffer_init(&a.text, size + 1);
        r = answer_clean(&a.text, content, size);
        if (r < 0) {
                buffer_done(&a.text);
                return r;
        }
        if (a.text.size == 0) {
                buffer_done(&a.text);
                return wrong(reterr, _("The model gave no answer."));
        }
        *ret = a;
        return 0;
}

void answer_done(Answer *a) {
        buffer_done(&a->text);
        *a = (Answer){};
}
