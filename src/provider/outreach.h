#pragma once
/* Outreach: what is told and heard beside the jobs: a heartbeat (kind 11998), pings and their
 * answers (7007), the provider's profile (0) and relays (10002), and requests of kinds that are not
 * served, which are only counted. */
#include "client/relay-query.h"

typedef struct Provider Provider;

#define OUTREACH_WATCH     "market"
#define OUTREACH_PINGS     "pings"
#define HEARTBEAT_KIND     11998
#define PING_KIND          7007
#define PROFILE_KIND       0
#define RELAY_LIST_KIND    10002
#define PROFILE_RELAYS_MAX 16

typedef struct Outreach {
        sd_event_source *heartbeat, *profile_timer;
        RelayQuery *query;
        int64_t beat_at; /* of the last heartbeat, seconds */
        bool watching, listening;
} Outreach;

void outreach_online(Provider *p); /* or with another configuration */
void outreach_offline(Provider *p);
void outreach_done(Provider *p);
/* Of the subscriptions above; true: it was one of them. */
bool outreach_events(Provider *p, const char *name, const RelayEvent *events, size_t n);

/* Pure. What the profile is to be, from what it is (NULL: there is none). 0: it is so already; 1:
 * this is to be published. What we do not know of stays as it is. */
int profile_merge(const Event *old, const char *name, const char *about, int64_t now, Draft **ret);
int relay_list_merge(const Event *old, char *const *relays, int64_t now, Draft **ret);
