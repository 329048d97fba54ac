#pragma once
/* What the files of a tick share. */
#include "basic/flow.h"
#include "bus/client.h"
#include "deed.h"
#include "hands.h"
#include "mind/context.h"
#include "tick.h"

#define TICK_THOUGHTS 3                 /* an agent may ask for, in one tick */
#define TICK_RESTARTS 1                 /* of an agent that went away while it was thought for */
#define TICK_ID_MAX   THINK_ID_MAX      /* "agent:NAME/TICK/N" */
#define TICK_DONE_MAX (4 * 1024 * 1024) /* bytes of what an agent says when it is done */
#define TICK_AGE_MAX  3600 /* seconds: what was interrupted longer ago is not begun again */

typedef enum TickState {
        TICK_BEGINNING,
        TICK_RECALLING,
        TICK_OPEN,
        TICK_GATHERING,
        TICK_COMPOSING,
        TICK_THINKING,
        TICK_ANSWERING,
        TICK_PLANNING,
        TICK_ACTING,
        TICK_DONE,
        TICK_FAILED,
        _TICK_STATE_MAX,
} TickState;

/* One thing the agent wants, and what is to become of it. */
typedef struct Plan {
        Action *action;               /* NULL: it could not be read, or is under way */
        char type[16], question[160]; /* question: to the owner */
        bool under_way, failed;
        char *json;
        PolicyVerdict verdict;
        PolicyMoney money;
        char author[HEX32_MAX];
        char reason[POLICY_REASON_MAX];
} Plan;

/* One question to the store: how often was this done within a day? */
typedef struct Count {
        Tick *tick;
        ActionType type;
        AgentsCall *call;
} Count;

struct TickReplay {
        Tick *tick; /* NULL: the record is being read */
        HostAgent *agent;
        int64_t number;
        bool fresh;
        char nonce[9];                /* of the ids of fresh thoughts */
        char *answers[TICK_THOUGHTS]; /* recorded ones, by the number of their thought */
        char *done;                   /* what the agent said in the end */
        tick_replayed_t told;
        void *userdata;
        TickReplay **handle;
        AgentsCall *reading;
};

struct Tick {
        Flow flow;
        HostAgent *agent;
        Hands *hands;
        int64_t number; /* 0 until it is on disk */
        char *trigger;
        bool dry;
        char *stop;         /* why its owner wants it to end; NULL */
        int64_t at;         /* seconds: when it began */
        usec_t started;     /* CLOCK_BOOTTIME */
        TickReplay *replay; /* NULL: this is no play */

        char *json;       /* what the agent may know */
        Context *context; /* the same, read */
        char *question, *answer, *done;
        unsigned n_thoughts, n_restarts;
        int64_t cost_msat, prompt_tokens, completion_tokens;
        int64_t in_seconds, heartbeat_seconds;

        Plan plans[TICK_ACTIONS_MAX];
        size_t n_plans;
        uint32_t counts[_ACTION_TYPE_MAX]; /* what was done within a day */
        unsigned n_counting;
        bool recalled;  /* its actions are on disk, and taken up */
        bool stale;     /* it found one that was not over, and ends that */
        size_t n_deeds; /* under way, as far as it waits for them */
        char summary[512];

        BusClient *mind;
        BusCall *calling;
        unsigned n_crashes, n_think_tries;
        sd_event_source *again;
        Think *thinking;
        WalletCall *paying;
        AgentsCall *asking, *writing;
        Count counting[_ACTION_TYPE_MAX];
        sd_event_source *launch;
        tick_numbered_t numbered;
        void *numbered_userdata;
};

Tick *flow_tick(Flow *f);
void tick_id(const Tick *t, unsigned n, char ret[static TICK_ID_MAX]);
usec_t tick_timeout(const Tick *t); /* for one answer of the agent */

/* tick-context.c: what the agent may know. */
Step tick_gather(Flow *f);
int tick_take_context(Tick *t, char *json); /* takes the text over, also after an error */

/* tick-mind.c: the agent's process, and thinking for it. */
Step tick_compose(Flow *f);
Step tick_think(Flow *f);
Step tick_answer(Flow *f);
void tick_dismiss(Tick *t); /* the agent may leave */

/* tick-plan.c: what it wants, and what is to become of it. */
Step tick_plan(Flow *f);
void tick_plan_rows(const Tick *t, TickAction *ret); /* TICK_ACTIONS_MAX of them */
void tick_plans_done(Tick *t);
void tick_summarise(Tick *t); /* for people: what is wanted, and what became of it so far */
/* A wish for the next time is told with the tick's end. */
void tick_take_wish(Tick *t, const Action *a);

/* tick-resume.c: what a former life has left. */
Step tick_recall(Flow *f);

/* tick-replay.c: it was only played, and is over. A fresh thought has an id of its own. */
void tick_replayed(Tick *t);
void tick_replay_id(const Tick *t, char ret[static TICK_ID_MAX]);

/* tick.c */
const char *tick_reason(const Tick *t); /* why it failed, for people */
int tick_new(HostAgent *a, const char *trigger, Tick **ret);
int tick_launch(Tick *t, TickState first);
