#pragma once
/* Post: what services publish, on its way to relays, and what relays said on its way back. The
 * outbox itself is pure; here are its file, its owners and the choice of relays. */
#include <systemd/sd-bus.h>

#include "outbox.h"

typedef struct Hub Hub;

/* Outcomes go to the latest connection of a role. */
typedef struct Owner {
        char *role;
        sd_bus *bus;
        sd_bus_message *outcomes; /* being filled in this turn */
        unsigned n_outcomes;
} Owner;

/* What one request of the shelf saves. */
typedef struct PostIds {
        uint8_t (*list)[32];
        size_t n;
} PostIds;

extern const OutboxHandler post_handler;

int post_load(Hub *h); /* what the last run left */
void post_free(Hub *h);

/* The connection gets outcomes from here on, and those at once which were not forgotten. */
int post_own(Hub *h, sd_bus *bus, const char *role);
/* Adds to the outbox and, where durable, to the open request of the shelf and to its ids. */
int post_publish(Hub *h, const char *role, const char *json, char **urls, bool durable,
                PostIds *ids, const char **reterr);
/* The request is over. What was not kept has never been in the outbox: its owner is told so. */
void post_settle(Hub *h, const PostIds *ids, bool kept);
/* The letter has got more relays; it will get no more. */
void post_extended(Hub *h, Letter *l);
void post_released(Hub *h, Letter *l);
void post_published(Hub *h); /* the batch is over: it may be sent */
/* The owner has noted what it wants to know. Relays that have not answered still get the event. */
void post_forget(Hub *h, const char *role, const char *id_hex);
void post_sweep(Hub *h); /* takes out what was forgotten and is finished */

void post_flush(Hub *h); /* outcomes of this turn */
void post_save_verdicts(Hub *h);
void post_gone(Hub *h, sd_bus *bus);
