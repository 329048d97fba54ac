/* Rows of agent_goals, see table-goal.h. */
#include "table-goal.h"

#define PRIORITY_NEW 5

enum {
        Q_FIND,
        Q_COUNT,
        Q_ADD,
        Q_CHANGE,
        Q_EVICT,
        Q_REMOVE,
        Q_LIST,
        Q_ALL,
        _Q_MAX,
};

#define TO_TEXT(x) #x
#define TEXT_OF(x) TO_TEXT(x)

static const char *const texts[_Q_MAX] = {
        [Q_FIND] = "SELECT text, priority, progress, status FROM agent_goals WHERE agent_npub = ? "
                   "AND id = ?",
        [Q_COUNT] = "SELECT count(*) FROM agent_goals WHERE agent_npub = ? AND status = 'active'",
        [Q_ADD] = "INSERT INTO agent_goals (agent_npub, id, text, priority, progress, status, "
                  "created_at, updated_at) VALUES (?1, ?2, ?3, iif(?4 >= 0, ?4, " TEXT_OF(
                                  PRIORITY_NEW) "), max(?5, 0), ?6, ?7, ?7)",
        [Q_CHANGE] = "UPDATE agent_goals SET text = coalesce(?3, text), "
                     "priority = iif(?4 >= 0, ?4, priority), "
                     "progress = iif(?5 >= 0, ?5, progress), status = coalesce(?6, status), "
                     "updated_at = ?7 WHERE agent_npub = ?1 AND id = ?2",
        [Q_EVICT] = "DELETE FROM agent_goals WHERE agent_npub = ?1 AND status <> 'active' "
                    "AND seq NOT IN (SELECT seq FROM agent_goals WHERE agent_npub = ?1 "
                    "AND status <> 'active' ORDER BY updated_at DESC, seq DESC "
                    "LIMIT " TEXT_OF(GOALS_MAX) ")",
        [Q_REMOVE] = "DELETE FROM agent_goals WHERE agent_npub = ?",
        [Q_LIST] = "SELECT id, text, priority, progress, status, updated_at FROM agent_goals "
                   "WHERE agent_npub = ? ORDER BY status <> 'active', "
                   "iif(status = 'active', priority, -updated_at), seq",
        [Q_ALL] = "SELECT id, text, status, priority, progress, updated_at FROM agent_goals "
                  "WHERE agent_npub = ? ORDER BY seq",
};

struct GoalTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

int goal_table_new(Sql *db, GoalTable **ret) {
        _cleanup_(goal_table_freep) GoalTable *t = NULL;
        int r;

        t = new0(GoalTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

GoalTable *goal_table_free(GoalTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_status(const char *s) {
        return streq(s, "active") || streq(s, "done") || streq(s, "dropped");
}

const char *goal_fault(const Goal *g) {
        if (!is_item_id(g->id))
                return "a goal has an id of 1 to 64 letters, digits, dots, colons, hyphens and "
                       "underscores";
        if (g->text && (isempty(g->text) || strlen(g->text) > GOAL_TEXT_MAX))
                return "a goal has a text of 1 to 1024 bytes";
        if (g->priority != -1 && (g->priority < 1 || g->priority > 9))
                return "a goal's priority is 1, the first, to 9";
        if (g->progress < -1 || g->progress > 100)
                return "a goal's progress is 0 to 100";
        if (g->status && !is_status(g->status))
                return "a goal is active, done or dropped";
        return NULL;
}

static int goal_write(GoalTable *t, int query, const char *npub, const Goal *g) {
        SqlStatement *q = t->q[query];
        int r;

        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, g->id);
        sql_bind_text(q, 3, g->text);
        sql_bind_int(q, 4, g->priority);
        sql_bind_int(q, 5, g->progress);
        sql_bind_text(q, 6, query == Q_ADD ? g->status ?: "active" : g->status);
        sql_bind_int(q, 7, g->at);
        r = sql_run(q);
        if (r < 0 || !g->status || streq(g->status, "active"))
                return r;
        sql_bind_text(t->q[Q_EVICT], 1, npub);
        return sql_run(t->q[Q_EVICT]);
}

static int goal_new(GoalTable *t, const char *npub, const Goal *g, Outcome *ret) {
        int64_t n;
        int r;

        if (!g->text)
                return outcome_say(ret, -ENOENT, "there is no such goal");
        r = goal_count(t, npub, &n);
        if (r < 0)
                return r;
        if (n >= GOALS_MAX && (!g->status || streq(g->status, "active")))
                return outcome_say(ret, -E2BIG, "there are 64 goals: one has to be closed first");
        r = goal_write(t, Q_ADD, npub, g);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

static bool is_as_it_was(SqlStatement *row, const Goal *g) {
        return (!g->text || streq(g->text, sql_text(row, 0))) &&
               (g->priority < 0 || g->priority == sql_int(row, 1)) &&
               (g->progress < 0 || g->progress == sql_int(row, 2)) &&
               (!g->status || streq(g->status, sql_text(row, 3)));
}

int goal_put(GoalTable *t, const char *npub, const Goal *g, Outcome *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        const char *fault = goal_fault(g);
        int r;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, g->id);
        r = sql_step(q);
        if (r < 0)
                return r;
        if (r == 0)
                return goal_new(t, npub, g, ret);
        if (is_as_it_was(q, g))
                return outcome_quote(ret, 1, sql_text(q, 3));
        if (!streq(sql_text(q, 3), "active"))
                return outcome_say(ret, -EALREADY, "the goal is over");
        r = goal_write(t, Q_CHANGE, npub, g);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int goal_has(GoalTable *t, const char *npub, const char *id) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];

        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, id);
        return sql_step(q);
}

int goal_count(GoalTable *t, const char *npub, int64_t *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_COUNT];
        int r;

        sql_bind_text(q, 1, npub);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret = sql_int(q, 0);
        return 0;
}

int goal_remove_all(GoalTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_REMOVE];

        sql_bind_text(q, 1, npub);
        return sql_run(q);
}

SqlStatement *goal_list(GoalTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_LIST];

        sql_bind_text(q, 1, npub);
        return q;
}

SqlStatement *goal_all(GoalTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_ALL];

        sql_bind_text(q, 1, npub);
        return q;
}
