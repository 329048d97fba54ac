/* Rows of tick_history, see table-tick.h. */
#include "table-tick.h"

#include "basic/codec.h"
#include "basic/crypt.h"

#define PRUNED_AT_ONCE  64
#define REMOVED_AT_ONCE 1000 /* with all that hangs on them: 30 ms */

enum {
        Q_FIND,
        Q_FIND_OPEN,
        Q_ADD,
        Q_UPDATE,
        Q_ACTIONS,
        Q_EXPIRED,
        Q_NO_TEXTS,
        Q_NO_THOUGHTS,
        Q_PRUNE,
        Q_REMOVE,
        Q_HASHES,
        Q_THOUGHT_PUT,
        Q_THOUGHT_LAST,
        Q_THOUGHT_HAS,
        Q_THOUGHTS,
        Q_THOUGHT_OPEN,
        Q_LIST_OPEN,
        Q_GET_OPEN,
        Q_HISTORY,
        Q_GET,
        Q_LAST,
        _Q_MAX,
};

#define TO_TEXT(x)   #x
#define TEXT_OF(x)   TO_TEXT(x)
#define OPEN_TICKS   "('open', 'thinking', 'acting')"
#define OPEN_ACTIONS "('planned', 'waiting', 'signed', 'unknown') AND dry = 0"
#define OPEN_COLUMNS "SELECT id, agent_npub, tick_number, created_at, status, woken_by, dry "
#define PEOPLE_COLUMNS                                                             \
        "SELECT id, tick_number, created_at, status, woken_by, dry, duration_ms, " \
        "prompt_tokens, completion_tokens, cost_msats, error_message, dropped, "   \
        "(SELECT count(*) FROM agent_observations WHERE tick = tick_history.id) "  \
        "FROM tick_history "

