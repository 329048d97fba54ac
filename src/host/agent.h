#pragma once
/* HostAgent: one agent as the host holds it. Its settings are a file (registry.c), its key is the
 * signer's, its money the wallet's, its history the store's: all three know it as "agent:NAME".
 *
 * When it wakes is decided in schedule.c and trigger.c, how it is in lifecycle.c, all three pure; a
 * tick itself is tick.c. */
#include <systemd/sd-event.h>

#include "basic/codec.h"
#include "host.h"
#include "settings.h"

typedef struct Tick Tick;

/* By its money; see lifecycle.h. Nothing goes back to spawning. */
typedef enum AgentLifecycle {
        AGENT_SPAWNING,    /* not funded yet */
        AGENT_ACTIVE,      /* it has money for days */
        AGENT_LOW_BALANCE, /* it has not, and acts still */
        AGENT_HIBERNATING, /* too little for a tick: it sleeps */
        AGENT_DORMANT,     /* nothing is left; a deposit wakes it */
        _AGENT_LIFECYCLE_MAX,
} AgentLifecycle;
const char *agent_lifecycle_name(AgentLifecycle l);
int agent_lifecycle_from_name(const char *name, AgentLifecycle *ret);

/* What the owner wants. */
typedef enum AgentWish {
        AGENT_STARTED,
        AGENT_STOPPED, /* no ticks, and its grant is revoked */
        AGENT_PAUSED,  /* no ticks; observations are kept */
        _AGENT_WISH_MAX,
} AgentWish;
const char *agent_wish_name(AgentWish w);
int agent_wish_from_name(const char *name, AgentWish *ret);

typedef struct HostAgent {
        Host *host;
        char *npub;
        char pubkey_hex[HEX32_MAX];
        char *name;
        char *key; /* "agent:NAME": of the signer, and account and grant */
        AgentSettings *settings;
        AgentLifecycle lifecycle;
        AgentWish wish;
        int64_t balance_msat; /* what can be spent; -1: the wallet has not said it yet */
        int64_t cost_msat;    /* measured mean of a tick */
        int64_t tick_count, last_tick_at, next_tick_at, created_at; /* seconds; 0: never */
        unsigned failures;                                          /* ticks in a row */
        int64_t late_ms;      /* of the tick that runs, behind its time; -1: it had none */
        unsigned n_approvals; /* actions that wait for the owner; kept by tick.c */

        const char *pending_trigger; /* why it wakes next; NULL: it has no reason but the clock */
        Tick *tick;                  /* the one that runs, or NULL */

        struct AgentWork *work; /* of host-core: timer, calls, counters */
} HostAgent;

/* The store, for those who read or change what is an agent's. */
struct AgentsClient *host_agents_client(Host *h);

/* By its name, npub or public key in hex. */
HostAgent *host_agent_find(Host *h, const char *name_or_npub_or_hex);
/* In the order of their names. Start with NULL; NULL is the end. */
HostAgent *host_agent_next(Host *h, const HostAgent *a);
size_t host_agent_count(Host *h);

/* Coalesced: a tick starts when none runs and lifecycle, wish, rate and back-off allow; else it is
 * remembered. trigger: "heartbeat", "mention", "reply", "dm", "zap", "keyword", "job", "tell",
 * "follow_up", "approval", "deposit", "manual". */
void host_agent_wake(HostAgent *a, const char *trigger);

typedef struct TickResult {
        int64_t tick; /* its number; 0: it never was one */
        bool dry;
        int error; /* < 0: it failed, and is backed off */
        const char *reason;
        int64_t cost_msat; /* for thinking and acting, as the wallet booked it */
        int64_t in_seconds, heartbeat_seconds; /* the agent's own wish, schedule{}; 0: none */
        const char *summary;                   /* for people: "post, reply" */
} TickResult;
/* Called by tick.c, once for each tick_start() that succeeded; re-arms the schedule, the back-off
 * and the lifecycle. The tick is a->tick no more when this returns. */
void host_agent_tick_ended(HostAgent *a, const TickResult *r);

