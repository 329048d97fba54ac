#pragma once
/* Filter: what a subscription asks for (NIP-01). Keys are combined by AND, the values of one key by
 * OR. Lists are sorted and hold nothing twice. */
#include "nostr/event.h"

#define FILTER_SIZE_MAX   (64 * 1024)
#define FILTER_VALUES_MAX 2048
#define FILTER_TAGS_MAX   16

typedef struct FilterTag {
        char name; /* one letter */
        char **values;
        size_t n;
} FilterTag;

typedef struct Filter {
        uint8_t (*ids)[32], (*authors)[32];
        uint16_t *kinds;
        FilterTag *tags;
        size_t n_ids, n_authors, n_kinds, n_tags; /* 0: not asked for */
        int64_t since, until;                     /* both inclusive; 0 and INT64_MAX: not said */
        int64_t limit;                            /* concerns stored events only; -1: not said */
        bool nothing;                             /* a list in it was empty: no event matches */
} Filter;

/* -EBADMSG with a reason; -E2BIG. A key that we do not know is refused: without it the filter would
 * match too much. */
int filter_parse(const char *json, size_t size, Filter **ret, const char **reterr);
Filter *filter_free(Filter *f);
DEFINE_CLEANUP(Filter, filter_free)

int filter_write(const Filter *f, Buffer *b); /* its JSON */
bool filter_matches(const Filter *f, const Event *e);
