/* What a tick has to know and what became of it, as JSON; see agents.h. */
#include "agents.h"

#include <inttypes.h>

#include "basic/json.h"

/* Together less than AGENT_CONTEXT_MAX. What has no place in its part is left out, and of the
 * observations that is said. */
#define GOALS_SIZE        (40 * 1024)
#define MEMORIES_SIZE     (48 * 1024)
#define OBSERVATIONS_SIZE (112 * 1024)
#define LAST_SIZE         (16 * 1024)
static_assert(GOALS_SIZE + MEMORIES_SIZE + OBSERVATIONS_SIZE + LAST_SIZE < AGENT_CONTEXT_MAX, "");

#define MEMORIES_FOUND  24
#define MEMORIES_NEWEST 16
#define LAST_TICKS      5

static int put_text(Buffer *b, const char *before, const char *text) {
        int r = buffer_add_string(b, before);

        return r < 0 ? r : json_write_string(b, text, strlen(text));
}

static int put_int(Buffer *b, const char *before, int64_t v) {
        return buffer_addf(b, "%s%" PRId64, before, v);
}

/* What is NULL in the database is null. */
static int put_column(Buffer *b, const char *before, SqlStatement *q, int i) {
        if (sql_is_null(q, i))
                return buffer_addf(b, "%snull", before);
        return put_text(b, before, sql_text(q, i));
}

/* An array with a limit of its own inside a larger text. */
typedef struct Part {
        Buffer *b;
        size_t end; /* the buffer may grow up to there */
        unsigned n, n_left_out;
} Part;

static int part_begin(Part *p, Buffer *b, const char *before, size_t size) {
        *p = (Part){ .b = b, .end = b->size + size };
        return buffer_addf(b, "%s[", before);
}

/* An item of the array, written by a function of it; a long one is left out, a later one may fit.
 */
typedef int (*put_item_t)(Buffer *b, void *item);

static int part_add(Part *p, put_item_t put, void *item) {
        size_t before = p->b->size;
        int r = 0;

        if (p->n > 0)
                r = buffer_add_string(p->b, ",");
        if (r >= 0)
                r = put(p->b, item);
        if (r < 0 && r != -ENOBUFS)
                return r;
        if (r >= 0 && p->b->size < p->end) {
                p->n++;
                return 0;
        }
        p->b->size = before;
        p->b->data[before] = 0;
        p->n_left_out++;
        return 0;
}

static int part_end(const Part *p) {
        return buffer_add_string(p->b, "]");
}

