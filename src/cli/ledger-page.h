#pragma once
/* The books, entry by entry, as the store gives them out. */
#include "call.h"

#define POSTINGS_MAX 8

typedef struct Posting {
        const char *account;
        int64_t msats; /* a debit is positive */
} Posting;

typedef struct Entry {
        int64_t number, time;
        const char *kind, *ref, *text;
        Posting postings[POSTINGS_MAX];
        size_t n_postings;
} Entry;

/* Borrowed until it returns; a negative return ends the walk. */
typedef int (*entry_t)(const Entry *entry, void *userdata);

/* All entries, the oldest first, page by page; or the last `limit` ones. What goes wrong has been
 * told: the exit code. */
int ledger_walk(Cli *cli, uint32_t limit, entry_t entry, void *userdata);

/* As people see it: what an account has more by it. */
int64_t posting_shown(const Posting *p);
