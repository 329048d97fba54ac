#pragma once
/* Kind: what is known about one kind of work for sale, as a row of a table: how a request becomes
 * a task, which answers there are, and what is said of it to others. The rows of the configuration
 * come before the built-in ones of the same number. */
#include "basic/config.h"
#include "nostr/nip90.h"

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
        const char *const
                        *params; /* the names of those that matter, besides the model; NULL: none */
        const char *const *
                        defaults; /* "NAME=VALUE": parameters that the request does not say; NULL */
} Kind;

/* A parameter as the request says it, or the row's own; NULL: neither does. */
const char *kind_param(const Kind *k, const JobRequest *r, const char *name);

int kind_work_from_name(const char *name, KindWork *ret); /* "text", "embeddings", "request" */
const char *kind_work_name(KindWork w);

/* All rows: those of the settings, whose strings they borrow, then the built-in ones. A row that
 * cannot be used is left out and logged. */
typedef struct KindTable {
        Kind *rows; /* of the settings */
        size_t n_rows;
} KindTable;
int kind_table_load(KindTable *t, const Config *c);
void kind_table_done(KindTable *t);
const Kind *kind_table_find(const KindTable *t, uint16_t number); /* NULL: unknown */
const Kind *kind_table_next(const KindTable *t, size_t *cursor);  /* each number once, from 0 */
