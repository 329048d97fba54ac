#pragma once
/* Verdict: what was decided about a request. A decision, not an error. */
#include "basic/macro.h"

typedef enum Verdict {
        VERDICT_ACCEPTED,
        VERDICT_SEALED, /* encrypted to us: decide again once it is opened */
        VERDICT_NOT_FOR_US,
        VERDICT_UNSUPPORTED_KIND,
        VERDICT_DENIED,
        VERDICT_NOT_TRUSTED,
        VERDICT_NO_POW,
        VERDICT_DUPLICATE,
        VERDICT_STALE,
        VERDICT_FROM_THE_FUTURE,
        VERDICT_EXPIRED,
        VERDICT_OFFLINE,
        VERDICT_UNREADABLE,
        VERDICT_BAD_INPUT,
        VERDICT_TOO_LARGE,
        VERDICT_TOO_HARD,
        VERDICT_TOO_CHEAP,
        VERDICT_NO_WALLET,
        VERDICT_NO_BACKEND,    /* nobody is there to do it now */
        VERDICT_UNKNOWN_MODEL, /* nor will the model be here */
        VERDICT_OVER_QUOTA,
        VERDICT_TOO_FAST,
        VERDICT_QUEUE_FULL,
        VERDICT_TROUBLE, /* ours, not the request's */
        _VERDICT_MAX,
} Verdict;

const char *verdict_name(Verdict v); /* one word, for logs */
const char *verdict_text(Verdict v); /* a sentence for the customer */
bool verdict_is_silent(Verdict v);   /* nobody is told */
