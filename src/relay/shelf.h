#pragma once
/* Shelf: relay.db. How far each subscription has come, what it has seen, the outbox, and the events
 * of the local relay. Writes that may be lost in a crash without harm are lazy: on disk within a
 * second. */
#include "basic/sql-group.h"
#include "match.h"

typedef struct Shelf Shelf;

int shelf_open(const char *path, sd_event *e, Shelf **ret, const char **reterr);
Shelf *shelf_close(Shelf *s); /* commits first */
DEFINE_CLEANUP(Shelf, shelf_close)
SqlGroup *shelf_group(Shelf *s);
Sql *shelf_sql(Shelf *s);

/* A lazy write of several rows: begin, the calls below, end. */
int shelf_begin(Shelf *s);
void shelf_end(Shelf *s, int error); /* a negative error undoes it */

/* ---- subscriptions, by the caller's role and a name */

/* Makes it where it is new; *ret_since is then now. */
int shelf_subscription(Shelf *s, const char *role, const char *name, int64_t now, int64_t *ret_id,
                int64_t *ret_since);
int shelf_subscription_forget(Shelf *s, const char *role, const char *name);
int64_t shelf_watermark(Shelf *s, int64_t subscription, const char *relay); /* 0: none */
int shelf_set_watermark(Shelf *s, int64_t subscription, const char *relay, int64_t at);
int shelf_add_seen(Shelf *s, int64_t subscription, const uint8_t id[static 32], int64_t at);
/* Those before a time, and the oldest of more than the relay can keep in memory. */
int shelf_prune_seen(Shelf *s, int64_t subscription, int64_t before);
int shelf_each_seen(Shelf *s, int64_t subscription,
                int (*each)(const uint8_t id[static 32], int64_t at, void *userdata),
                void *userdata);

/* ---- outbox */

typedef struct ShelfLetter {
        const uint8_t *id; /* 32 bytes */
        const char *owner;
        const char *relays; /* URLs, a blank between two */
        const char *json;
        int64_t expires_at;
} ShelfLetter;

int shelf_outbox_add(Shelf *s, const ShelfLetter *letter);
int shelf_outbox_relays(
                Shelf *s, const uint8_t id[static 32], const char *relays); /* instead of those */
int shelf_outbox_remove(Shelf *s, const uint8_t id[static 32]);
int shelf_outbox_answer(Shelf *s, const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message);
int shelf_each_letter(
                Shelf *s, int (*each)(const ShelfLetter *letter, void *userdata), void *userdata);
int shelf_each_answer(Shelf *s,
                int (*each)(const uint8_t id[static 32], const char *relay, bool accepted,
                                const char *message, void *userdata),
                void *userdata);

/* ---- the local relay's events (shelf-event.c) */

typedef enum ShelfVerdict {
        SHELF_ADDED,
        SHELF_DUPLICATE,
        SHELF_OLDER,   /* there is a newer version */
        SHELF_DELETED, /* its author asked for that */
        _SHELF_VERDICT_MAX,
} ShelfVerdict;

/* Inside a request of the group. */
int shelf_event_add(Shelf *s, Event *e, ShelfVerdict *ret);

typedef struct ShelfHit {
        int64_t number, created_at;
        uint8_t id[8]; /* how its id begins: of one second the lowest comes first (NIP-01) */
} ShelfHit;

/* What of the stored events matches, newest first, at most `max`. The caller frees the list. */
int shelf_event_find(Shelf *s, const Interest *i, size_t max, int64_t now, ShelfHit **ret,
                size_t *ret_n);
/* -ENOENT: it has been deleted since. */
int shelf_event_get(Shelf *s, int64_t number, Event **ret);
int shelf_event_prune(Shelf *s, int64_t now); /* expired ones, and the oldest above the maximum */