static const char *const texts[_Q_MAX] = {
        [Q_FIND] = "SELECT id, status, dry FROM tick_history WHERE agent_npub = ? "
                   "AND tick_number = ?",
        [Q_FIND_OPEN] = "SELECT tick_number FROM tick_history WHERE agent_npub = ? "
                        "AND status IN " OPEN_TICKS,
        [Q_ADD] = "INSERT INTO tick_history (agent_npub, tick_number, status, woken_by, dry, "
                  "dropped, created_at, has_texts) VALUES (?, ?, 'open', ?, ?, ?, ?, 1)",
        /* The first Pylon counted whole sats: rounded up, so that nothing looks as if it were
         * free. */
        [Q_UPDATE] = "UPDATE tick_history SET status = ?2, "
                     "error_message = coalesce(nullif(?3, ''), error_message), "
                     "prompt_tokens = iif(?4 >= 0, ?4, prompt_tokens), "
                     "completion_tokens = iif(?5 >= 0, ?5, completion_tokens), "
                     "cost_msats = iif(?6 >= 0, ?6, cost_msats), "
                     "cost_sats = iif(?6 >= 0, (?6 + 999) / 1000, cost_sats), "
                     "duration_ms = iif(?7 >= 0, ?7, duration_ms), "
                     "completed_at = iif(?8, unixepoch(), completed_at) WHERE id = ?1",
        [Q_ACTIONS] = "UPDATE tick_history SET actions_json = ?2 WHERE id = ?1",
        [Q_EXPIRED] = "SELECT id FROM tick_history WHERE agent_npub = ?1 AND has_texts = 1 "
                      "AND created_at < ?2 AND status NOT IN " OPEN_TICKS " LIMIT ?3",
        [Q_NO_TEXTS] = "UPDATE tick_history SET has_texts = 0 WHERE id = ?",
        [Q_NO_THOUGHTS] = "UPDATE tick_thoughts SET prompt = NULL, answer = NULL WHERE tick = ?",
        [Q_PRUNE] = "DELETE FROM tick_history WHERE id IN (SELECT id FROM tick_history AS t "
                    "WHERE agent_npub = ?1 AND tick_number <= ?2 - " TEXT_OF(
                                    TICKS_MAX) " AND status NOT IN " OPEN_TICKS
                                               " AND NOT EXISTS (SELECT 1 FROM agent_actions "
                                               "WHERE tick = t.id AND status IN " OPEN_ACTIONS
                                               ") LIMIT " TEXT_OF(PRUNED_AT_ONCE) ")",
        [Q_REMOVE] = "DELETE FROM tick_history WHERE id IN (SELECT id FROM tick_history WHERE "
                     "agent_npub = ? LIMIT " TEXT_OF(REMOVED_AT_ONCE) ")",
        [Q_HASHES] = "UPDATE tick_history SET prompt_hash = coalesce(?2, prompt_hash), "
                     "answer_hash = coalesce(?3, answer_hash) WHERE id = ?1",
        [Q_THOUGHT_PUT] = "INSERT INTO tick_thoughts (tick, id, prompt, prompt_hash, answer, "
                          "answer_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                          "ON CONFLICT (tick, id) DO UPDATE SET "
                          "prompt = iif(prompt_hash IS NULL, ?3, prompt), "
                          "prompt_hash = coalesce(prompt_hash, ?4), "
                          "answer = iif(answer_hash IS NULL, ?5, answer), "
                          "answer_hash = coalesce(answer_hash, ?6)",
        [Q_THOUGHT_LAST] = "SELECT id FROM tick_thoughts WHERE tick = ? ORDER BY seq DESC LIMIT 1",
        [Q_THOUGHT_HAS] = "SELECT count(*), coalesce(sum(id = ?2), 0) FROM tick_thoughts "
                          "WHERE tick = ?1",
        [Q_THOUGHTS] = "SELECT id, prompt, prompt_hash, answer, answer_hash FROM tick_thoughts "
                       "WHERE tick = ? ORDER BY seq",
        [Q_THOUGHT_OPEN] = "SELECT id, prompt FROM tick_thoughts WHERE tick = ? "
                           "AND answer_hash IS NULL ORDER BY seq DESC LIMIT 1",
        [Q_LIST_OPEN] = OPEN_COLUMNS
        "FROM tick_history WHERE id IN (SELECT id FROM tick_history WHERE status "
        "IN " OPEN_TICKS " UNION SELECT tick FROM agent_actions WHERE status IN " OPEN_ACTIONS
        ") AND id > ?1 ORDER BY id LIMIT ?2",
        [Q_GET_OPEN] = OPEN_COLUMNS "FROM tick_history WHERE id = ?",
        [Q_HISTORY] = PEOPLE_COLUMNS "WHERE agent_npub = ?1 AND tick_number < ?2 "
                                     "ORDER BY tick_number DESC LIMIT ?3",
        [Q_GET] = PEOPLE_COLUMNS "WHERE id = ?",
        [Q_LAST] = "SELECT id, tick_number, error_message FROM tick_history WHERE agent_npub = ?1 "
                   "AND tick_number < ?2 AND status IN ('done', 'failed') AND dry = 0 "
                   "ORDER BY tick_number DESC LIMIT ?3",
};

/* clang-format off */
static const struct {
        const char *name;
        uint32_t next;
} states[_TICK_STATE_MAX] = {
        [TICK_OPEN]     = { "open",     B(TICK_THINKING) | B(TICK_ACTING) | B(TICK_FAILED) },
        [TICK_THINKING] = { "thinking", B(TICK_THINKING) | B(TICK_ACTING) | B(TICK_FAILED) },
        [TICK_ACTING]   = { "acting",   B(TICK_DONE) | B(TICK_FAILED) },
        [TICK_DONE]     = { "done",     0 },
        [TICK_FAILED]   = { "failed",   0 },
};
/* clang-format on */

struct TickTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

const char *tick_state_name(TickState s) {
        return states[s].name;
}

int tick_state_of(const char *name) {
        for (int i = 0; i < _TICK_STATE_MAX; i++)
                if (streq(states[i].name, name))
                        return i;
        return -EINVAL;
}

bool tick_state_is_final(TickState s) {
        return states[s].next == 0;
}

bool tick_may_go(TickState from, TickState to) {
        return states[from].next & B(to);
}

