#pragma once
/* Deed: one action of an agent on its way to being done, as a flow. The table of its states is in
 * deed.c; what each kind of action does in them is a DeedClass in an act-*.c.
 *
 * Whatever leaves this machine is written down before: a signed event goes out again by the same id
 * after a crash, and a payment is asked about by its id before anything is sent. A deed outlives
 * its tick where the world is slow. */
#include "basic/flow.h"
#include "hands.h"
#include "policy.h"
#include "tick.h"

#define DEED_EVENTS_MAX  2
#define DEED_PAYMENT_MAX 96 /* "agent:NAME/TICK/N" */

typedef enum DeedState {
        DEED_PLANNED,
        DEED_PREPARING,
        DEED_SIGNING,
        DEED_SIGNED,
        DEED_UNKNOWN,
        DEED_APPLYING,
        DEED_DONE,
        DEED_FAILED,
        _DEED_STATE_MAX,
} DeedState;

typedef struct DeedClass {
        Step (*prepare)(Flow *f); /* finds out what it needs; NULL: nothing */
        Step (*sign)(Flow *f);    /* NULL: it is done in the store alone */
        Step (*send)(Flow *f);
        Step (*look)(Flow *f); /* a payment whose outcome is open */
        /* What happens in the store with "done"; NULL: nothing but that. */
        int (*apply)(Deed *d, ActionMove *move);
        bool (*stays)(const Deed *d); /* true: this one is done in the store alone; NULL: none */
        bool pays;
} DeedClass;

extern const DeedClass deed_post, deed_reply, deed_react, deed_follow; /* act-note.c */
extern const DeedClass deed_dm, deed_ask;                              /* act-message.c */
extern const DeedClass deed_zap, deed_pay;                             /* act-money.c */
extern const DeedClass deed_goal_add, deed_goal_update, deed_goal_close, deed_remember,
                deed_forget;                        /* act-memory.c */
extern const DeedClass deed_schedule, deed_nothing; /* act-schedule.c */

struct Deed {
        Flow flow;
        Hands *hands;
        HostAgent *agent;
        Tick *tick; /* that waits for it; NULL: it is over, or waits no longer */
        Deed *prev, *next;
        const DeedClass *class;
        int64_t number; /* of the tick */
        uint32_t n;
        Action *action;
        PolicyMoney money;
        char author[HEX32_MAX]; /* of the observation it concerns; "": not known */
        bool resting;           /* nothing is left to wait for but the world */
        bool resumed;           /* it was taken up from disk */

        Draft *draft;
        Event *events[DEED_EVENTS_MAX]; /* signed, in the order in which they are on disk */
        size_t n_events;
        char **relays; /* where the first one goes; NULL: all of the agent */
        unsigned n_refused, n_tries;
        char refusal[128]; /* the last one of a relay, or of the wallet */
        char note[160];    /* for the record of what is done */
        int64_t cost_msat; /* -1: none */

        Event *found;           /* what it answers, or the newest list there is */
        bool knows_old_only;    /* act-message.c: this peer reads kind 4 alone */
        char subscription[32];  /* for the receipt of a zap */
        char server[HEX32_MAX]; /* whose receipt it has to be */
        char hash[HEX32_MAX];   /* of the payment, when it was settled */
        bool was_sent;          /* to the wallet, in this life */

        SignerCall *signing;
        RelayQuery *query;
        RelayPublish *publishing[DEED_EVENTS_MAX];
        WalletCall *paying;
        AgentsCall *writing;
        sd_event_source *timer, *grace;
};

typedef struct DeedOrder {
        HostAgent *agent;
        Tick *tick; /* NULL: none waits */
        int64_t number;
        uint32_t n;
        Action *action; /* taken over in success */
        const PolicyMoney *money;
        const char *author;
        const ActionRow *row; /* of a former life; NULL: it is new */
} DeedOrder;
int deed_start(Hands *h, const DeedOrder *order, Deed **ret);
Deed *deed_free(Deed *d); /* what is on disk stays */
DEFINE_CLEANUP(Deed, deed_free)

const char *deed_state_name(DeedState s);
bool deed_state_is_durable(DeedState s);
size_t deeds_open(const Hands *h, const HostAgent *a);
Deed *deed_find(Hands *h, const HostAgent *a, int64_t number, uint32_t n);
/* Of the agent, and begun earlier than this one: a list that both would change is changed one after
 * the other. */
const Deed *deed_before(const Deed *d, ActionType type);
bool deed_is_over(const Deed *d);

/* ---- for the act-*.c */

Deed *flow_deed(Flow *f);
/* One question to the relays: a filter in JSON. on_found() gets the deed as its userdata. */
int deed_ask_relays(Deed *d, const char *const *filters, uint32_t limit, relay_query_done_t found);
/* Has d->draft signed, and goes on to DEED_SIGNED. */
Step deed_sign_draft(Flow *f);
/* The same for a rumor: one wrap for the recipient, one for the agent itself. */
Step deed_wrap_draft(Flow *f, const char *recipient);
/* With done, and what happens in the store by it. */
int deed_write(Deed *d, ActionMove *m);
void deed_payment_id(const Deed *d, char ret[static DEED_PAYMENT_MAX]);
/* Hands d->events[i] over, to these relays (NULL: the agent's own). */
int deed_publish(Deed *d, size_t i, const char *const *relays);
Step deed_publish_note(Flow *f); /* the only event, to the agent's relays */
/* The world may take its time: its tick is over without it. */
void deed_rest(Deed *d);
void deed_rest_after(Deed *d, usec_t usec);
void deed_remark(Deed *d, const char *format, ...) _printf_(2, 3);
/* Calls the flow again after a pause that grows with each try. */
int deed_again(Deed *d, usec_t first, usec_t max);
/* act-receipt.c: what is paid is done when its receipt has come, or does not come in time */
void deed_await_receipt(Deed *d);
void deed_take_receipt(Deed *d, const RelayEvent *events, size_t n);

/* ---- for tick.c */
void tick_deed_rests(Tick *t, Deed *d);
