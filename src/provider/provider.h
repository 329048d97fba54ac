#pragma once
/* Provider: takes requests while it is online, and owns the jobs. */
#include "announce.h"
#include "backend.h"
#include "client/inbox.h"
#include "estimate.h"
#include "feedback.h"
#include "job.h"
#include "outreach.h"
#include "pricing.h"
#include "remember.h"
#include "router.h"
#include "tally.h"
#include "trust.h"
#include "zap-in.h"

#define PROVIDER_KEY          "provider"
#define PROVIDER_SUBSCRIPTION "jobs"
#define PROVIDER_WISH         "provider.online"
#define PROVIDER_KINDS_MAX    CONFIG_KINDS_MAX
#define PROVIDER_BACKENDS_MAX 8

typedef enum ProviderState {
        PROVIDER_OFFLINE,
        PROVIDER_ONLINE,
        PROVIDER_DRAINING, /* no new jobs; goes offline when it is done */
        _PROVIDER_STATE_MAX,
} ProviderState;

struct Provider {
        sd_event *event;
        const Config *config;
        StoreClient *store;
        SignerClient *signer;
        RelayClient *relay;
        WalletClient *wallet;
        Http *http;                                    /* for inputs of strangers */
        void (*changed)(Provider *p, void *userdata);  /* the state */
        void (*moved)(const Job *job, void *userdata); /* to another state; NULL */
        void *userdata;

        ProviderState state;
        bool going_online; /* on the way: the wish, our key, the jobs of the store */
        bool wished;       /* somebody said so; else the store is asked */
        bool loaded;       /* the open jobs of the store are here */
        bool run_queue;    /* while draining: also what waits */
        bool withdrawing;  /* the drain is over but for this */
        char last_loaded[HEX32_MAX];
        char pubkey_hex[HEX32_MAX];
        usec_t started_at;

        Backend *backends[PROVIDER_BACKENDS_MAX];
        size_t n_backends;
        Router *router;  /* the one of them that asks models … */
        RouterLook look; /* … at what there is, before we go online; once */
        bool looked;
        KindTable kind_table;
        uint16_t kinds[PROVIDER_KINDS_MAX]; /* that are served */
        size_t n_kinds;

        Map jobs;    /* by the request's id, 32 bytes */
        Map results; /* by the result's id: those that wait for a relay */
        Queue queue; /* work that needs a slot */
        Queue fetch; /* jobs whose inputs must be fetched first */
        unsigned n_fetching, n_waiting_for_jobs;
        uint64_t fetched_bytes; /* of inputs that wait for their work */
        Queue calls;            /* the owner's own, which come first */
        struct Infer *infers;
        unsigned n_infers;
        Queue small; /* work that needs none, and waits for no slot */
        Customers customers;
        Pace pace, ping_pace;
        Trust trust;
        Outreach outreach;
        Tally tally;
        Durations durations;
        Pricing pricing;
        Remember remember;
        bool reread;     /* the store has jobs that are open again */
        size_t n_unpaid; /* open jobs that nobody has paid for */
        KeySet agents, allow, deny;
        Inbox inbox;
        ZapIn *zaps; /* that are being looked at */
        unsigned n_zaps;
        unsigned n_running;
        FeedbackList feedback;
        Announcer announcer;

        sd_event_source *turn;  /* the queue is looked at, once in a turn of the loop */
        char trouble[256];      /* why it does not get online, for people; "" */
        sd_event_source *retry; /* going online did not work; also: draining took too long */
        usec_t retry_usec;
        StoreCall *store_call;
        SignerCall *signer_call;
        WalletCall *wallet_call;
};

typedef struct ProviderSockets {
        const char *store, *signer, *relay, *wallet;
} ProviderSockets;

/* changed() may be called from within every function but this. */
int provider_new(sd_event *event, const Config *config, const ProviderSockets *sockets,
                void (*changed)(Provider *p, void *userdata), void *userdata, Provider **ret);
Provider *provider_free(Provider *p);
DEFINE_CLEANUP(Provider, provider_free)

void provider_reload(Provider *p, const Config *config);

/* As the wish in the store says; what a start does. */
void provider_go_as_wished(Provider *p);
void provider_go_online(Provider *p);
/* The jobs that are open in the eyes of the store, and not in ours, are taken up. */
void provider_read_again(Provider *p);
/* Takes no new jobs and withdraws the announcement; waits for what runs, or for all that waits too,
 * and is offline then. */
void provider_drain(Provider *p, bool run_queue);

bool provider_is_busy(const Provider *p);
const char *provider_state_name(ProviderState s);

/* For the files of this folder. */
void provider_set_state(Provider *p, ProviderState s);
void provider_come_online(Provider *p); /* again where the configuration is another one */
void provider_end_drain(Provider *p);   /* nothing runs any more */
void provider_announce(Provider *p);    /* what it is now; while it is online */

void provider_go_on(Provider *p); /* with coming online */
void provider_try_again(Provider *p, const char *what, const char *reason);

JobPrice provider_price(const Provider *p, const JobRequest *r);
Backend *provider_backend(Provider *p, uint16_t kind);
Limits provider_limits(const Provider *p, const JobRequest *r);
bool provider_is_agent(const Provider *p, const JobRequest *r);
int64_t provider_now(const Provider *p); /* seconds */
unsigned provider_n_in_state(const Provider *p, JobState state);
void provider_want_turn(Provider *p);
void provider_finish(Provider *p, uint64_t seq);
