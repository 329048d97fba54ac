/* Rows of agent_actions, see table-action.h. */
#include "table-action.h"

#include "basic/json.h"

#define JSON_DEPTH  16
#define JSON_VALUES 65536

enum {
        Q_ADD,
        Q_FIND,
        Q_MOVE,
        Q_PLANNED,
        Q_FAIL_REST,
        Q_PAYING,
        Q_COUNT,
        Q_COUNT_ALL,
        Q_LIST,
        _Q_MAX,
};

#define OPEN "('planned', 'waiting', 'signed', 'unknown') AND dry = 0"

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO agent_actions (agent_npub, tick, n, type, action, status, reason, "
                  "dry, moved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, unixepoch())",
        [Q_FIND] = "SELECT status, dry, event_id, payment FROM agent_actions WHERE tick = ? "
                   "AND n = ?",
        /* acted_at counts for the limits: what may have had effects, from its first one on. */
        [Q_MOVE] = "UPDATE agent_actions SET status = ?3, "
                   "event_id = coalesce(event_id, nullif(?4, '')), "
                   "event = coalesce(event, nullif(?5, '')), "
                   "payment = coalesce(payment, nullif(?6, '')), "
                   "reason = coalesce(nullif(?7, ''), reason), "
                   "cost_msats = iif(?8 >= 0, ?8, cost_msats), moved_at = unixepoch(), "
                   "acted_at = CASE WHEN ?3 IN ('signed', 'unknown', 'done') "
                   "THEN coalesce(acted_at, unixepoch()) END WHERE tick = ?1 AND n = ?2",
        [Q_PLANNED] = "SELECT 1 FROM agent_actions WHERE tick = ? AND status = 'planned' "
                      "AND status IN " OPEN " LIMIT 1",
        [Q_FAIL_REST] = "UPDATE agent_actions SET status = 'failed', reason = ?2, "
                        "moved_at = unixepoch() WHERE tick = ?1 "
                        "AND status IN ('planned', 'waiting')",
        [Q_PAYING] = "SELECT 1 FROM agent_actions WHERE status IN " OPEN
                     " AND payment <> '' AND agent_npub = ? LIMIT 1",
        [Q_COUNT] = "SELECT count(*) FROM agent_actions WHERE agent_npub = ?1 AND type = ?2 "
                    "AND acted_at >= ?3",
        [Q_COUNT_ALL] = "SELECT count(*) FROM agent_actions WHERE agent_npub = ?1 "
                        "AND acted_at >= ?3 AND ?2 = ''",
        [Q_LIST] = "SELECT n, type, action, status, reason, event_id, event, payment, cost_msats, "
                   "moved_at FROM agent_actions WHERE tick = ? ORDER BY n",
};

/* clang-format off */
static const struct {
        const char *name;
        uint32_t next;
} states[_ACTION_STATE_MAX] = {
        [ACTION_PLANNED] = { "planned", B(ACTION_PLANNED) | B(ACTION_WAITING) | B(ACTION_SIGNED) | B(ACTION_UNKNOWN) |
                                        B(ACTION_DONE) | B(ACTION_FAILED) | B(ACTION_REFUSED) | B(ACTION_DENIED) },
        [ACTION_WAITING] = { "waiting", B(ACTION_WAITING) | B(ACTION_PLANNED) |
                                        B(ACTION_FAILED) | B(ACTION_REFUSED) | B(ACTION_DENIED) },
        [ACTION_SIGNED]  = { "signed",  B(ACTION_SIGNED) | B(ACTION_UNKNOWN) | B(ACTION_DONE) | B(ACTION_FAILED) },
        [ACTION_UNKNOWN] = { "unknown", B(ACTION_UNKNOWN) | B(ACTION_DONE) | B(ACTION_FAILED) },
        [ACTION_DONE]    = { "done",    0 },
        [ACTION_FAILED]  = { "failed",  0 },
        [ACTION_REFUSED] = { "refused", 0 },
        [ACTION_DENIED]  = { "denied",  0 },
};
/* clang-format on */

struct ActionTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

const char *action_state_name(ActionState s) {
        return states[s].name;
}

