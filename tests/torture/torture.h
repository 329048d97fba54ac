#pragma once
/* Torture: a case is run again and again, and each time one more of our library's allocations is
 * let through before one fails. */
#include "basic/macro.h"

/* 0: it was done, and what came out is right; -ENOMEM: it was told that there was no memory.
 * Anything else, a crash and a leak are bugs. */
typedef struct TortureCase {
        const char *name;
        int (*run)(void);
} TortureCase;

/* They end with an empty one. */
extern const TortureCase torture_agents_cases[], torture_agents_client_cases[];
extern const TortureCase torture_books_cases[], torture_bus_cases[], torture_http_cases[],
                torture_market_cases[], torture_mind_cases[];

/* What a case says where the outcome is wrong. */
#define TORTURE_WRONG (-EILSEQ)
#define RIGHT(x)                              \
        do {                                  \
                if (!(x)) {                   \
                        torture_wrong(#x);    \
                        return TORTURE_WRONG; \
                }                             \
        } while (false)
void torture_wrong(const char *what);
