#pragma once
/* Hands: what everything that agents do has in common: the connections it goes through, and what
 * is under way. */
#include "agent.h"
#include "basic/map.h"
#include "client/agents-client.h"
#include "client/relay-query.h"
#include "client/signer-client.h"
#include "client/wallet-client.h"
#include "think.h"

typedef struct Deed Deed;
typedef struct Waiting Waiting;
typedef struct Letter Letter;

#define HANDS_EVENTS_MAX 65536 /* published and not answered for yet */

typedef struct Hands {
        Host *host;
        sd_event *event;
        AgentsClient *agents;
        RelayClient *relay; /* the market's: there is one in this process */
        SignerClient *signer;
        WalletClient *wallet;
        Thinker *thinker;
        Map by_event;        /* id as hex → Deed */
        Map by_subscription; /* its name → Deed */
        Deed *deeds;

        Waiting *waiting; /* approve.c: for their owners, the oldest first */
        size_t n_waiting;
        sd_event_source *silence; /* when the next one is denied */
        Letter *letters;          /* letter.c */
        size_t n_letters;

        void (*ready)(void *userdata); /* tick-resume.c */
        void *userdata;
        bool resumed;
        int64_t last_resumed;
        AgentsCall *resuming;
        sd_event_source *retry;
} Hands;

int hands_new(Host *h, Hands **ret);
Hands *hands_free(Hands *h); /* after the agents' ticks */
DEFINE_CLEANUP(Hands, hands_free)
bool hands_busy(const Hands *h); /* something is under way that a restart would have to find again
                                  */

int64_t hands_now(const Hands *h); /* seconds */

/* What came from the relay: false where it is not for us. */
bool hands_take_events(Hands *h, const char *name, const RelayEvent *events, size_t n);
bool hands_take_outcome(Hands *h, const char *id, const char *relay, RelayVerdict verdict,
                const char *message);
/* This agent is about to be freed: all of its that is in memory goes. What is on disk stays. */
void hands_drop_agent(Hands *h, HostAgent *a);
