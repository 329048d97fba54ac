#pragma once
/* Agents: one row of agent_state each. What is theirs lies in the tables of agents.h. Every
 * changing call of these files belongs between sql_request_begin() and _ok(), and writes nothing
 * where its verdict is negative. */
#include "basic/sql.h"
#include "client/agents-limits.h"
#include "outcome.h"

/* Borrowed strings. */
typedef struct Agent {
        const char *npub, *pubkey, *name, *lifecycle, *wish;
        int64_t balance_msat, cost_msat, failures, next_tick_at, created_at;
} Agent;

/* What "" and -1 leave as it was. */
typedef struct AgentChange {
        const char *npub, *lifecycle, *wish;
        int64_t balance_msat, next_tick_at, cost_msat, failures;
} AgentChange;

typedef struct AgentTable AgentTable;
int agent_table_new(Sql *db, AgentTable **ret);
AgentTable *agent_table_free(AgentTable *t);
DEFINE_CLEANUP(AgentTable, agent_table_free)

int agent_add(AgentTable *t, const Agent *a, Outcome *ret);
int agent_set(AgentTable *t, const AgentChange *c, Outcome *ret);
int agent_remove(AgentTable *t, const char *npub); /* the row alone */

#define AGENT_ROW "(sssssxxxxxxx)"
SqlStatement *agent_list(AgentTable *t, const char *after, unsigned limit);
int agent_has(AgentTable *t, const char *npub); /* 1 = there is one */

/* The number of its next tick, and how many observations were dropped since the last. 1 = found. */
int agent_next_tick(AgentTable *t, const char *npub, int64_t *ret_number, int64_t *ret_dropped);
int agent_ticks(AgentTable *t, const char *npub, int64_t number, int64_t now);
int agent_drops(AgentTable *t, const char *npub, int64_t n);
int agent_forgets_drops(AgentTable *t, const char *npub);

/* For these files: a word of a table's column, a key, a text without what would not be shown. */
bool is_word(const char *s);               /* [a-z_]{1,32} */
bool is_item_id(const char *s);            /* [A-Za-z0-9._:-]{1,64} */
char *text_cut(const char *s, size_t max); /* NULL: no memory */
