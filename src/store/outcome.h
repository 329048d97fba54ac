#pragma once
/* Outcome: the answer about one row of a batch. 0 = done, 1 = it was so already, negative =
 * refused, always with a text; the other rows of the batch are not touched. Functions that give one
 * return an error only for what concerns the whole database. */
#include "basic/macro.h"

typedef struct Outcome {
        int verdict;
        const char *text; /* never NULL once it is said; lives until the next */
        char *owned;
} Outcome;

/* Returns 0, so that a function can end with it. The text is static. */
static inline int outcome_say(Outcome *o, int verdict, const char *text) {
        o->verdict = verdict;
        o->text = text;
        return 0;
}

/* The text is copied: a row of the database. */
static inline int outcome_quote(Outcome *o, int verdict, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(o->owned);
        o->owned = copy;
        return outcome_say(o, verdict, copy);
}

static inline void outcome_done(Outcome *o) {
        free(o->owned);
        *o = (Outcome){ 0 };
}
