#include "kind.h"

#include "basic/log.h"
#include "prompt.h"

#define PLAIN    "text/plain"
#define MARKDOWN "text/markdown"
#define JSON     "application/json"

/* What is right or wrong is said with the likeliest words. */
static const char *const literally[] = { "temperature=0", NULL };

#define WRITING "max_tokens", "temperature", "top_p", "top_k", "frequency_penalty"

static const char *const generation[] = { WRITING, "presence_penalty", "seed", "stop", "system",
        NULL };
static const char *const extraction[] = { "range", WRITING, NULL };
static const char *const summary[] = { "length", "language", WRITING, NULL };
static const char *const translation[] = { "language", WRITING, NULL };
static const char *const mining[] = { "pow", NULL };

/* NIP-90's registry. A customer who names no language most likely reads the one that most of the
 * network writes. */
static const Kind kinds[] = {
        {
                        .number = 5000,
                        .work = KIND_WORK_TEXT,
                        .name = N_("text extraction"),
                        .prompt = "Extract the text that a person would read from what the user gives you: without "
                                  "markup, navigation, advertisements and repetitions, in its own language and order, "
                                  "and without words of your own.[ Only the part from {range} to {range.2}.]",
                        .outputs = { PLAIN, MARKDOWN, JSON },
                        .defaults = literally,
                        .params = extraction,
        },
        {
                        .number = 5001,
                        .work = KIND_WORK_TEXT,
                        .name = N_("summarisation"),
                        .prompt = "Summarise what the user gives you, in its own language[, in {length}][, written "
                                  "in the language \"{language}\"]. Answer with the summary only.",
                        .outputs = { PLAIN, MARKDOWN, JSON },
                        .params = summary,
        },
        {
                        .number = 5002,
                        .work = KIND_WORK_TEXT,
                        .name = N_("translation"),
                        .prompt = "Translate what the user gives you into the language \"{language|lang|en}\" (a name or "
                                  "an ISO 639 code). Keep names, links and formatting. Answer with the translation only.",
                        .outputs = { PLAIN, MARKDOWN },
                        .defaults = literally,
                        .params = translation,
        },
        {
                        .number = 5050,
                        .work = KIND_WORK_TEXT,
                        .name = N_("text generation"),
                        .outputs = { PLAIN, MARKDOWN, JSON },
                        .params = generation,
        },
        {
                        .number = 5970,
                        .work = KIND_WORK_REQUEST,
                        .name = N_("proof of work"),
                        .params = mining,
        },
};

const char *kind_param(const Kind *k, const JobRequest *r, const char *name) {
        const char *value = r ? job_request_param(r, name) : NULL;

        for (size_t i = 0; !value && k->defaults && k->defaults[i]; i++) {
                const char *rest = startswith(k->defaults[i], name);

                if (rest && *rest == '=')
                        value = rest + 1;
        }
        return value;
}

static const char *const work_names[_KIND_WORK_MAX] = {
        [KIND_WORK_REQUEST] = "request",
        [KIND_WORK_TEXT] = "text",
        [KIND_WORK_EMBEDDINGS] = "embeddings",
};

int kind_work_from_name(const char *name, KindWork *ret) {
        for (KindWork w = 0; w < _KIND_WORK_MAX; w++)
                if (streq(work_names[w], name)) {
                        *ret = w;
                        return 0;
                }
        return -EINVAL;
}

const char *kind_work_name(KindWork w) {
        return work_names[w];
}

/* ---- the table */

static int check_prompt(const ConfigKind *from, const Kind *row) {
        _cleanup_buffer_ Buffer b = { .max = KIND_PROMPT_MAX };
        const char *reason = "it is too long";
        int r;

        if (!row->prompt)
                return 0;
        r = prompt_expand(row->prompt, row, NULL, "", &b, &reason);
        if (r < 0)
                log_warning("The prompt of kind %u cannot be used: %s.", from->kind, reason);
        return r;
}

static int row_load(const ConfigKind *from, Kind *ret) {
        *ret = (Kind){
                .number = (uint16_t) from->kind,
                .name = isempty(from->name) ? N_("text work") : from->name,
                .prompt = isempty(from->prompt) ? NULL : from->prompt,
                .model = isempty(from->model) ? NULL : from->model,
                .params = generation,
                .defaults = (const char *const *) from->defaults,
        };
        for (size_t i = 0; i < KIND_OUTPUTS_MAX && from->outputs && from->outputs[i]; i++)
                ret->outputs[i] = from->outputs[i];
        if (kind_work_from_name(from->as, &ret->work) < 0 || ret->work == KIND_WORK_REQUEST) {
                log_warning("Kind %u cannot be served as \"%s\".", from->kind, from->as);
                return -EINVAL;
        }
        if (!ret->outputs[0])
                ret->outputs[0] = ret->work == KIND_WORK_TEXT ? PLAIN : JSON;
        return check_prompt(from, ret);
}

int kind_table_load(KindTable *t, const Config *c) {
        Kind *rows;
        size_t n = 0;

        kind_table_done(t); /* its strings may be gone */
        rows = new0(Kind, c->kinds.n_rows + 1);
        if (!rows)
                return -ENOMEM;
        CONFIG_FOREACH_ROW (ConfigKind, from, c->kinds)
                n += row_load(from, rows + n) >= 0;
        *t = (KindTable){ rows, n };
        return 0;
}

void kind_table_done(KindTable *t) {
        free(t->rows);
        *t = (KindTable){};
}

static const Kind *row_at(const KindTable *t, size_t i) {
        if (i < t->n_rows)
                return t->rows + i;
        i -= t->n_rows;
        return i < ELEMENTSOF(kinds) ? kinds + i : NULL;
}

const Kind *kind_table_find(const KindTable *t, uint16_t number) {
        const Kind *k;

        for (size_t i = 0; (k = row_at(t, i)); i++)
                if (k->number == number)
                        return k;
        return NULL;
}

const Kind *kind_table_next(const KindTable *t, size_t *cursor) {
        const Kind *k;

        do
                k = row_at(t, (*cursor)++);
        while (k && kind_table_find(t, k->number) != k);
        return k;
}
