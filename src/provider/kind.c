#include "kind.h"

#include <math.h>

#define PLAIN    "text/plain"
#define MARKDOWN "text/markdown"
#define JSON     "application/json"

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
                        .max_tokens = -1,
                        .temperature = 0,
        },
        {
                        .number = 5001,
                        .work = KIND_WORK_TEXT,
                        .name = N_("summarisation"),
                        .prompt = "Summarise what the user gives you, in its own language[, in {length}][, written "
                                  "in the language \"{language}\"]. Answer with the summary only.",
                        .outputs = { PLAIN, MARKDOWN, JSON },
                        .max_tokens = -1,
                        .temperature = NAN,
        },
        {
                        .number = 5002,
                        .work = KIND_WORK_TEXT,
                        .name = N_("translation"),
                        .prompt = "Translate what the user gives you into the language \"{language|lang|en}\" (a name or "
                                  "an ISO 639 code). Keep names, links and formatting. Answer with the translation only.",
                        .outputs = { PLAIN, MARKDOWN },
                        .max_tokens = -1,
                        .temperature = 0,
        },
        {
                        .number = 5050,
                        .work = KIND_WORK_TEXT,
                        .name = N_("text generation"),
                        .outputs = { PLAIN, MARKDOWN, JSON },
                        .max_tokens = -1,
                        .temperature = NAN,
        },
        {
                        .number = 5970,
                        .work = KIND_WORK_REQUEST,
                        .name = N_("proof of work"),
                        .max_tokens = -1,
                        .temperature = NAN,
        },
};

const Kind *kind_builtin(uint16_t number) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (kinds[i].number == number)
                        return &kinds[i];
        return NULL;
}

const Kind *kind_builtin_next(size_t *cursor) {
        return *cursor < ELEMENTSOF(kinds) ? &kinds[(*cursor)++] : NULL;
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
