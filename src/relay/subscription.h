#pragma once
/* Subscription: what one service wants from relays. Events wait in a window until they are
 * acknowledged; where it is full a gap is noted and filled later. Watermarks, one per relay, move
 * when what lies before them has been acknowledged. */
#include <systemd/sd-bus.h>

#include "ingest.h"
#include "match.h"
#include "upstream.h"

#define SUBSCRIPTION_WINDOW     1024
#define SUBSCRIPTION_BYTES_MAX  (16 * 1024 * 1024)
#define SUBSCRIPTION_RELAYS_MAX 64

typedef struct SubRelay {
        Upstream *upstream;
        int64_t mark;  /* on disk: all before it has been acknowledged */
        int64_t heard; /* newest created_at of what it brought, first or after others */
        bool complete; /* all stored events have been handed over */
        bool settled;  /* and acknowledged: the mark may follow */
        uint64_t complete_seq;
} SubRelay;

typedef struct Pending {
        uint64_t seq;
        Upstream *upstream;
        Event *event;
} Pending;

struct Subscription {
        Hub *hub;
        unsigned slot;
        sd_bus *bus;
        char *role, *name;
        char **filters, **urls; /* no urls: all configured */
        Interest interest;
        int64_t id; /* in the shelf */
        int64_t since;
        SubRelay relays[SUBSCRIPTION_RELAYS_MAX];
        size_t n_relays;

        Pending window[SUBSCRIPTION_WINDOW]; /* a ring */
        size_t first, n, n_sent, bytes;
        uint64_t next_seq;
        bool gap; /* something was left out since the window was full */
        int64_t pruned_at;
};

typedef struct SubscriptionInfo {
        sd_bus *bus;
        const char *role, *name;
        char **filters, **urls;
} SubscriptionInfo;

/* -EINVAL with a reason. The hub gives the slot and connects it to relays. */
int subscription_new(Hub *hub, unsigned slot, const SubscriptionInfo *info, Subscription **ret,
                const char **reterr);
Subscription *subscription_free(Subscription *s);
DEFINE_CLEANUP(Subscription, subscription_free)

int subscription_add_relay(Subscription *s, Upstream *u);
void subscription_drop_relay(Subscription *s, const Upstream *u);
bool subscription_uses(const Subscription *s, const Upstream *u);

/* Where a REQ to this relay has to begin: the overlap before the mark. */
int64_t subscription_since(const Subscription *s, const Upstream *u);
/* A REQ goes out: what is stored there is not complete until subscription_complete(). */
void subscription_begins(Subscription *s, const Upstream *u);
void subscription_complete(Subscription *s, const Upstream *u);
bool subscription_has_room(const Subscription *s); /* for a page of stored events */

/* The relay brought, also, an event that the subscriber has. */
void subscription_heard(Subscription *s, const Upstream *u, int64_t created_at);
/* Matching is the caller's. false: the window is full, and the gap is noted. */
bool subscription_push(Subscription *s, Upstream *u, Event *e);
void subscription_flush(Subscription *s); /* sends what waits */
void subscription_acknowledge(Subscription *s, uint64_t seq);
