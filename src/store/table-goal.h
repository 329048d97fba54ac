#pragma once
/* Goals: what an agent is after. Few are active at a time; of those that are over the latest are
 * kept. */
#include "table-agent.h"

/* What NULL and -1 leave as it was. */
typedef struct Goal {
        const char *id, *text, *status;
        int64_t priority, progress; /* 1…9, 1 comes first; percent */
        int64_t at;
} Goal;

typedef struct GoalTable GoalTable;
int goal_table_new(Sql *db, GoalTable **ret);
GoalTable *goal_table_free(GoalTable *t);
DEFINE_CLEANUP(GoalTable, goal_table_free)

const char *goal_fault(const Goal *g); /* NULL: none */
int goal_put(GoalTable *t, const char *npub, const Goal *g, Outcome *ret);
int goal_has(GoalTable *t, const char *npub, const char *id); /* 1 = it is there */
int goal_count(GoalTable *t, const char *npub, int64_t *ret); /* of active ones */
int goal_remove_all(GoalTable *t, const char *npub);

#define GOAL_ROW "(ssxxsx)"
/* id, text, priority, progress, status, updated_at: the active ones in their order, then the
 * others, the latest first. */
SqlStatement *goal_list(GoalTable *t, const char *npub);
/* In the order in which they came: id, text, status, priority, progress, updated_at. */
SqlStatement *goal_all(GoalTable *t, const char *npub);