/* All rows of a statement. */
static int part_rows(Part *p, SqlStatement *query, put_item_t put) {
        _cleanup_sql_ SqlStatement *q = query;
        int r;

        while ((r = sql_step(q)) > 0) {
                r = part_add(p, put, q);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : part_end(p);
}

/* The context. */

static int put_goal(Buffer *b, void *item) {
        SqlStatement *q = item;
        int r;

        r = put_text(b, "{\"id\":", sql_text(q, 0));
        if (r >= 0)
                r = put_text(b, ",\"text\":", sql_text(q, 1));
        if (r >= 0)
                r = put_int(b, ",\"priority\":", sql_int(q, 2));
        if (r >= 0)
                r = put_int(b, ",\"progress\":", sql_int(q, 3));
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int put_goals(Agents *a, const char *npub, Buffer *b) {
        _cleanup_sql_ SqlStatement *q = goal_list(a->goals, npub);
        Part p;
        int r;

        r = part_begin(&p, b, "{\"goals\":", GOALS_SIZE);
        while (r >= 0 && (r = sql_step(q)) > 0 && streq(sql_text(q, 4), "active"))
                r = part_add(&p, put_goal, q);
        return r < 0 ? r : part_end(&p);
}

static int put_memory(Buffer *b, void *item) {
        const Memory *m = item;
        int r;

        r = put_text(b, "{\"id\":", m->id);
        if (r >= 0)
                r = put_text(b, ",\"text\":", m->text);
        if (r >= 0)
                r = put_int(b, ",\"at\":", m->at);
        return r < 0 ? r : buffer_add_string(b, "}");
}

typedef struct Found {
        Part part;
        int64_t keys[MEMORIES_FOUND];
        size_t n;
} Found;

static int add_found(const Memory *m, int64_t key, void *userdata) {
        Found *f = userdata;
        Memory copy = *m;

        f->keys[f->n++] = key;
        return part_add(&f->part, put_memory, &copy);
}

static int add_newest(const Memory *m, int64_t key, void *userdata) {
        Found *f = userdata;
        Memory copy = *m;

        for (size_t i = 0; i < f->n; i++)
                if (f->keys[i] == key)
                        return 0;
        return part_add(&f->part, put_memory, &copy);
}

/* Those that were found count as used: they are the last to be forgotten. */
static int put_memories(Agents *a, const char *npub, const char *query, Buffer *b) {
        Found f = { 0 };
        int64_t n = 0;
        int r;

        r = part_begin(&f.part, b, ",\"memories\":", MEMORIES_SIZE);
        if (r >= 0)
                r = memory_search(a->memories, npub, query, MEMORIES_FOUND, add_found, &f);
        if (r >= 0)
                r = memory_newest(a->memories, npub, MEMORIES_NEWEST, add_newest, &f);
        for (size_t i = 0; i < f.n && r >= 0; i++)
                r = memory_use(a->memories, f.keys[i]);
        if (r >= 0)
                r = part_end(&f.part);
        if (r >= 0)
                r = memory_count(a->memories, npub, &n);
        return r < 0 ? r : put_int(b, ",\"remembered\":", n);
}

static int put_observation(Buffer *b, void *item) {
        static const char *const names[] = {
                "{\"id\":", ",\"what\":", ",\"author\":", ",\"text\":", ",\"event\":"
        };
        SqlStatement *q = item;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++)
                r = put_text(b, names[i], sql_text(q, (int) i));
        if (r >= 0)
                r = put_int(b, ",\"msat\":", sql_int(q, 5));
        if (r >= 0)
                r = put_int(b, ",\"at\":", sql_int(q, 6));
        return r < 0 ? r : buffer_add_string(b, "}");
}

/* A dry tick sees what waits, and leaves it there. */
static SqlStatement *observations(Agents *a, const char *npub, const Tick *tick) {
        return tick->dry ? observation_waiting(a->observations, npub)
                         : observation_of_tick(a->observations, tick->id);
}

static int put_observations(Agents *a, const char *npub, const Tick *tick, Buffer *b) {
        _cleanup_sql_ SqlStatement *q = NULL;
        Part p;
        int r;

        r = part_begin(&p, b, ",\"observations\":", OBSERVATIONS_SIZE);
        if (r >= 0)
                r = part_rows(&p, observations(a, npub, tick), put_observation);
        if (r < 0)
                return r;
        q = tick_get(a->ticks, tick->id);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        return put_int(b, ",\"dropped\":", sql_int(q, 11) + p.n_left_out);
}

/* What it did lately, and what became of it: also why something was refused. */

static int put_outcome(Buffer *b, void *item) {
        SqlStatement *q = item;
        int r;

        r = put_int(b, "{\"n\":", sql_int(q, 0));
        if (r >= 0)
                r = put_text(b, ",\"type\":", sql_text(q, 1));
        if (r >= 0)
                r = put_text(b, ",\"state\":", sql_text(q, 3));
        if (r >= 0)
                r = put_text(b, ",\"reason\":", sql_text(q, 4));
        return r < 0 ? r : buffer_add_string(b, "}");
}

int agent_outcomes(Agents *a, int64_t tick, Buffer *b) {
        Part p;
        int r;

        r = part_begin(&p, b, "", b->max);
        return r < 0 ? r : part_rows(&p, action_list(a->actions, tick), put_outcome);
}

typedef struct Last {
        Agents *agents;
        SqlStatement *q;
} Last;

static int put_last(Buffer *b, void *item) {
        Last *last = item;
        int r;

        r = put_int(b, "{\"tick\":", sql_int(last->q, 1));
        if (r >= 0 && !sql_is_null(last->q, 2))
                r = put_text(b, ",\"error\":", sql_text(last->q, 2));
        if (r >= 0)
                r = buffer_add_string(b, ",\"actions\":");
        if (r >= 0)
                r = agent_outcomes(last->agents, sql_int(last->q, 0), b);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int put_last_ticks(Agents *a, const char *npub, int64_t before, Buffer *b) {
        _cleanup_sql_ SqlStatement *q = tick_last(a->ticks, npub, before, LAST_TICKS);
        Last last = { a, q };
        Part p;
        int r;

        r = part_begin(&p, b, ",\"last\":", LAST_SIZE);
        while (r >= 0 && (r = sql_step(q)) > 0)
                r = part_add(&p, put_last, &last);
        if (r >= 0)
                r = part_end(&p);
        return r < 0 ? r : buffer_add_string(b, "}");
}

int agent_context(Agents *a, const char *npub, int64_t number, const char *query, Buffer *b) {
        Tick tick;
        int r;

        r = tick_find(a->ticks, npub, number, &tick);
        if (r <= 0)
                return r;
        r = put_goals(a, npub, b);
        if (r >= 0)
                r = put_memories(a, npub, query, b);
        if (r >= 0)
                r = put_observations(a, npub, &tick, b);
        if (r >= 0)
                r = put_last_ticks(a, npub, number, b);
        return r < 0 ? r : 1;
}

/* The record. */

static int put_thought(Buffer *b, void *item) {
        static const char *const names[] = {
                "{\"id\":", ",\"prompt\":", ",\"prompt_hash\":", ",\"answer\":", ",\"answer_hash\":"
        };
        SqlStatement *q = item;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++)
                r = put_column(b, names[i], q, (int) i);
        return r < 0 ? r : buffer_add_string(b, "}");
}

/* Actions and events were read as JSON before they were stored, and are written as they are. */
static int put_action(Buffer *b, void *item) {
        SqlStatement *q = item;
        int r;

        r = put_int(b, "{\"n\":", sql_int(q, 0));
        if (r >= 0)
                r = put_text(b, ",\"type\":", sql_text(q, 1));
        if (r >= 0)
                r = buffer_addf(b, ",\"action\":%s", sql_text(q, 2));
        if (r >= 0)
                r = put_text(b, ",\"state\":", sql_text(q, 3));
        if (r >= 0)
                r = put_text(b, ",\"reason\":", sql_text(q, 4));
        if (r >= 0)
                r = put_column(b, ",\"event_id\":", q, 5);
        if (r >= 0)
                r = buffer_addf(b, ",\"event\":%s", sql_is_null(q, 6) ? "null" : sql_text(q, 6));
        if (r >= 0)
                r = put_column(b, ",\"payment\":", q, 7);
        if (r >= 0)
                r = put_int(b, ",\"cost_msat\":", sql_int(q, 8));
        if (r >= 0)
                r = put_int(b, ",\"at\":", sql_int(q, 9));
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int put_tick(Buffer *b, SqlStatement *q) {
        static const char *const numbers[] = { ",\"duration_ms\":", ",\"prompt_tokens\":",
                ",\"completion_tokens\":", ",\"cost_msat\":" };
        int r;

        r = put_int(b, "{\"tick\":", sql_int(q, 1));
        if (r >= 0)
                r = put_int(b, ",\"at\":", sql_int(q, 2));
        if (r >= 0)
                r = put_text(b, ",\"state\":", sql_text(q, 3));
        if (r >= 0)
                r = put_text(b, ",\"trigger\":", sql_text(q, 4));
        if (r >= 0)
                r = buffer_addf(b, ",\"dry\":%s", sql_int(q, 5) ? "true" : "false");
        for (size_t i = 0; i < ELEMENTSOF(numbers) && r >= 0; i++)
                r = put_int(b, numbers[i], sql_int(q, 6 + (int) i));
        if (r >= 0)
                r = put_text(b, ",\"error\":", sql_text(q, 10));
        return r < 0 ? r : put_int(b, ",\"dropped\":", sql_int(q, 11));
}

int agent_record(Agents *a, const char *npub, int64_t number, Buffer *b) {
        _cleanup_sql_ SqlStatement *q = NULL;
        Tick tick;
        Part p;
        int r;

        r = tick_find(a->ticks, npub, number, &tick);
        if (r <= 0)
                return r;
        q = tick_get(a->ticks, tick.id);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        r = put_tick(b, q);
        if (r >= 0)
                r = part_begin(&p, b, ",\"thoughts\":", b->max);
        if (r >= 0)
                r = part_rows(&p, thought_list(a->ticks, tick.id), put_thought);
        if (r >= 0)
                r = part_begin(&p, b, ",\"observations\":", b->max);
        if (r >= 0)
                r = part_rows(&p, observation_of_tick(a->observations, tick.id), put_observation);
        if (r >= 0)
                r = part_begin(&p, b, ",\"actions\":", b->max);
        if (r >= 0)
                r = part_rows(&p, action_list(a->actions, tick.id), put_action);
        if (r >= 0)
                r = buffer_add_string(b, "}");
        return r < 0 ? r : 1;
}
