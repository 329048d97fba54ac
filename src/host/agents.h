#pragma once
/* Agents: all of this host, and what they have in common. Their files and rows are read at the
 * start; each then has one timer, in agent-wake.c. */
#include "agent.h"
#include "basic/map.h"
#include "client/agents-client.h"
#include "client/signer-client.h"
#include "client/wallet-client.h"
#include "keys.h"
#include "nostr/nip19.h"
#include "registry.h"
#include "schedule.h"

#define AGENTS_MAX REGISTRY_MAX

typedef struct Adoption Adoption;
typedef struct Spawn Spawn;
typedef struct Farewell Farewell;
typedef struct Care Care;
typedef struct Watch Watch;
typedef struct Profile Profile;

typedef struct Agents {
        Host *host;
        sd_event *event;
        char *folder;
        const char *network;
        char **relays; /* of config.toml */
        AgentsClient *store;
        SignerClient *signer;
        WalletClient *wallet;
        Keys *keys;
        StoreClient *settings; /* the host's */

        Map by_name;      /* name → HostAgent */
        Map by_pubkey;    /* 32 bytes → HostAgent */
        HostAgent **list; /* in the order of their names */
        size_t n_agents;
        size_t n_ticking;
        HostAgent *queue_first, *queue_last; /* they wake when others have ended */
        Map rows;                            /* npub → StoredRow, until the start is over */

        const AgentListener *listener;
        void *listener_userdata;

        Adoption *adoptions;
        Spawn *spawns;
        Farewell *farewells;
        Care *cares;
        Watch *watch;
        struct Units *units;

        bool loaded;  /* files and rows are here: they live */
        bool resumed; /* and what a former life has left open is taken up */
        char last_listed[NPUB_SIZE];
        AgentsCall *listing;
        sd_event_source *retry;

        char **dirty; /* accounts whose balance is to be asked for */
        WalletCall *balances;
        sd_event_source *balances_timer;
        unsigned balances_failed;

        int clock_fd;
        sd_event_source *clock; /* tells of jumps of the time */
        int64_t clock_offset;   /* seconds: real time less what has passed */
} Agents;

/* What is host-core's own of an agent. */
typedef struct AgentWork {
        uint8_t pubkey[32];
        sd_event_source *timer;
        Calendar *windows;
        size_t n_windows;
        DaySpan *quiet;
        size_t n_quiet;
        uint8_t (*muted)[32];
        size_t n_muted;

        bool urgent;                /* what it wakes for cannot wait for rates and hours */
        int64_t wish;               /* the agent's own next time; 0: none */
        int64_t not_before;         /* back-off; 0: none */
        Pace wakes;                 /* by others */
        Pace arrivals;              /* of observations */
        char zap_server[HEX32_MAX]; /* who signs the receipts of its zaps */
        int64_t zap_asked_at;
        bool zap_known;
        uint64_t n_left_out;
        bool storm; /* it was said */

        enum { GRANT_UNKNOWN, GRANT_ASKED, GRANT_SET } grant;
        WalletCall *granting;
        struct UnitCall *unit; /* its socket under systemd is being started */
        bool funded;           /* the wallet has told its balance in this life */
        AgentsCall *saving;
        int64_t saved_next; /* of next_tick_at, on disk */
        Profile *profile;
        bool going;   /* it is being deleted */
        bool counted; /* its tick is one of n_ticking */
        bool queued;
        HostAgent *queue_prev, *queue_next;
} AgentWork;

int agents_new(Host *h, Agents **ret);
Agents *agents_free(Agents *s);
DEFINE_CLEANUP(Agents, agents_free)
void agents_end_ticks(Agents *s); /* at the end, before what they act with goes */
bool agents_busy(const Agents *s);
void agents_drop_one(Agents *s, HostAgent *a); /* and frees it */

/* ---- agents-load.c */
int agents_load(Agents *s);
void agents_load_done(Agents *s);
/* Reads the files again: new agents come, changed ones are taken over, those whose file is gone
 * sleep from now on. */
int agents_reload(Agents *s);
/* Host mode was switched. */
void agents_switched(Agents *s);
int64_t agents_now(const Agents *s); /* seconds */
int64_t agents_now_ms(const Agents *s);

/* The agent is known from now on, by settings and row; both are taken over only in success. */
typedef struct AgentBirth {
        AgentSettings *settings; /* with its npub */
        AgentLifecycle lifecycle;
        AgentWish wish;
        int64_t balance_msat, cost_msat, failures, next_tick_at, created_at, tick_count,
                        last_tick_at;
} AgentBirth;
int agents_add_one(Agents *s, AgentBirth *birth, HostAgent **ret);
HostAgent *agent_free(HostAgent *a);
HostAgent *agents_by_pubkey(const Agents *s, const uint8_t pubkey[static 32]);
/* New settings, with what is derived from them; taken over only in success. */
int agent_take_settings(HostAgent *a, AgentSettings *settings);
void agent_settings_changed(HostAgent *a); /* tells everybody whom it concerns */

/* ---- agent-wake.c */
void agent_consider(HostAgent *a); /* it wakes now, or its timer is set, or neither */
void agents_consider_all(Agents *s);
void agent_unqueue(HostAgent *a);
/* What is on disk as its next time is a wish of its own, if its schedule would not say so. */
void agent_recall_wish(HostAgent *a, int64_t next_tick_at);
void agent_clock_jumped(HostAgent *a, int64_t seconds);
Schedule agent_schedule(const HostAgent *a);

/* ---- agent-funds.c */
int agents_funds_start(Agents *s);
void agents_take_balance(Agents *s, const WalletAccount *account);
void agents_ask_balance(Agents *s, const char *account); /* NULL: of all */
void agent_evaluate(HostAgent *a);                       /* its lifecycle, by what is known */
int agent_grant_json(const AgentSettings *s, Buffer *b);
/* Its grant is what its settings say; done may be NULL. */
int agent_set_grant(HostAgent *a);
/* A row of the agent in the store, lazily. */
void agent_save(HostAgent *a);

/* ---- agent-profile.c */
/* Publishes what others read about it, where that is not what was published last. */
void agent_publish_profile(HostAgent *a);
Profile *profile_free(Profile *p);

/* ---- spawn.c, farewell.c, agent-care.c */
int spawn_resume(Agents *s, AgentSettings *settings); /* one that a crash has left */
Spawn *spawn_free(Spawn *s);
int farewell_resume(Agents *s, const char *npub);
Farewell *farewell_free(Farewell *f);
Care *care_free(Care *c);
void cares_drop_agent(Agents *s, const HostAgent *a);
/* Sends at most so much of its money, fee included; without its grant, by its owner's word. */
int agent_pay_out(HostAgent *a, const char *id, const char *destination, int64_t msat,
                wallet_paid_done_t done, void *userdata, WalletCall **ret);
