#pragma once
/* Query: stored events that a person asks for once. Several relays are asked, what they have is
 * verified, the doubles are dropped, and all of it is one answer when each has said that this was
 * all, or when the time is over. */
#include <systemd/sd-bus.h>

#include "nostr/message.h"
#include "relay-hub.h"

#define QUERY_FILTERS_MAX 10
#define QUERY_LIMIT_MAX   1000

typedef struct Query Query;

/* For what we ask ourselves: the newest first; it is over when this returns. */
typedef void (*query_found_t)(Hub *h, Event *const *events, size_t n, void *userdata);

typedef struct QueryInfo {
        sd_bus_message *call; /* is answered with a(ss) events, a(ss) relays that did not answer */
        query_found_t found;  /* instead of a call */
        void *userdata;
        char **filters, **urls;     /* no urls: all configured */
        uint32_t limit, timeout_ms; /* 0: as usual */
} QueryInfo;

/* -EINVAL or -EBADMSG with a reason; -EBUSY: there are too many. */
int query_start(Hub *h, const QueryInfo *info, const char **reterr);
void query_free_all(Hub *h);

/* ---- for upstreams */

bool query_uses(const Hub *h, const Upstream *u);
/* It is up, or knows now who we are: what waited for that is asked. */
void query_up(Upstream *u);
void query_lost(Upstream *u, const char *reason);
/* What it says about a query of ours; false: about none. */
bool query_event(Upstream *u, const Message *m, HubVerdict *ret);
bool query_end_of_stored(Upstream *u, const Message *m);
bool query_closed(Upstream *u, const Message *m);
