#pragma once
/* Hub: everything pylon-relay owns, and how the parts meet. */
#include "basic/log.h"
#include "bus/names.h"
#include "bus/service.h"
#include "client/signer-client.h"
#include "ingest.h"
#include "local.h"
#include "people.h"
#include "post.h"
#include "shelf.h"
#include "subscription.h"
#include "upstream.h"

#define HUB_UPSTREAMS_MAX 64
#define HUB_OWNERS_MAX    8

struct Hub {
        Service *service;
        sd_event *event;
        sd_event_source *flush, *housekeeping;
        WsLoop *ws;
        Shelf *shelf;
        Ingest ingest;
        Outbox *outbox;
        SignerClient *signer;
        Local *local; /* NULL: off */

        Upstream *upstreams[HUB_UPSTREAMS_MAX];
        size_t n_upstreams;
        char **configured; /* normal forms */
        Subscription *subscriptions[INGEST_SLOTS];
        Owner owners[HUB_OWNERS_MAX];
        size_t n_owners;
        People *people;
        struct Publication *publications; /* publication.c */
        unsigned n_publications;
        struct Query *queries; /* query.c */
        unsigned n_queries, n_asking, query_serial;
        bool draining, housekeeping_soon;
        bool proxied;            /* relays elsewhere are reached by the proxy */
        char own_key[HEX32_MAX]; /* that our connections prove; "" until a relay asked for it */
};

int hub_new(Service *service, Hub **ret);
Hub *hub_free(Hub *h);
DEFINE_CLEANUP(Hub, hub_free)
int hub_reload(Hub *h, const Config *old);
void hub_drain(Hub *h);
bool hub_is_busy(const Hub *h);

int64_t hub_now(void); /* seconds since 1970 */
usec_t hub_monotonic(Hub *h);

int hub_upstream(Hub *h, const char *url, Upstream **ret, const char **reterr);
bool hub_wants(const Hub *h, Upstream *u);
bool hub_is_configured(const Hub *h, const Upstream *u);
/* An EVENT came; the subscription is whom it was for. */
typedef enum HubVerdict {
        HUB_NEW,
        HUB_KNOWN,
        HUB_BAD,
        HUB_UNASKED, /* verified, and nobody had asked for it */
        HUB_NOISE,   /* the same, but it only had to be read */
} HubVerdict;
HubVerdict hub_event(Hub *h, Upstream *u, Subscription *s, const char *json, size_t size,
                int64_t *ret_created_at);
void hub_want_flush(Hub *h);
void hub_upstream_changed(Hub *h, Upstream *u);

/* ---- for relay-bus.c */

int hub_subscribe(Hub *h, const SubscriptionInfo *info, const char **reterr);
Subscription *hub_find_subscription(Hub *h, const char *role, const char *name);
int hub_unsubscribe(Hub *h, const char *role, const char *name, bool forget);
void hub_gone(Hub *h, sd_bus *bus);
