#pragma once
/* Price: what a job costs. Pure: the price list and the facts of a request go in, an exact amount
 * comes out, or no to a bid. Every part is rounded up, and nothing overflows silently. */
#include "basic/config.h"

#define PRICE_MAX INT64_C(2100000000000000000) /* msat: all the money there is */

/* What is measured or expected of a job; 0 where it is not known or does not apply. */
typedef struct PriceFacts {
        uint16_t kind;
        const char *model; /* "" where the request names none */
        int64_t tokens_in, tokens_out, bytes;
        usec_t duration, cpu;
        int64_t bid_msat;  /* -1: none */
        int64_t unit_msat; /* what the wallet can ask for, 1 or 1000; the price is a multiple */
} PriceFacts;

typedef struct PriceList {
        const ConfigPrice *rows; /* the first that fits is the one */
        size_t n_rows;
        int64_t base_msat; /* of what no row fits, and the least of rows which do not say */
} PriceList;

typedef struct PriceQuote {
        int64_t msat;           /* to be paid; of a bid that is too low, what would have done */
        const ConfigPrice *row; /* NULL: none fits */
        bool too_cheap;         /* the bid */
} PriceQuote;

/* NULL: none fits. */
const ConfigPrice *price_find(const PriceList *l, uint16_t kind, const char *model);
/* -EOVERFLOW: beyond PRICE_MAX; -EINVAL: a fact that is negative. */
int price_quote(const PriceList *l, const PriceFacts *facts, PriceQuote *ret);

/* "*" is any text, "?" one character; letters of either case are the same. */
bool price_model_fits(const char *pattern, const char *model);
