#pragma once
/* AgentsClient: the agents in the store, their ticks, actions, goals and memories; for pylon-host.
 *
 * What is asked of one client is done in the order in which it was asked, and what arrives together
 * is on disk with one commit. A call whose answer was lost is repeated by itself: each changes the
 * same thing once, however often it comes. */
#include <systemd/sd-event.h>

#include "basic/macro.h"
#include "client/agents-limits.h"

typedef struct AgentsClient AgentsClient;
typedef struct AgentsCall AgentsCall;

int agents_client_new(sd_event *event, const char *socket_path, AgentsClient **ret);
AgentsClient *agents_client_free(AgentsClient *c); /* nothing is called back */
DEFINE_CLEANUP(AgentsClient, agents_client_free)
size_t agents_client_n_waiting(const AgentsClient *c);

/* Every function below: a negative return means that it never started (-ENOBUFS: too many wait for
 * their answers). The callback comes exactly once, never before the function has returned, never
 * after agents_call_free(). ret may be NULL; else *ret is cleared when the call is over, so it must
 * live as long. Strings are borrowed, in both directions; NULL is "" on the way in, and nothing is
 * NULL on the way out. Texts must be UTF-8 (else -EILSEQ); what D-Bus cannot carry of them becomes
 * U+FFFD, or an escape in JSON. */
AgentsCall *agents_call_free(AgentsCall *call); /* what was asked may still happen */
DEFINE_CLEANUP(AgentsCall, agents_call_free)

/* 0: done, and on disk. 1: it was so already, the text says how. Negative: refused (nothing of it
 * was done) or the store cannot be asked; the text says why, for people: lower case, no full stop.
 */
typedef void (*agents_verdict_t)(int verdict, const char *text, void *userdata);
/* One JSON value, or NULL after an error. */
typedef void (*agents_json_t)(int error, const char *reason, const char *json, void *userdata);

/* Agents: the rows of agent_state. Amounts are msat, times seconds since 1970, 0 where never. */

typedef struct AgentRow {
        const char *npub, *pubkey; /* the same key, as bech32 and as hex */
        const char *name;          /* [a-z0-9][a-z0-9._-]{0,31}, of one agent only */
        const char *lifecycle;     /* spawning active low_balance hibernating dormant */
        const char *wish;          /* started stopped paused */
        int64_t balance_msat;
        int64_t cost_msat; /* what a tick costs, as the host has measured it */
        int64_t failures;  /* ticks in a row that failed */
        int64_t next_tick_at, created_at;
        int64_t tick_count, last_tick_at; /* kept by agents_begin_tick(), not by agents_add() */
} AgentRow;

/* -EEXIST: the name is another's. 1: this npub is there; the text is its lifecycle. */
int agents_add(AgentsClient *c, const AgentRow *row, agents_verdict_t done, void *userdata,
                AgentsCall **ret);

typedef struct AgentChange {
        const char *npub;
        const char *lifecycle, *wish;                            /* NULL: as it was */
        int64_t balance_msat, next_tick_at, cost_msat, failures; /* -1: as it was */
        bool lazy; /* may reach the disk up to a second later; the answer does not wait for it */
} AgentChange;
int agents_set(AgentsClient *c, const AgentChange *change, agents_verdict_t done, void *userdata,
                AgentsCall **ret);

/* With its history, goals and memories. -EBUSY while a tick or a payment of it is not over; 1: it
 * is gone already. */
int agents_remove(AgentsClient *c, const char *npub, agents_verdict_t done, void *userdata,
                AgentsCall **ret);

/* In the order of their npubs; an empty page is the end. */
typedef void (*agents_rows_t)(
                int error, const char *reason, const AgentRow *rows, size_t n, void *userdata);
int agents_list(AgentsClient *c, const char *after_npub, unsigned limit, agents_rows_t done,
                void *userdata, AgentsCall **ret);

/* Observations wait for the next tick of their agent. At most OBSERVATIONS_MAX do: then the oldest
 * of the author who has the most makes room, and is counted as dropped; the owner's and the host's
 * own (author "owner" or "") are the last to go. If the tick fails before it acts, they wait again,
 * OBSERVATION_TRIES_MAX times. */

typedef struct Observation {
        const char *id;     /* an event's id as hex, or any other such as "tell:RANDOM" */
        const char *what;   /* mention reply dm zap keyword job tell follow_up approval */
        const char *author; /* public key as hex, "owner", or "" for the host itself */
        const char *text;   /* of strangers */
        const char *event;  /* the id of what it answers or zaps, else "" */
        int64_t msat, at;
} Observation;

