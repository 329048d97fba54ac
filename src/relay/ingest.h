#pragma once
/* Ingest: what relays send becomes an Event once, however many relays send it and for however many
 * subscriptions. It remembers ids, and for which subscribers each is done with. Pure. */
#include "basic/map.h"
#include "nostr/event.h"

#define INGEST_SLOTS 64 /* subscribers at a time */

typedef struct Seen {
        uint8_t id[32];
        int64_t created_at;
        uint64_t slots; /* who has it: a bit each */
        Event *event;   /* of the newest ones only */
} Seen;

typedef struct Ingest {
        Map ids;
        Seen **ring; /* the oldest makes room for the newest */
        size_t ring_max, n, next;
        size_t events_max, oldest_event, event_bytes;
} Ingest;

int ingest_init(Ingest *i, size_t ids_max, size_t events_max);
void ingest_done(Ingest *i);

/* The id that the text claims, without reading the rest. It must not be believed: it only helps to
 * find an event that has been verified before. */
bool ingest_peek(const char *json, size_t size, uint8_t ret[static 32]);

/* 0: a new event, verified. 1: known already; its event may have been let go. -EBADMSG with a
 * reason, -E2BIG, -ENOMEM. */
int ingest_event(Ingest *i, const char *json, size_t size, Seen **ret, const char **reterr);
/* For something known whose event was let go, and which somebody has not had: verifies again. */
int ingest_again(const Seen *s, const char *json, size_t size, Event **ret, const char **reterr);
/* An event that came verified by another way. */
int ingest_known(Ingest *i, Event *e, Seen **ret);

/* This subscriber had it, in an earlier life. */
int ingest_mark(Ingest *i, const uint8_t id[static 32], int64_t created_at, unsigned slot);
void ingest_unmark(Ingest *i, const uint8_t id[static 32], unsigned slot);
/* The slot becomes somebody else's. */
void ingest_clear_slot(Ingest *i, unsigned slot);
