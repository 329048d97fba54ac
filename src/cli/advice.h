#pragma once
/* Advice: from what became of requests, the nearest change that would have won more of them. Pure.
 */
#include "basic/macro.h"

typedef struct WhyLine {
        const char *relay, *verdict;
        uint16_t kind;
        uint64_t n;
} WhyLine;

typedef struct WhyBidLine {
        uint16_t kind;
        uint32_t percent; /* of the price, at least */
        uint64_t n;
} WhyBidLine;

typedef struct WhyReport {
        WhyLine *lines;
        WhyBidLine *bids;
        size_t n_lines, n_bids;
        int64_t price_msats;
} WhyReport;

#define ADVICE_MAX 32

typedef struct Advice {
        const char *verdict;
        uint16_t kind; /* 0: all */
        uint64_t n;
        int64_t price_msats; /* of too-cheap: the price that would have earned the most */
        uint32_t percent;    /* and which part of today's price that is */
} Advice;

/* What would have won the most comes first; at most ADVICE_MAX. */
size_t advice_make(const WhyReport *r, Advice ret[static ADVICE_MAX]);
/* Words: what the verdict is, and what to change; NULL: nothing can be done about it. */
const char *advice_meaning(const char *verdict);
const char *advice_change(const char *verdict);