/* All or none. One whose id this agent has seen is not added again, also after its tick. */
int agents_observe(AgentsClient *c, const char *npub, const Observation *list, size_t n,
                agents_verdict_t done, void *userdata, AgentsCall **ret);

/* Ticks: rows of tick_history. open → thinking (as often as it asks, or never) → acting → done; and
 * failed from the first three. A new tick begins when the one before it is over. */

typedef struct TickStart {
        const char *npub, *trigger;
        bool dry; /* it takes no observations (it sees them), and its actions are never done */
        int64_t now;
        int64_t keep_texts; /* seconds; prompts and answers of older ticks go now; -1: they stay */
} TickStart;

/* The next number, a row in the state "open", and the waiting observations are this tick's. 1: a
 * tick is open, and this is its number: an answer was lost, or it is for agents_open(). */
typedef void (*agents_began_t)(int verdict, int64_t tick, const char *text, void *userdata);
int agents_begin_tick(AgentsClient *c, const TickStart *start, agents_began_t done, void *userdata,
                AgentsCall **ret);

/* What a tick has to know, as one JSON object: the part "goals" (that are active), "memories" (that
 * have to do with the query, and the newest), "observations", "dropped" and "last" of an agent's
 * context. The query is any text, as it came from strangers. At most AGENT_CONTEXT_MAX bytes. */
int agents_context(AgentsClient *c, const char *npub, int64_t tick, const char *query,
                agents_json_t done, void *userdata, AgentsCall **ret);

typedef struct TickAction {
        uint32_t n;              /* 1… TICK_ACTIONS_MAX */
        const char *type, *json; /* an object; of what could not be read and is refused, a string */
        const char *state;       /* planned, waiting or refused */
        const char *reason;      /* of the refusal, or what it waits for */
} TickAction;

typedef struct TickMove {
        const char *npub;
        int64_t tick;
        const char *state; /* thinking acting done failed */
        /* With thinking: the id of a new thought (TICK_THOUGHTS_MAX; 1 if it is there), and its
         * prompt. The answer comes with whichever move is the next one, and belongs to the latest
         * thought; where none was thought (exec), prompt and answer come with acting, or failed.
         * Hashes are kept for ever, texts for as long as agents_begin_tick() says. */
        const char *think, *prompt, *answer; /* NULL: nothing new */
        const char *error;                   /* with failed */
        /* Of the whole tick so far; -1: as it was. */
        int64_t prompt_tokens, completion_tokens, cost_msat, duration_ms;
        const TickAction *actions; /* with acting, and in the same transaction */
        size_t n_actions;
} TickMove;

/* A tick is done after it was acting, and not (-EBUSY) while an action is planned, unless it is
 * dry. failed ends what is planned or waiting, too. acting a second time: 1 if the actions are the
 * same ones, else -EALREADY. */
int agents_move_tick(AgentsClient *c, const TickMove *move, agents_verdict_t done, void *userdata,
                AgentsCall **ret);

/* Goals and memories. Their ids are the caller's, "TICK.N" for those an agent makes. */

typedef struct AgentGoal {
        const char *id;     /* [A-Za-z0-9._:-]{1,64} */
        const char *text;   /* NULL: as it was; a new goal has one */
        int priority;       /* 1, the first, to 9; -1: as it was, and 5 for a new one */
        int progress;       /* percent; -1: as it was */
        const char *status; /* active done dropped; NULL: as it was */
        int64_t at;         /* when it was changed last; 0: now */
} AgentGoal;

typedef struct AgentMemory {
        const char *id, *text;
        int64_t at;
} AgentMemory;

/* Actions. planned → waiting (for a person) → planned; planned → signed → done, or at once done or
 * unknown; signed → unknown. Unknown is a payment's, until it is known to be done or failed. failed
 * from each of these, refused and denied from planned and waiting; these three and done are final.
 * The same state again adds what is new; an event, a payment that is stored stays what it is
 * (-EEXIST). Of a dry tick nothing moves (-EPERM): its planned actions are what would be done. */

typedef struct ActionMove {
        const char *npub;
        int64_t tick;
        uint32_t n;
        const char *state; /* planned waiting signed unknown; done failed refused denied */
        const char *event_id, *event; /* its JSON, or an array of several */
        const char *payment; /* its id; signed wants an event or a payment, unknown a payment */
        const char *reason;
        int64_t cost_msat; /* -1: as it was */
        /* With done: what the action does in the store, in the same transaction. At most one. Where
         * it is refused, so is the move. */
        const AgentGoal *goal;
        const AgentMemory *remember;
        const char *forget; /* the id of a memory */
} ActionMove;
int agents_move_action(AgentsClient *c, const ActionMove *move, agents_verdict_t done,
                void *userdata, AgentsCall **ret);

