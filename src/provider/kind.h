#pragma once
/* Kind: what is known about one kind of work for sale, as a row of a table: how a request becomes
 * a task, which answers there are, and what is said of it to others. The rows of the configuration
 * come before the built-in ones of the same number. */
#include "basic/macro.h"

typedef enum KindWork {
        KIND_WORK_REQUEST,    /* a backend takes the request as it is (proof of work) */
        KIND_WORK_TEXT,       /* a model is asked, and writes */
        KIND_WORK_EMBEDDINGS, /* a model turns each input into numbers */
        _KIND_WORK_MAX,
} KindWork;

#define KIND_OUTPUTS_MAX 4
#define KIND_PROMPT_MAX  (16 * 1024)

typedef struct Kind {
        uint16_t number;
        KindWork work;
        const char *name; /* for people: "text generation" */
        /* What the model is told before the inputs; NULL: nothing. {NAME} is the parameter's first
         * value, {NAME.2} its second, {NAME|TEXT} the parameter or TEXT; what stands in [ ] is left
         * out unless every parameter in it was said. With {input} it is the whole question,
         * otherwise the inputs are the question and this is the system's message. */
        const char *prompt;
        const char *model;                     /* where the request names none; NULL: any */
        const char *outputs[KIND_OUTPUTS_MAX]; /* media types; the first where none is named */
        int64_t max_tokens;                    /* where the request says none; -1 */
        double temperature;                    /* likewise; NAN */
} Kind;

/* The built-in row, or NULL. */
const Kind *kind_builtin(uint16_t number);
const Kind *kind_builtin_next(size_t *cursor); /* all of them, from 0; NULL at the end */

int kind_work_from_name(const char *name, KindWork *ret); /* "text", "embeddings", "request" */
const char *kind_work_name(KindWork w);
