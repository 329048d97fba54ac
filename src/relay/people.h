#pragma once
/* People: the relays where those read whom an event names (NIP-65). An event that is published
 * without a word on relays goes there, too, so that whoever is answered hears of it. */
#include "nostr/event.h"

typedef struct Hub Hub;
typedef struct Letter Letter;
typedef struct People People;

#define PEOPLE_ROOM 8 /* relays that a letter may get by this */

int people_new(Hub *h, People **ret);
People *people_free(People *p);
DEFINE_CLEANUP(People, people_free)

/* Is it an event that its people should hear of? Jobs, private messages and lists are not. */
bool people_want(const Hub *h, const Event *e);
/* The letter has just been added, with room. Who is known is in its relays when this returns;
 * others are looked for, and the letter is held meanwhile. */
void people_reach(Hub *h, Letter *l, const Event *e);
