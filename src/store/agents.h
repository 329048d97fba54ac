#pragma once
/* Agents and all that is theirs, as one: what concerns more than one of the tables. Every changing
 * call belongs between sql_request_begin() and _ok(), and writes nothing where its verdict is
 * negative. */
#include "basic/buffer.h"
#include "table-action.h"
#include "table-goal.h"
#include "table-memory.h"
#include "table-observation.h"
#include "table-setting.h"
#include "table-tick.h"

typedef struct Agents {
        AgentTable *agents;
        ObservationTable *observations;
        TickTable *ticks;
        ActionTable *actions;
        GoalTable *goals;
        MemoryTable *memories;
        SettingTable *settings; /* borrowed */
        Outcome outcome;        /* of the call that is being answered */
} Agents;

int agents_new(Sql *db, SettingTable *settings, Agents **ret);
Agents *agents_free(Agents *a);
DEFINE_CLEANUP(Agents, agents_free)

int agent_observe(Agents *a, const char *npub, const Observation *list, size_t n, Outcome *ret);
int agent_begin_tick(Agents *a, const TickStart *s, int64_t *ret_number, Outcome *ret);

typedef struct TickMove {
        const char *npub;
        int64_t tick;
        const char *state;
        Thought thought; /* with acting, done and failed the answer is that of the last one */
        TickFacts facts;
        const TickAction *actions;
        size_t n_actions;
} TickMove;
int agent_move_tick(Agents *a, const TickMove *m, Outcome *ret);

/* What an action does in these tables, in the transaction in which it is done: at most one. */
typedef struct Effect {
        const Goal *goal;
        const Memory *remember;
        const char *forget;
} Effect;
/* The move's tick is found by its number. */
int agent_move_action(Agents *a, const char *npub, int64_t number, ActionMove *m, const Effect *e,
                Outcome *ret);

int agent_put_goal(Agents *a, const char *npub, const Goal *g, Outcome *ret);
int agent_remember(Agents *a, const char *npub, const Memory *m, Outcome *ret);
/* With all that is its. A verdict of AGENT_REMOVE_MORE: some of it; it is asked again. */
int agent_erase(Agents *a, const char *npub, Outcome *ret);

/* As JSON, appended to the buffer; agents-json.c. 0 = there is no such tick or agent. */
int agent_context(Agents *a, const char *npub, int64_t number, const char *query, Buffer *b);
int agent_record(Agents *a, const char *npub, int64_t number, Buffer *b);
/* [{"n":…,"type":…,"state":…,"reason":…}…] of a tick in the database. */
int agent_outcomes(Agents *a, int64_t tick, Buffer *b);

/* agents-export.c */
int agent_export(Agents *a, const char *npub, Buffer *b);
int agent_import(Agents *a, const char *npub, const char *json, Outcome *ret);
