#pragma once
/* Actions: rows of agent_actions, what a tick's agent wanted and what became of it. */
#include "table-agent.h"

typedef enum ActionState {
        ACTION_PLANNED,
        ACTION_WAITING, /* for a person */
        ACTION_SIGNED,  /* its event, or the id of its payment, is on disk */
        ACTION_UNKNOWN, /* a payment whose outcome nobody has told yet */
        ACTION_DONE,
        ACTION_FAILED,
        ACTION_REFUSED, /* by the policy, or it was no action */
        ACTION_DENIED,  /* by a person, or by silence */
        _ACTION_STATE_MAX,
} ActionState;

const char *action_state_name(ActionState s);
int action_state_of(const char *name); /* -EINVAL: no such state */
bool action_state_is_final(ActionState s);
bool action_may_go(ActionState from, ActionState to);

/* Borrowed strings. */
typedef struct TickAction {
        uint32_t n;
        const char *type, *json, *state, *reason;
} TickAction;

/* What "" and -1 leave as it was. */
typedef struct ActionMove {
        int64_t tick; /* in the database */
        uint32_t n;
        const char *state, *event_id, *event, *payment, *reason;
        int64_t cost_msat;
} ActionMove;

typedef struct ActionTable ActionTable;
int action_table_new(Sql *db, ActionTable **ret);
ActionTable *action_table_free(ActionTable *t);
DEFINE_CLEANUP(ActionTable, action_table_free)

/* What is wrong with a tick's actions, or NULL; -ENOMEM. Their numbers grow. */
int actions_check(const TickAction *actions, size_t n, const char **ret_fault);
int action_add(ActionTable *t, const char *npub, int64_t tick, bool dry, const TickAction *a);
/* 1 = they are the tick's. */
int actions_are(ActionTable *t, int64_t tick, const TickAction *actions, size_t n);

/* In two steps, so that what a move does elsewhere can be refused between them. A verdict of 0 says
 * that it may be done, 1 that it is. */
int action_may_move(ActionTable *t, const ActionMove *m, Outcome *ret);
int action_move(ActionTable *t, const ActionMove *m);
int action_is_planned(ActionTable *t, int64_t tick); /* 1 = one of the tick's is */
int action_fail_rest(ActionTable *t, int64_t tick, const char *reason);
int action_is_paying(ActionTable *t, const char *npub); /* 1: what one began to pay is not over */

int action_count(ActionTable *t, const char *npub, const char *type, int64_t since, int64_t *ret);
/* n, type, action, status, reason, event_id, event, payment, cost_msats, moved_at; by n. */
SqlStatement *action_list(ActionTable *t, int64_t tick);
