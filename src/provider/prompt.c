#include "prompt.h"

#include "basic/text.h"

#define NAME_MAX_ 64

typedef struct Prompt {
        const char *at;
        const Kind *kind;
        const JobRequest *request;
        const char *input;
        Buffer *out;
        bool complete; /* every parameter since the last [ was said */
        const char **reterr;
} Prompt;

static int wrong(const Prompt *p, const char *reason) {
        *p->reterr = reason;
        return -EBADMSG;
}

/* The n-th value of a parameter, from 1. */
static const char *param_value(const Prompt *p, const char *name, unsigned n) {
        const JobParam *param = p->request ? job_request_find_param(p->request, name) : NULL;
        const char *value = n == 1 ? kind_param(p->kind, p->request, name) : NULL;

        if (n > 1 && param && param->n >= n)
                value = param->values[n - 1];
        return isempty(value) ? NULL : value;
}

static const char *value_of(const Prompt *p, const char *name) {
        char plain[NAME_MAX_];
        const char *dot = strrchr(name, '.');
        uint32_t n = 1;

        if (streq(name, "input"))
                return p->input ?: "";
        if (!dot || parse_u32(dot + 1, &n) < 0 || n == 0)
                return param_value(p, name, 1);
        memcpy(plain, name, (size_t) (dot - name));
        plain[dot - name] = '\0';
        return param_value(p, plain, n);
}

static int add_value(Prompt *p, const char *name, const char *value) {
        size_t size = strlen(value);

        if (!streq(name, "input"))
                size = utf8_prefix(value, size, PROMPT_VALUE_MAX);
        return buffer_add(p->out, value, size);
}

/* The first that has a value; the last of several is a text. */
static int add_choice(Prompt *p, const char *end) {
        const char *start = p->at;
        char name[NAME_MAX_];

        for (;;) {
                size_t n = strcspn(start, "|}");
                bool last = start + n == end;
                const char *value;

                if (n == 0 && last && start != p->at)
                        return 0; /* the text is empty */
                if (n == 0 || n >= sizeof(name))
                        return wrong(p, "a name in braces is empty or too long");
                memcpy(name, start, n);
                name[n] = '\0';
                value = value_of(p, name);
                if (value)
                        return add_value(p, name, value);
                if (last && start != p->at)
                        return buffer_add(p->out, start, n);
                if (last)
                        break;
                start += n + 1;
        }
        p->complete = false;
        return 0;
}

static int add_braces(Prompt *p) {
        const char *end = strchr(p->at, '}');
        int r;

        if (!end)
                return wrong(p, "a brace is not closed");
        r = add_choice(p, end);
        p->at = end + 1;
        return r;
}

static void cut(Buffer *b, size_t size) {
        b->size = size;
        if (b->data)
                b->data[size] = '\0';
}

/* One character, one thing in braces, or a bracket. */
static int step(Prompt *p, size_t *open) {
        char c = *p->at++;
        bool twice = *p->at == c;

        if (!strchr("{}[]", c) || twice) {
                if (strchr("{}[]", c))
                        p->at++;
                return buffer_add(p->out, &c, 1);
        }
        if (c == '{')
                return add_braces(p);
        if (c == '[' && *open == SIZE_MAX) {
                *open = p->out->size;
                p->complete = true;
                return 0;
        }
        if (c != ']' || *open == SIZE_MAX)
                return wrong(p, "a bracket has no partner");
        if (!p->complete)
                cut(p->out, *open);
        *open = SIZE_MAX;
        return 0;
}

int prompt_expand(const char *prompt, const Kind *k, const JobRequest *r, const char *input,
                Buffer *b, const char **reterr) {
        Prompt p = {
                .at = prompt,
                .kind = k,
                .request = r,
                .input = input,
                .out = b,
                .reterr = reterr,
        };
        size_t open = SIZE_MAX;
        int q = 0;

        while (*p.at && q >= 0)
                q = step(&p, &open);
        if (q >= 0 && open != SIZE_MAX)
                return wrong(&p, "a bracket is not closed");
        return q;
}

bool prompt_has_input(const char *prompt) {
        return strstr(prompt, "{input}");
}
