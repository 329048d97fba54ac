#pragma once
/* Interest: the filters of one subscription, whoever holds it: a service or a client of the local
 * relay. An event belongs to it when one of them matches. */
#include "nostr/filter.h"

#define INTEREST_FILTERS_MAX 32

typedef struct Interest {
        Filter *filters[INTEREST_FILTERS_MAX];
        size_t n;
} Interest;

/* -EBADMSG with a reason, -E2BIG, -ENOMEM. */
int interest_add(Interest *i, const char *json, size_t size, const char **reterr);
void interest_done(Interest *i);
bool interest_matches(const Interest *i, const Event *e);
/* Does it name this kind? A filter without kinds names none. */
bool interest_names_kind(const Interest *i, uint16_t kind);