int action_state_of(const char *name) {
        for (int i = 0; i < _ACTION_STATE_MAX; i++)
                if (streq(states[i].name, name))
                        return i;
        return -EINVAL;
}

bool action_state_is_final(ActionState s) {
        return states[s].next == 0;
}

bool action_may_go(ActionState from, ActionState to) {
        return states[from].next & B(to);
}

int action_table_new(Sql *db, ActionTable **ret) {
        _cleanup_(action_table_freep) ActionTable *t = NULL;
        int r;

        t = new0(ActionTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

ActionTable *action_table_free(ActionTable *t) {
        return mfree(t); /* the statements belong to the database */
}

/* Being born. */

/* 1 = it is JSON, and an object unless the other test holds. What is stored is later written into
 * other JSON as it is. */
static int is_json(const char *text, size_t max, bool (*or_else)(const Json *j)) {
        _cleanup_(json_unrefp) Json *j = NULL;
        size_t size = strlen(text);
        const char *reason;
        int r;

        if (size > max)
                return 0;
        r = json_parse(text, size, JSON_DEPTH, JSON_VALUES, &j, &reason);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return json_is_object(j) || (or_else && or_else(j));
}

static bool may_be_born(const char *state) {
        return streq(state, "planned") || streq(state, "waiting") || streq(state, "refused");
}

int actions_check(const TickAction *actions, size_t n, const char **ret_fault) {
        uint32_t last = 0;

        *ret_fault = n > TICK_ACTIONS_MAX ? "a tick has at most 32 actions" : NULL;
        for (const TickAction *a = actions; a < actions + n && !*ret_fault; a++) {
                int r;

                if (a->n <= last || a->n > TICK_ACTIONS_MAX)
                        *ret_fault = "the numbers of actions grow from 1 to 32";
                else if (!is_word(a->type))
                        *ret_fault = "the type of an action is one word";
                else if (!may_be_born(a->state))
                        *ret_fault = "an action begins as planned, waiting or refused";
                last = a->n;
                /* What could not even be read is refused, and kept as the text it was. */
                r = is_json(a->json, ACTION_JSON_MAX,
                                streq(a->state, "refused") ? json_is_string : NULL);
                if (r < 0)
                        return r;
                if (r == 0)
                        *ret_fault = "an action is a JSON object of at most 64 KiB";
        }
        return 0;
}

int action_add(ActionTable *t, const char *npub, int64_t tick, bool dry, const TickAction *a) {
        _cleanup_free_ char *reason = text_cut(a->reason, AGENT_REASON_MAX);
        SqlStatement *q = t->q[Q_ADD];

        if (!reason)
                return -ENOMEM;
        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, tick);
        sql_bind_int(q, 3, a->n);
        sql_bind_text(q, 4, a->type);
        sql_bind_text(q, 5, a->json);
        sql_bind_text(q, 6, a->state);
        sql_bind_text(q, 7, reason);
        sql_bind_int(q, 8, dry);
        return sql_run(q);
}

int actions_are(ActionTable *t, int64_t tick, const TickAction *actions, size_t n) {
        _cleanup_sql_ SqlStatement *q = action_list(t, tick);
        size_t i = 0;
        int r;

        for (; (r = sql_step(q)) > 0; i++)
                if (i >= n || sql_int(q, 0) != actions[i].n ||
                                !streq(sql_text(q, 1), actions[i].type) ||
                                !streq(sql_text(q, 2), actions[i].json))
                        return 0;
        return r < 0 ? r : i == n;
}

/* Moving. */

static int move_fault(const ActionMove *m, const char **ret_fault) {
        int r = 1;

        *ret_fault = NULL;
        if (isempty(m->event) != isempty(m->event_id))
                *ret_fault = "an event comes with its id";
        else if (strlen(m->event_id) > OBSERVATION_ID_MAX ||
                        strlen(m->payment) > OBSERVATION_ID_MAX)
                *ret_fault = "the id of its event or payment is too long";
        else if (!isempty(m->event))
                r = is_json(m->event, ACTION_EVENT_MAX, json_is_array);
        if (r == 0)
                *ret_fault = "its event is not JSON of at most 512 KiB";
        return MIN(r, 0);
}

/* An event that was signed, a payment that was begun: a second one would be done twice. */
static bool differs(const char *stored, const char *given) {
        return !isempty(stored) && !isempty(given) && !streq(stored, given);
}

static int transition(SqlStatement *row, const ActionMove *m, Outcome *ret) {
        const char *event_id = sql_text(row, 2), *payment = sql_text(row, 3);
        bool has_event = !isempty(event_id) || !isempty(m->event_id);
        bool has_payment = !isempty(payment) || !isempty(m->payment);
        int from = action_state_of(sql_text(row, 0)), to = action_state_of(m->state);

        if (from < 0)
                return -EUCLEAN; /* only another hand can have written that */
        if (to < 0)
                return outcome_say(ret, -EINVAL, "there is no such state");
        if (sql_int(row, 1))
                return outcome_say(ret, -EPERM, "the tick is a dry run");
        if (from == to && action_state_is_final((ActionState) from))
                return outcome_say(ret, 1, states[from].name);
        if (action_state_is_final((ActionState) from))
                return outcome_say(ret, -EALREADY, "the action is over");
        if (!action_may_go((ActionState) from, (ActionState) to))
                return outcome_say(ret, -EALREADY, "the action is further than that");
        if (differs(event_id, m->event_id))
                return outcome_say(ret, -EEXIST, "another event is stored for it");
        if (differs(payment, m->payment))
                return outcome_say(ret, -EEXIST, "another payment is stored for it");
        if (to == ACTION_SIGNED && !has_event && !has_payment)
                return outcome_say(ret, -EINVAL, "what is signed is stored with it");
        if (to == ACTION_UNKNOWN && !has_payment)
                return outcome_say(ret, -EINVAL, "only a payment can be unknown");
        return outcome_say(ret, 0, "");
}

int action_may_move(ActionTable *t, const ActionMove *m, Outcome *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        const char *fault;
        int r;

        r = move_fault(m, &fault);
        if (r < 0 || fault)
                return r < 0 ? r : outcome_say(ret, -EINVAL, fault);
        sql_bind_int(q, 1, m->tick);
        sql_bind_int(q, 2, m->n);
        r = sql_step(q);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, "there is no such action");
        return transition(q, m, ret);
}

