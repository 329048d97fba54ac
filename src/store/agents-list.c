/* What the host reads about agents; what changes something is in agents-bus.c. */
#include "agents-bus.h"
#include "bus/names.h"
#include "request.h"
#include "rows.h"

#define LIST_MAX       1000
#define OPEN_MAX       64
#define PAGE_BYTES_MAX (UINT64_C(1024) * 1024)
#define RECORD_MAX     (64 * 1024 * 1024)
#define OUTCOMES_MAX   (128 * 1024) /* 32 reasons, however they are escaped */

/* A reply with one array in it, filled by a function that reads its own arguments. */
typedef int (*fill_t)(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error);

static int answer_list(Store *s, sd_bus_message *m, sd_bus_error *error, const char *signature,
                fill_t fill) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r, failure = 0;

        r = store_only(s, m, STORE_HOST, error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', signature);
        if (r >= 0)
                r = fill(s, m, reply, &failure);
        if (r < 0)
                return r;
        if (failure < 0)
                return store_refuse_database(s, error, failure);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int fill_agents(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        const char *after;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "su", &after, &limit);
        if (r >= 0)
                *ret_error = rows_append(reply,
                                agent_list(s->agents->agents, after,
                                                MIN(limit, (uint32_t) LIST_MAX)),
                                AGENT_ROW);
        return r;
}

int method_list_agents(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, AGENT_ROW, fill_agents);
}

/* What is not over. */

static int append_actions(Agents *a, int64_t tick, sd_bus_message *reply, size_t *bytes) {
        _cleanup_sql_ SqlStatement *q = action_list(a->actions, tick);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(" OPEN_ACTION_TYPES ")");
        while (r >= 0 && (r = sql_step(q)) > 0) {
                *bytes += strlen(sql_text(q, 2)) + strlen(sql_text(q, 6)) + 512;
                r = sd_bus_message_open_container(reply, 'r', OPEN_ACTION_TYPES);
                if (r >= 0)
                        r = row_append(reply, q, 0, OPEN_ACTION_TYPES);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_thought(Agents *a, int64_t tick, sd_bus_message *reply, size_t *bytes) {
        _cleanup_sql_ SqlStatement *q = thought_open(a->ticks, tick);
        int r = sql_step(q);

        if (r <= 0)
                return r < 0 ? r : sd_bus_message_append(reply, "ss", "", "");
        *bytes += strlen(sql_text(q, 1));
        return row_append(reply, q, 0, "ss");
}

static int append_open(Agents *a, SqlStatement *q, sd_bus_message *reply, size_t *bytes) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "xsxxssbssa(" OPEN_ACTION_TYPES ")");
        if (r >= 0)
                r = row_append(reply, q, 0, "xsxxssb");
        if (r >= 0)
                r = append_thought(a, sql_int(q, 0), reply, bytes);
        if (r >= 0)
                r = append_actions(a, sql_int(q, 0), reply, bytes);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A page ends early where it has become large: whoever asks goes on behind its last row. */
static int append_all_open(Agents *a, SqlStatement *query, sd_bus_message *reply) {
        _cleanup_sql_ SqlStatement *q = query;
        size_t bytes = 0;
        int r = 0;

        while (bytes < PAGE_BYTES_MAX && (r = sql_step(q)) > 0) {
                r = append_open(a, q, reply, &bytes);
                if (r < 0)
                        break;
        }
        return MIN(r, 0);
}

static int fill_open(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        int64_t after;
        int r;

        r = sd_bus_message_read(m, "x", &after);
        if (r >= 0)
                *ret_error = append_all_open(s->agents,
                                tick_list_open(s->agents->ticks, after, OPEN_MAX), reply);
        return r;
}

int method_open_ticks(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, OPEN_TICK_ROW, fill_open);
}

static int fill_tick(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        const char *npub;
        int64_t number;
        Tick tick;
        int r;

        r = sd_bus_message_read(m, "sx", &npub, &number);
        if (r < 0)
                return r;
        *ret_error = tick_find(s->agents->ticks, npub, number, &tick);
        if (*ret_error > 0)
                *ret_error = append_all_open(
                                s->agents, tick_get_open(s->agents->ticks, tick.id), reply);
        return r;
}

int method_find_tick(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, OPEN_TICK_ROW, fill_tick);
}

/* For people. */

static int append_history(Agents *a, SqlStatement *q, sd_bus_message *reply, size_t *bytes) {
        _cleanup_buffer_ Buffer actions;
        int r, dry = sql_int(q, 5) != 0;

        buffer_init(&actions, OUTCOMES_MAX);
        r = agent_outcomes(a, sql_int(q, 0), &actions);
        if (r < 0)
                return r;
        *bytes += actions.size + 512;
        return sd_bus_message_append(reply, TICK_HISTORY_ROW, sql_int(q, 1), sql_int(q, 2),
                        sql_int(q, 6), sql_int(q, 7), sql_int(q, 8), sql_int(q, 9), sql_text(q, 3),
                        sql_text(q, 4), sql_text(q, 10), sql_int(q, 12), sql_int(q, 11), dry,
                        actions.data);
}

