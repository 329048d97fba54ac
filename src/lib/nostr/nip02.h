#pragma once
/* NIP-02: whom somebody follows (kind 3). The list is replaced as a whole, so it is always made
 * from the newest one that can be found, and whatever else is in that stays. */
#include "nostr/event.h"

#define NIP02_KIND 3

bool follow_list_has(const Event *list, const char *pubkey_hex);

typedef struct Follow {
        const Event *old;       /* NULL only where it is sure that there is none */
        const char *pubkey_hex; /* of whom */
        const char *relay;      /* where he writes; NULL */
        bool on;                /* follow, or not any more */
} Follow;
/* 1: it is so already, and there is no draft. -E2BIG: the list is as long as an event may be. The
 * draft is later than the old list, so that it counts. */
int follow_list_draft(const Follow *f, int64_t now, Draft **ret);
