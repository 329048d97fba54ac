#pragma once
/* Inbox: which of the events that the relay handed over are finished with. The relay wants to hear
 * "everything up to this one", and jobs are decided in any order. Pure. */
#include "basic/macro.h"

#define INBOX_MAX 4096 /* the relay sends no more than 1024 that are not acknowledged */

typedef struct InboxEntry {
        uint64_t seq;
        bool done;
} InboxEntry;

typedef struct Inbox {
        InboxEntry entries[INBOX_MAX]; /* a ring, in the order of their seq */
        size_t first, n;
        uint64_t last; /* seq that was added */
} Inbox;

/* In growing order. 1: not so; the relay counts anew, and what was before is forgotten. -ENOBUFS:
 * the relay sends more than it said. */
int inbox_add(Inbox *i, uint64_t seq);
/* Returns up to where everything is finished with now; 0: nothing new. */
uint64_t inbox_finish(Inbox *i, uint64_t seq);