static int append_all_history(Agents *a, SqlStatement *query, sd_bus_message *reply) {
        _cleanup_sql_ SqlStatement *q = query;
        size_t bytes = 0;
        int r = 0;

        while (bytes < PAGE_BYTES_MAX && (r = sql_step(q)) > 0) {
                r = append_history(a, q, reply, &bytes);
                if (r < 0)
                        break;
        }
        return MIN(r, 0);
}

static int fill_history(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        const char *npub;
        uint32_t limit;
        int64_t before;
        int r;

        r = sd_bus_message_read(m, "sxu", &npub, &before, &limit);
        if (r >= 0)
                *ret_error = append_all_history(s->agents,
                                tick_history(s->agents->ticks, npub,
                                                before > 0 ? before : INT64_MAX,
                                                MIN(limit, (uint32_t) LIST_MAX)),
                                reply);
        return r;
}

int method_tick_history(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, TICK_HISTORY_ROW, fill_history);
}

static int fill_goals(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        const char *npub;
        int r;

        r = sd_bus_message_read(m, "s", &npub);
        if (r >= 0)
                *ret_error = rows_append(reply, goal_list(s->agents->goals, npub), GOAL_ROW);
        return r;
}

int method_list_goals(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, GOAL_ROW, fill_goals);
}

static int append_memory(const Memory *memory, _unused_ int64_t key, void *userdata) {
        return sd_bus_message_append(userdata, "(ssx)", memory->id, memory->text, memory->at);
}

static int fill_memories(Store *s, sd_bus_message *m, sd_bus_message *reply, int *ret_error) {
        MemoryTable *t = s->agents->memories;
        const char *npub, *query;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "ssu", &npub, &query, &limit);
        if (r < 0)
                return r;
        limit = MIN(limit, (uint32_t) LIST_MAX);
        *ret_error = isempty(query) ? memory_newest(t, npub, limit, append_memory, reply)
                                    : memory_search(t, npub, query, limit, append_memory, reply);
        return r;
}

int method_list_memories(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return answer_list(userdata, m, error, "(ssx)", fill_memories);
}

int method_count_actions(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *npub, *type;
        Store *s = userdata;
        int64_t since, n;
        int r;

        r = store_only(s, m, STORE_HOST, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "ssx", &npub, &type, &since);
        if (r < 0)
                return r;
        r = action_count(s->agents->actions, npub, type, since, &n);
        if (r < 0)
                return store_refuse_database(s, error, r);
        return sd_bus_reply_method_return(m, "x", n);
}

/* JSON. */

static int answer_json(Store *s, sd_bus_message *m, int found, const Buffer *b, const char *missing,
                sd_bus_error *error) {
        if (found < 0)
                return store_refuse_database(s, error, found);
        if (found == 0)
                return store_refuse(error, -ENOENT, missing);
        return sd_bus_reply_method_return(m, "s", b->data);
}

int method_tick_record(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_buffer_ Buffer b;
        Store *s = userdata;
        const char *npub;
        int64_t number;
        int r;

        buffer_init(&b, RECORD_MAX);
        r = store_only(s, m, STORE_HOST, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "sx", &npub, &number);
        if (r < 0)
                return r;
        return answer_json(s, m, agent_record(s->agents, npub, number, &b), &b,
                        "there is no such tick", error);
}

int method_export(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_buffer_ Buffer b;
        Store *s = userdata;
        const char *npub;
        int r;

        buffer_init(&b, AGENT_EXPORT_MAX);
        r = store_only(s, m, STORE_HOST, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &npub);
        if (r < 0)
                return r;
        return answer_json(s, m, agent_export(s->agents, npub, &b), &b, "there is no such agent",
                        error);
}

/* That memories were used is noted, and rides with the next commit. */
static int request_context(Store *s, sd_bus_message *m, sd_bus_message *reply, bool *ret_lazy,
                const char **reterr) {
        _cleanup_buffer_ Buffer b;
        const char *npub, *query;
        int64_t number;
        int r;

        *ret_lazy = true;
        buffer_init(&b, AGENT_CONTEXT_MAX);
        r = sd_bus_message_read(m, "sxs", &npub, &number, &query);
        if (r < 0)
                return r;
        r = agent_context(s->agents, npub, number, query, &b);
        if (r == 0) {
                *reterr = "there is no such tick";
                return -ENOENT;
        }
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "s", b.data);
}

int method_context(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_HOST, request_context, error);
}