/* With an id that is there it is changed (1: nothing to change); done and dropped are final.
 * -ENOENT: there is no such goal, and no text for a new one. -E2BIG: GOALS_MAX are active; of the
 * others the latest GOALS_MAX are kept. */
int agents_put_goal(AgentsClient *c, const char *npub, const AgentGoal *goal, agents_verdict_t done,
                void *userdata, AgentsCall **ret);
/* At most MEMORIES_MAX: then the least used of the old ones goes. 1: one with this id is there. */
int agents_remember(AgentsClient *c, const char *npub, const AgentMemory *memory,
                agents_verdict_t done, void *userdata, AgentsCall **ret);
/* 1: it is not there (any more). */
int agents_forget(AgentsClient *c, const char *npub, const char *id, agents_verdict_t done,
                void *userdata, AgentsCall **ret);

/* What is not over, for a new start: ticks that are open, thinking or acting, and those of which an
 * action is planned, waiting, signed or unknown (dry ones excepted), with all their actions. By
 * their position: the next page comes after the last one's; an empty page is the end. */

typedef struct ActionRow {
        uint32_t n;
        const char *type, *json, *state, *reason;
        const char *event_id, *event, *payment;
        int64_t cost_msat, at; /* at: of its last move */
} ActionRow;

typedef struct OpenTick {
        int64_t position;
        const char *npub;
        int64_t tick, at;
        const char *state, *trigger;
        bool dry;
        const char *think, *prompt; /* the last thought that has no answer */
        const ActionRow *actions;
        size_t n_actions;
} OpenTick;

typedef void (*agents_open_t)(
                int error, const char *reason, const OpenTick *ticks, size_t n, void *userdata);
int agents_open(AgentsClient *c, int64_t after_position, agents_open_t done, void *userdata,
                AgentsCall **ret);
/* The same of one tick, whatever its state; n is 0 where there is no such tick. */
int agents_find(AgentsClient *c, const char *npub, int64_t tick, agents_open_t done, void *userdata,
                AgentsCall **ret);

/* For people. */

typedef struct TickRow {
        int64_t tick, at, duration_ms, prompt_tokens, completion_tokens, cost_msat;
        const char *state, *trigger, *error;
        const char *actions; /* JSON: [{"n":1,"type":"post","state":"done","reason":""}…] */
        int64_t observations, dropped;
        bool dry;
} TickRow;

/* The newest first; before 0 is all. At most 1000; an empty page is the end. */
typedef void (*agents_history_t)(
                int error, const char *reason, const TickRow *rows, size_t n, void *userdata);
int agents_history(AgentsClient *c, const char *npub, int64_t before_tick, unsigned limit,
                agents_history_t done, void *userdata, AgentsCall **ret);
/* All of one tick: thoughts with prompt, answer and their hashes, observations, actions and what
 * became of them. -ENOENT: no such tick. */
int agents_tick(AgentsClient *c, const char *npub, int64_t tick, agents_json_t done, void *userdata,
                AgentsCall **ret);

/* Active ones by priority, then the others, the latest first. */
typedef void (*agents_goals_t)(
                int error, const char *reason, const AgentGoal *goals, size_t n, void *userdata);
int agents_goals(AgentsClient *c, const char *npub, agents_goals_t done, void *userdata,
                AgentsCall **ret);
/* The best first; without a query the newest first. At most 1000. */
typedef void (*agents_memories_t)(int error, const char *reason, const AgentMemory *memories,
                size_t n, void *userdata);
int agents_memories(AgentsClient *c, const char *npub, const char *query, unsigned limit,
                agents_memories_t done, void *userdata, AgentsCall **ret);

/* How many actions of a type ("": of any) were or may have been done (signed, unknown, done) since
 * then. */
typedef void (*agents_count_t)(int error, const char *reason, int64_t n, void *userdata);
int agents_count(AgentsClient *c, const char *npub, const char *type, int64_t since,
                agents_count_t done, void *userdata, AgentsCall **ret);

/* Goals, memories, and the settings named "agent.NPUB.…", as one JSON object. Import adds what is
 * not there, all or nothing; the npub inside need not be the agent's. */
int agents_export(AgentsClient *c, const char *npub, agents_json_t done, void *userdata,
                AgentsCall **ret);
int agents_import(AgentsClient *c, const char *npub, const char *json, agents_verdict_t done,
                void *userdata, AgentsCall **ret);