int tick_table_new(Sql *db, TickTable **ret) {
        _cleanup_(tick_table_freep) TickTable *t = NULL;
        int r;

        t = new0(TickTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

TickTable *tick_table_free(TickTable *t) {
        return mfree(t); /* the statements belong to the database */
}

int tick_find(TickTable *t, const char *npub, int64_t number, Tick *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        int r, state;

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, number);
        r = sql_step(q);
        if (r <= 0)
                return r;
        state = tick_state_of(sql_text(q, 1));
        if (state < 0)
                return -EUCLEAN; /* only another hand can have written that */
        *ret = (Tick){
                .id = sql_int(q, 0),
                .state = (TickState) state,
                .dry = sql_int(q, 2) != 0,
        };
        return 1;
}

int tick_find_open(TickTable *t, const char *npub, int64_t *ret_number) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND_OPEN];
        int r;

        sql_bind_text(q, 1, npub);
        r = sql_step(q);
        if (r > 0)
                *ret_number = sql_int(q, 0);
        return r;
}

int tick_add(TickTable *t, const TickStart *s, int64_t number, int64_t dropped, int64_t *ret_id) {
        SqlStatement *q = t->q[Q_ADD];
        int r;

        sql_bind_text(q, 1, s->npub);
        sql_bind_int(q, 2, number);
        sql_bind_text(q, 3, s->trigger);
        sql_bind_int(q, 4, s->dry);
        sql_bind_int(q, 5, dropped);
        sql_bind_int(q, 6, s->now);
        r = sql_run(q);
        if (r >= 0)
                *ret_id = sql_last_id(t->db);
        return r;
}

int tick_update(TickTable *t, int64_t id, TickState to, const TickFacts *f) {
        _cleanup_free_ char *error = text_cut(f->error, AGENT_REASON_MAX);
        SqlStatement *q = t->q[Q_UPDATE];

        if (!error)
                return -ENOMEM;
        sql_bind_int(q, 1, id);
        sql_bind_text(q, 2, states[to].name);
        sql_bind_text(q, 3, error);
        sql_bind_int(q, 4, f->prompt_tokens);
        sql_bind_int(q, 5, f->completion_tokens);
        sql_bind_int(q, 6, f->cost_msat);
        sql_bind_int(q, 7, f->duration_ms);
        sql_bind_int(q, 8, tick_state_is_final(to));
        return sql_run(q);
}

int tick_set_actions(TickTable *t, int64_t id, const char *json) {
        SqlStatement *q = t->q[Q_ACTIONS];

        sql_bind_int(q, 1, id);
        sql_bind_text(q, 2, json);
        return sql_run(q);
}

/* Forgetting. */

int tick_expired(TickTable *t, const char *npub, int64_t before, int64_t *ids, size_t n,
                size_t *ret_n) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_EXPIRED];
        int r;

        *ret_n = 0;
        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, before);
        sql_bind_int(q, 3, (int64_t) n);
        while ((r = sql_step(q)) > 0)
                ids[(*ret_n)++] = sql_int(q, 0);
        return r;
}

int tick_forget_texts(TickTable *t, int64_t id) {
        sql_bind_int(t->q[Q_NO_THOUGHTS], 1, id);
        sql_bind_int(t->q[Q_NO_TEXTS], 1, id);
        return sql_run(t->q[Q_NO_THOUGHTS]) ?: sql_run(t->q[Q_NO_TEXTS]);
}

int tick_prune(TickTable *t, const char *npub, int64_t newest) {
        SqlStatement *q = t->q[Q_PRUNE];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, newest);
        return sql_run(q);
}

int tick_remove_some(TickTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_REMOVE];
        int r;

        sql_bind_text(q, 1, npub);
        r = sql_run(q);
        return r < 0 ? r : sql_changes(t->db) == REMOVED_AT_ONCE;
}

/* Thoughts. */

/* A text as it is kept, and the hash of all of it. */
typedef struct Kept {
        char *text, hash[HEX32_MAX];
} Kept;

