#pragma once
/* KeySet: public keys, to be looked up quickly. */
#include "basic/macro.h"

typedef struct KeySet {
        uint8_t (*keys)[32]; /* sorted */
        size_t n;
} KeySet;

/* Each an npub or hex. -EINVAL: one of them is none, and *ret_culprit is it; the others are there.
 */
int keyset_parse(KeySet *s, char *const *texts, const char **ret_culprit);
int keyset_add(KeySet *s, const uint8_t key[static 32]); /* sort it before it is looked into */
void keyset_sort(KeySet *s);                             /* drops what is there twice */
bool keyset_has(const KeySet *s, const uint8_t key[static 32]);
void keyset_done(KeySet *s);
