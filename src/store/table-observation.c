/* Rows of agent_observations, see table-observation.h. */
#include "table-observation.h"

#include "basic/codec.h"

enum {
        Q_ADD,
        Q_COUNT,
        Q_EVICT,
        Q_TAKE,
        Q_GIVE_BACK,
        Q_GIVEN_UP,
        Q_REMOVE,
        Q_NO_TEXTS,
        Q_OF_TICK,
        Q_WAITING,
        _Q_MAX,
};

#define TO_TEXT(x) #x
#define TEXT_OF(x) TO_TEXT(x)
#define COLUMNS    "SELECT id, what, author, text, event_id, msats, seen_at FROM agent_observations "

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO agent_observations (agent_npub, id, what, author, text, event_id, "
                  "msats, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                  "ON CONFLICT (agent_npub, id) DO NOTHING",
        [Q_COUNT] = "SELECT count(*) FROM agent_observations WHERE agent_npub = ? "
                    "AND tick IS NULL",
        /* Whoever writes the most gives way to the others; strangers to the owner and ourselves. */
        [Q_EVICT] = "DELETE FROM agent_observations WHERE seq = (SELECT o.seq FROM "
                    "agent_observations AS o JOIN (SELECT author, count(*) AS n FROM "
                    "agent_observations WHERE agent_npub = ?1 AND tick IS NULL GROUP BY author) "
                    "AS a ON a.author = o.author WHERE o.agent_npub = ?1 AND o.tick IS NULL "
                    "ORDER BY o.author IN ('', 'owner'), a.n DESC, o.seq LIMIT 1)",
        [Q_TAKE] = "UPDATE agent_observations SET tick = ?2 WHERE agent_npub = ?1 "
                   "AND tick IS NULL",
        [Q_GIVE_BACK] = "UPDATE agent_observations SET tick = NULL, tries = tries + 1 "
                        "WHERE tick = ? AND tries + 1 < " TEXT_OF(OBSERVATION_TRIES_MAX),
        [Q_GIVEN_UP] = "SELECT count(*) FROM agent_observations WHERE tick = ?",
        [Q_REMOVE] = "DELETE FROM agent_observations WHERE agent_npub = ?",
        [Q_NO_TEXTS] = "UPDATE agent_observations SET text = '' WHERE tick = ?",
        [Q_OF_TICK] = COLUMNS "WHERE tick = ? ORDER BY seq",
        [Q_WAITING] = COLUMNS "WHERE agent_npub = ? AND tick IS NULL ORDER BY seq",
};

struct ObservationTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

int observation_table_new(Sql *db, ObservationTable **ret) {
        _cleanup_(observation_table_freep) ObservationTable *t = NULL;
        int r;

        t = new0(ObservationTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

ObservationTable *observation_table_free(ObservationTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_author(const char *s) {
        uint8_t key[32];

        return isempty(s) || streq(s, "owner") || hex_decode(s, key, sizeof(key)) >= 0;
}

const char *observation_fault(const Observation *o) {
        if (isempty(o->id) || strlen(o->id) > OBSERVATION_ID_MAX)
                return "an observation has an id of 1 to 128 bytes";
        if (!is_word(o->what))
                return "what was observed is one word";
        if (!is_author(o->author))
                return "its author is neither a public key nor the owner";
        if (strlen(o->event) > OBSERVATION_ID_MAX)
                return "the id of its event is too long";
        if (o->msat < 0 || o->at < 0)
                return "an amount or a time is negative";
        return NULL;
}

int observation_add(ObservationTable *t, const char *npub, const Observation *o) {
        _cleanup_free_ char *text = NULL;
        SqlStatement *q = t->q[Q_ADD];
        int r;

        text = text_cut(o->text, OBSERVATION_TEXT_MAX);
        if (!text)
                return -ENOMEM;
        sql_bind_text(q, 1, npub);
        sql_bind_text(q, 2, o->id);
        sql_bind_text(q, 3, o->what);
        sql_bind_text(q, 4, o->author);
        sql_bind_text(q, 5, text);
        sql_bind_text(q, 6, o->event);
        sql_bind_int(q, 7, o->msat);
        sql_bind_int(q, 8, o->at);
        r = sql_run(q);
        return r < 0 ? r : sql_changes(t->db) > 0;
}

static int count(SqlStatement *query, int64_t *ret) {
        _cleanup_sql_ SqlStatement *q = query;
        int r;

        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret = sql_int(q, 0);
        return 0;
}

int observation_evict(ObservationTable *t, const char *npub, int64_t *ret_n) {
        int64_t n;
        int r;

        *ret_n = 0;
        sql_bind_text(t->q[Q_COUNT], 1, npub);
        r = count(t->q[Q_COUNT], &n);
        for (; r >= 0 && n > OBSERVATIONS_MAX; n--) {
                sql_bind_text(t->q[Q_EVICT], 1, npub);
                r = sql_run(t->q[Q_EVICT]);
                (*ret_n)++;
        }
        return r;
}

int observation_take(ObservationTable *t, const char *npub, int64_t tick) {
        SqlStatement *q = t->q[Q_TAKE];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, tick);
        return sql_run(q);
}

int observation_give_back(ObservationTable *t, int64_t tick, int64_t *ret_given_up) {
        int r;

        sql_bind_int(t->q[Q_GIVE_BACK], 1, tick);
        r = sql_run(t->q[Q_GIVE_BACK]);
        if (r < 0)
                return r;
        sql_bind_int(t->q[Q_GIVEN_UP], 1, tick);
        return count(t->q[Q_GIVEN_UP], ret_given_up);
}

int observation_remove_all(ObservationTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_REMOVE];

        sql_bind_text(q, 1, npub);
        return sql_run(q);
}

int observation_forget_texts(ObservationTable *t, int64_t tick) {
        SqlStatement *q = t->q[Q_NO_TEXTS];

        sql_bind_int(q, 1, tick);
        return sql_run(q);
}

SqlStatement *observation_of_tick(ObservationTable *t, int64_t tick) {
        SqlStatement *q = t->q[Q_OF_TICK];

        sql_bind_int(q, 1, tick);
        return q;
}

SqlStatement *observation_waiting(ObservationTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_WAITING];

        sql_bind_text(q, 1, npub);
        return q;
}
