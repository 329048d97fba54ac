#pragma once
/* Ticks: rows of tick_history, and what was asked of minds for them (tick_thoughts). An agent has
 * one tick at a time that is not over. */
#include "table-agent.h"

typedef enum TickState {
        TICK_OPEN,
        TICK_THINKING,
        TICK_ACTING, /* its actions are on disk */
        TICK_DONE,
        TICK_FAILED,
        _TICK_STATE_MAX,
} TickState;

const char *tick_state_name(TickState s);
int tick_state_of(const char *name); /* -EINVAL: no such state */
bool tick_state_is_final(TickState s);
bool tick_may_go(TickState from, TickState to);

/* Borrowed strings. */
typedef struct TickStart {
        const char *npub, *trigger;
        bool dry;
        int64_t now, keep_texts; /* seconds; -1: for ever */
} TickStart;

/* What "" and -1 leave as it was. */
typedef struct TickFacts {
        const char *error;
        int64_t prompt_tokens, completion_tokens, cost_msat, duration_ms;
} TickFacts;

typedef struct Tick {
        int64_t id; /* in the database */
        TickState state;
        bool dry;
} Tick;

typedef struct TickTable TickTable;
int tick_table_new(Sql *db, TickTable **ret);
TickTable *tick_table_free(TickTable *t);
DEFINE_CLEANUP(TickTable, tick_table_free)

int tick_find(TickTable *t, const char *npub, int64_t number, Tick *ret); /* 1 = found */
int tick_find_open(TickTable *t, const char *npub, int64_t *ret_number);  /* 1 = found */
int tick_add(TickTable *t, const TickStart *s, int64_t number, int64_t dropped, int64_t *ret_id);
int tick_update(TickTable *t, int64_t id, TickState to, const TickFacts *f);
int tick_set_actions(TickTable *t, int64_t id, const char *json);

/* Up to n ticks that began before then and have texts; what they have is forgotten by the caller.
 */
int tick_expired(TickTable *t, const char *npub, int64_t before, int64_t *ids, size_t n,
                size_t *ret_n);
int tick_forget_texts(TickTable *t, int64_t id);
/* Some of those that are too old, unless something of them is not over. */
int tick_prune(TickTable *t, const char *npub, int64_t newest);
/* Some of the agent's; 1 = there may be more. */
int tick_remove_some(TickTable *t, const char *npub);

/* A thought is asked with a prompt and answered later; "" leaves both as they were. The answer of
 * the latest comes with "" as its id, and makes one where there is none. What was stored stays. */
typedef struct Thought {
        const char *id, *prompt, *answer;
} Thought;
int thought_put(TickTable *t, int64_t tick, const Thought *th);
int thought_has(TickTable *t, int64_t tick, const char *id, int64_t *ret_n); /* 1 = it is there */

/* Reading. id, prompt, prompt_hash, answer, answer_hash: */
SqlStatement *thought_list(TickTable *t, int64_t tick);
/* The last one without an answer: id, prompt. */
SqlStatement *thought_open(TickTable *t, int64_t tick);
/* id, npub, number, created_at, status, woken_by, dry. */
SqlStatement *tick_list_open(TickTable *t, int64_t after, unsigned limit);
SqlStatement *tick_get_open(TickTable *t, int64_t id);
/* id, number, created_at, status, woken_by, dry, duration_ms, prompt_tokens, completion_tokens,
 * cost_msats, error_message, dropped, observations; the newest first. */
SqlStatement *tick_history(TickTable *t, const char *npub, int64_t before, unsigned limit);
SqlStatement *tick_get(TickTable *t, int64_t id);
/* Those that are over and were not dry, the newest first: id, number, error_message. */
SqlStatement *tick_last(TickTable *t, const char *npub, int64_t before, unsigned limit);
