#pragma once
/* The tables of main.c, for whoever tells others what is in them: the completions. */
#include "cli.h"

typedef struct Verb {
        const char *group, *name;
        const char *synopsis; /* of what is no option */
        const char *help;
        int n_min, n_max; /* how many of these */
        bool anywhere;    /* does without an instance, files and config */
        int (*run)(Cli *cli);
        const char *options; /* their long names, besides those that all have */
} Verb;

typedef enum OptionType {
        OPTION_FLAG,  /* bool */
        OPTION_TEXT,  /* const char * */
        OPTION_COUNT, /* uint32_t */
        OPTION_LARGE, /* uint64_t */
        OPTION_SPAN,  /* usec_t */
        OPTION_MODE,
        OPTION_RELAY,
        OPTION_PARAM,
} OptionType;

typedef struct OptionRow {
        const char *name;
        char letter;
        OptionType type;
        const char *value; /* its name in the help */
        size_t offset;
        const char *help;
        const char *spelled; /* on the command line, where two rows have the same spelling */
} OptionRow;

const Verb *verb_rows(size_t *ret_n);
const OptionRow *option_rows(size_t *ret_n);
bool verb_has(const Verb *verb, const OptionRow *o); /* NULL: has what all have */
const char *option_spelling(const OptionRow *o);