static void kept_done(Kept *k) {
        free(k->text);
}
#define _cleanup_kept_ _cleanup_(kept_done)

static int kept_make(Kept *k, const char *text) {
        uint8_t hash[32];
        int r;

        if (isempty(text))
                return 0;
        k->text = text_cut(text, TICK_TEXT_MAX);
        if (!k->text)
                return -ENOMEM;
        r = sha256(text, strlen(text), hash);
        if (r >= 0)
                hex_encode(hash, sizeof(hash), k->hash);
        return r;
}

static const char *kept_hash(const Kept *k) {
        return k->text ? k->hash : NULL;
}

static int put(TickTable *t, int64_t tick, const char *id, const Kept *prompt, const Kept *answer) {
        SqlStatement *q = t->q[Q_THOUGHT_PUT], *hashes = t->q[Q_HASHES];
        int r;

        sql_bind_int(q, 1, tick);
        sql_bind_text(q, 2, id);
        sql_bind_text(q, 3, prompt->text);
        sql_bind_text(q, 4, kept_hash(prompt));
        sql_bind_text(q, 5, answer->text);
        sql_bind_text(q, 6, kept_hash(answer));
        r = sql_run(q);
        if (r < 0)
                return r;
        sql_bind_int(hashes, 1, tick);
        sql_bind_text(hashes, 2, kept_hash(prompt));
        sql_bind_text(hashes, 3, kept_hash(answer));
        return sql_run(hashes);
}

int thought_put(TickTable *t, int64_t tick, const Thought *th) {
        _cleanup_sql_ SqlStatement *last = t->q[Q_THOUGHT_LAST];
        _cleanup_kept_ Kept prompt = { 0 }, answer = { 0 };
        const char *id = th->id;
        int r;

        if (isempty(th->prompt) && isempty(th->answer))
                return 0;
        r = kept_make(&prompt, th->prompt);
        if (r >= 0)
                r = kept_make(&answer, th->answer);
        if (r < 0)
                return r;
        if (isempty(id)) {
                sql_bind_int(last, 1, tick);
                r = sql_step(last);
                if (r < 0)
                        return r;
                if (r > 0)
                        id = sql_text(last, 0);
        }
        return put(t, tick, id, &prompt, &answer);
}

int thought_has(TickTable *t, int64_t tick, const char *id, int64_t *ret_n) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_THOUGHT_HAS];
        int r;

        sql_bind_int(q, 1, tick);
        sql_bind_text(q, 2, id);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret_n = sql_int(q, 0);
        return sql_int(q, 1) > 0;
}

/* Reading. */

SqlStatement *thought_list(TickTable *t, int64_t tick) {
        SqlStatement *q = t->q[Q_THOUGHTS];

        sql_bind_int(q, 1, tick);
        return q;
}

SqlStatement *thought_open(TickTable *t, int64_t tick) {
        SqlStatement *q = t->q[Q_THOUGHT_OPEN];

        sql_bind_int(q, 1, tick);
        return q;
}

SqlStatement *tick_list_open(TickTable *t, int64_t after, unsigned limit) {
        SqlStatement *q = t->q[Q_LIST_OPEN];

        sql_bind_int(q, 1, after);
        sql_bind_int(q, 2, limit);
        return q;
}

SqlStatement *tick_get_open(TickTable *t, int64_t id) {
        SqlStatement *q = t->q[Q_GET_OPEN];

        sql_bind_int(q, 1, id);
        return q;
}

SqlStatement *tick_history(TickTable *t, const char *npub, int64_t before, unsigned limit) {
        SqlStatement *q = t->q[Q_HISTORY];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, before);
        sql_bind_int(q, 3, limit);
        return q;
}

SqlStatement *tick_get(TickTable *t, int64_t id) {
        SqlStatement *q = t->q[Q_GET];

        sql_bind_int(q, 1, id);
        return q;
}

SqlStatement *tick_last(TickTable *t, const char *npub, int64_t before, unsigned limit) {
        SqlStatement *q = t->q[Q_LAST];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, before);
        sql_bind_int(q, 3, limit);
        return q;
}
