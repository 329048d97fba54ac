#pragma once
/* NIP-10, NIP-22 and NIP-25: which note an event answers, and answers and reactions of our own.
 * Notes (kind 1) are answered by notes, everything else by comments (kind 1111). */
#include "nostr/event.h"

#define NIP10_NOTE_KIND    1
#define NIP22_COMMENT_KIND 1111
#define NIP25_REACT_KIND   7
#define NIP10_PEOPLE_MAX   50 /* who are told of an answer; the thread's others are left out */

/* Ids as hex, borrowed from the event; NULL where there is none that is well formed. The event
 * answers `parent`; `root` began the thread, and is the parent itself in the first answer. */
typedef struct Thread {
        const char *root, *parent;
        const char *root_relay, *root_author; /* hints: ""; author as hex, or "" */
} Thread;
/* Marked tags, else the old positions: the first is the root, the last the parent. Quotes and mere
 * mentions are neither. False: it answers nothing. */
bool thread_read(const Event *e, Thread *ret);

typedef struct Answer {
        const Event *to;
        const char *relay;  /* where the event was seen: a hint; NULL */
        const char *author; /* ours as hex: who is not told of it */
        const char *text;   /* of a reaction "+", "-" or an emoji */
} Answer;
int reply_draft(const Answer *a, int64_t now, Draft **ret);
/* NIP-25. -EINVAL: the text is nothing to react with. */
int reaction_draft(const Answer *a, int64_t now, Draft **ret);