int action_move(ActionTable *t, const ActionMove *m) {
        _cleanup_free_ char *reason = text_cut(m->reason, AGENT_REASON_MAX);
        SqlStatement *q = t->q[Q_MOVE];

        if (!reason)
                return -ENOMEM;
        sql_bind_int(q, 1, m->tick);
        sql_bind_int(q, 2, m->n);
        sql_bind_text(q, 3, m->state);
        sql_bind_text(q, 4, m->event_id);
        sql_bind_text(q, 5, m->event);
        sql_bind_text(q, 6, m->payment);
        sql_bind_text(q, 7, reason);
        sql_bind_int(q, 8, m->cost_msat);
        return sql_run(q);
}

static int exists(SqlStatement *query) {
        _cleanup_sql_ SqlStatement *q = query;

        return sql_step(q);
}

int action_is_planned(ActionTable *t, int64_t tick) {
        sql_bind_int(t->q[Q_PLANNED], 1, tick);
        return exists(t->q[Q_PLANNED]);
}

int action_is_paying(ActionTable *t, const char *npub) {
        sql_bind_text(t->q[Q_PAYING], 1, npub);
        return exists(t->q[Q_PAYING]);
}

int action_fail_rest(ActionTable *t, int64_t tick, const char *reason) {
        _cleanup_free_ char *cut = text_cut(reason, AGENT_REASON_MAX);
        SqlStatement *q = t->q[Q_FAIL_REST];

        if (!cut)
                return -ENOMEM;
        sql_bind_int(q, 1, tick);
        sql_bind_text(q, 2, cut);
        return sql_run(q);
}

/* Reading. */

int action_count(ActionTable *t, const char *npub, const char *type, int64_t since, int64_t *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[isempty(type) ? Q_COUNT_ALL : Q_COUNT];
        int r;

        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, type);
        sql_bind_int(q, 3, since);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret = sql_int(q, 0);
        return 0;
}

SqlStatement *action_list(ActionTable *t, int64_t tick) {
        SqlStatement *q = t->q[Q_LIST];

        sql_bind_int(q, 1, tick);
        return q;
}
