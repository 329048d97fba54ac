#pragma once
/* Facts about one thing: a line each with its label for people, a member each in JSON. */
#include "cli.h"
#include "out.h"

typedef struct Facts {
        const Cli *cli;
        Out out;
} Facts;

#define FACTS_INIT(c) \
        { .cli = (c), .out = OUT_INIT, }

/* The label is translated already; NULL: a program only wants to know it. */
void fact_text(Facts *f, const char *key, const char *label, const char *value);
void fact_number(Facts *f, const char *key, const char *label, int64_t value);
void fact_list(Facts *f, const char *key, const char *label, char *const *values);
/* Prints the JSON, if that is wanted; the exit code. */
int facts_print(Facts *f);
void facts_done(Facts *f);