/* So many seconds of balance are left at the present heartbeat and cost; INT64_MAX: it costs
 * nothing. */
int64_t host_agent_runway(const HostAgent *a);
/* It may tick now, but for rate and back-off: for who wants to say why not. NULL: it may. */
const char *host_agent_why_asleep(const HostAgent *a);

/* One function for each intention of its owner.
 *
 * done comes exactly once and never before the function has returned; what it reports is durable.
 * A negative return means that it never started. error < 0 comes with a reason for people:
 * -EINVAL -ENOENT -EEXIST -EBUSY -ENOKEY -EDQUOT (money is left) -EHOSTDOWN. Strings are borrowed,
 * in both directions. The agent may be gone in done. */
typedef void (*agent_done_t)(int error, const char *reason, void *userdata);
/* text: a bolt11, or "" */
typedef void (*agent_text_t)(int error, const char *reason, const char *text, void *userdata);

typedef enum AgentKeyFrom {
        AGENT_KEY_NEW,      /* generated; the signer writes its words into the pipe */
        AGENT_KEY_IMPORTED, /* the signer reads the words from the pipe */
        AGENT_KEY_THERE,    /* the signer has it, from an agent that was deleted or an import */
        _AGENT_KEY_FROM_MAX,
} AgentKeyFrom;

typedef struct SpawnOrder {
        const char *name;
        const char *settings;   /* TOML text, or NULL: the defaults */
        const AgentEdit *edits; /* on top of them */
        size_t n_edits;
        AgentKeyFrom key;
        int pipe;          /* borrowed until agent_spawn() returns; -1 with AGENT_KEY_THERE */
        int64_t fund_msat; /* of the invoice; 0: any amount; -1: none is wanted */
        bool stopped;      /* it is not started yet */
} SpawnOrder;
/* agent is NULL after an error. bolt11 is "" where there is no wallet (the agent lives all the
 * same) or none was wanted. */
typedef void (*agent_spawned_t)(int error, const char *reason, HostAgent *agent, const char *bolt11,
                void *userdata);
int agent_spawn(Host *h, const SpawnOrder *order, agent_spawned_t done, void *userdata);

/* sweep_to: a bolt11, LNURL, name@host or "owner"; NULL or "": refused with -EDQUOT while money is
 * left. -EBUSY: a payment is open. Its key stays in the signer. */
int agent_delete(HostAgent *a, const char *sweep_to, agent_done_t done, void *userdata);
/* start, stop, pause; resume is AGENT_STARTED. */
int agent_set_wish(HostAgent *a, AgentWish wish, agent_done_t done, void *userdata);
int agent_stop_all(Host *h, agent_done_t done, void *userdata);
int agent_tell(HostAgent *a, const char *text, agent_done_t done, void *userdata);
/* how: "invoice" (text is its bolt11), or the account it comes from: "owner", "provider". */
int agent_fund(HostAgent *a, int64_t msat, const char *how, agent_text_t done, void *userdata);
/* msat 0: all that can be sent, or the invoice's amount. */
int agent_withdraw(HostAgent *a, const char *destination, int64_t msat, agent_done_t done,
                void *userdata);
int agent_edit(HostAgent *a, const AgentEdit *edits, size_t n, agent_done_t done, void *userdata);
int agent_replace_settings(HostAgent *a, const char *toml, agent_done_t done, void *userdata);
int agent_write_settings(const HostAgent *a, Buffer *b); /* as TOML */

/* Who shows the agents to others (the bus) hears of changes through this. */
typedef struct AgentListener {
        void (*added)(HostAgent *a, void *userdata);
        void (*removed)(HostAgent *a, void *userdata); /* before it is freed */
        /* properties: names of com.openagents.Pylon1.Agent, with NULL at the end */
        void (*changed)(HostAgent *a, const char *const *properties, void *userdata);
        void (*tick_ended)(HostAgent *a, const TickResult *r, void *userdata);
} AgentListener;
void host_agents_listen(Host *h, const AgentListener *listener, void *userdata);
void host_agent_changed(HostAgent *a, const char *property, ...) __attribute__((sentinel));
