#pragma once
/* Hub: everything pylon-relay owns, and how the parts meet. */
#include "basic/log.h"
#include "bus/names.h"
#include "bus/service.h"
#include "client/signer-client.h"
#include "ingest.h"
#include "local.h"
#include "shelf.h"
#include "subscription.h"
#include "upstream.h"

#define HUB_UPSTREAMS_MAX 64
#define HUB_OWNERS_MAX    8

/* Outcomes go to the latest connection of a role. */
typedef struct Owner {
        char *role;
        sd_bus *bus;
        sd_bus_message *outcomes; /* being filled in this turn */
        unsigned n_outcomes;
} Owner;

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
        bool draining, housekeeping_soon;
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
/* An EVENT came; the subscription is whom it was for. */
typedef enum HubVerdict { HUB_NEW, HUB_KNOWN, HUB_BAD, HUB_UNASKED } HubVerdict;
HubVerdict hub_event(Hub *h, Upstream *u, Subscription *s, const char *json, size_t size,
                int64_t *ret_created_at);
void hub_want_flush(Hub *h);
void hub_upstream_changed(Hub *h, Upstream *u);

/* ---- for relay-bus.c */

int hub_subscribe(Hub *h, const SubscriptionInfo *info, const char **reterr);
Subscription *hub_find_subscription(Hub *h, const char *role, const char *name);
int hub_unsubscribe(Hub *h, const char *role, const char *name, bool forget);
void hub_gone(Hub *h, sd_bus *bus);

/* The connection gets outcomes from here on, and those at once which were not forgotten. */
int hub_own(Hub *h, sd_bus *bus, const char *role);
/* Adds to the outbox and, where durable, to the open request of the shelf. */
int hub_publish(Hub *h, const char *role, const char *json, char **urls, bool durable,
                const char **reterr);
void hub_published(Hub *h); /* the batch is over: it may be sent */
void hub_forget(Hub *h, const char *role, const char *id_hex);
