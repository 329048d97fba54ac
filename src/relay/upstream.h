#pragma once
/* Upstream: one relay out there. Connects while it is wanted, again with growing pauses when it
 * failed, repeats subscriptions, authenticates (NIP-42), sends the outbox, and hands what comes to
 * the hub. */
#include "net/ws.h"
#include "nostr/url.h"
#include "outbox.h"

typedef struct Hub Hub;
typedef struct Upstream Upstream;
typedef struct Subscription Subscription;

typedef enum UpstreamState {
        UPSTREAM_IDLE, /* nobody wants it */
        UPSTREAM_WAITING,
        UPSTREAM_RESOLVING,
        UPSTREAM_CONNECTING,
        UPSTREAM_UP,
        _UPSTREAM_STATE_MAX,
} UpstreamState;

typedef struct UpstreamCounts {
        uint64_t events;    /* well formed and new, or known already */
        uint64_t malformed; /* messages that are none, too large or not text */
        uint64_t bad_events;
        uint64_t unasked; /* of a subscription that we do not have, or not matching its filters */
} UpstreamCounts;

int upstream_new(Hub *hub, const char *url, Upstream **ret, const char **reterr);
Upstream *upstream_free(Upstream *u);
DEFINE_CLEANUP(Upstream, upstream_free)

const char *upstream_url(const Upstream *u);
UpstreamState upstream_state(const Upstream *u);
/* For people: idle, connecting, up, and down from a failure on until it is up again. */
const char *upstream_word(const Upstream *u);
bool upstream_is_down(const Upstream *u);
const char *upstream_error(const Upstream *u); /* the last one, "" = none */
int64_t upstream_since(const Upstream *u);     /* of its word, seconds */
const UpstreamCounts *upstream_counts(const Upstream *u);
OutRelay *upstream_outbox(Upstream *u);

/* Somebody may have begun or ceased to want it. */
void upstream_wanted(Upstream *u);
/* The subscription is new or begins again at another time: asks for it. */
void upstream_subscribe(Upstream *u, Subscription *s);
void upstream_unsubscribe(Upstream *u, const Subscription *s);
/* The subscriber has room again: the next page of stored events may be asked for. */
void upstream_continue(Upstream *u, const Subscription *s);
/* The outbox has something for it: sent at the end of this turn. */
void upstream_send(Upstream *u);
