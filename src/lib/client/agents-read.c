/* What is read about agents: pages, JSON, a number; see agents-client.h. */
#include "client/agents-private.h"

static const char unreadable[] = "the store's answer could not be read";

/* Reads the rows of an answer into an array that grows; the texts are the message's. */
typedef int (*read_row_t)(sd_bus_message *m, void *row);

typedef struct List {
        const char *types; /* of a row, with its brackets */
        size_t size;
        read_row_t read;
        void (*row_done)(void *row); /* NULL: a row owns nothing */
} List;

static void *rows_free(const List *list, void *rows, size_t n) {
        for (size_t i = 0; i < n && list && list->row_done; i++)
                list->row_done((char *) rows + i * list->size);
        return mfree(rows);
}

/* An answer while it is handed on. */
typedef struct Answer {
        AgentsCall call;
        sd_bus_message *m;
        const List *list;
        void *rows;
        size_t n;
        int error;
        const char *reason;
} Answer;

static void answer_done(Answer *a) {
        sd_bus_message_unref(a->m);
        a->rows = rows_free(a->list, a->rows, a->n);
}
#define _cleanup_answer_ _cleanup_(answer_done)

/* Room for one more. */
static int rows_grow(const List *list, char **rows, size_t n, size_t *room) {
        size_t more = MAX(*room * 2, (size_t) 8);
        char *grown;

        if (n < *room)
                return 0;
        grown = reallocarray(*rows, more, list->size);
        if (!grown)
                return -ENOMEM;
        *rows = grown;
        *room = more;
        return 0;
}

static int rows_read(sd_bus_message *m, const List *list, void **ret, size_t *ret_n) {
        size_t n = 0, room = 0;
        char *rows = NULL;
        int r;

        r = sd_bus_message_enter_container(m, 'a', list->types);
        while (r >= 0) {
                r = rows_grow(list, &rows, n, &room);
                if (r < 0)
                        break;
                memset(rows + n * list->size, 0, list->size);
                r = list->read(m, rows + n * list->size);
                if (r <= 0)
                        break;
                n++;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0) {
                (void) rows_free(list, rows, n);
                return r == -ENOMEM ? r : -EBADMSG;
        }
        *ret = rows;
        *ret_n = n;
        return 0;
}

static Answer answer_take(AgentsCall *call, sd_bus_message *reply, int error, const char *reason,
                const List *list) {
        Answer a = { .list = list, .error = MIN(error, 0), .reason = reason };

        a.m = sd_bus_message_ref(reply);
        a.call = agents_call_end(call);
        if (error >= 0 && list)
                a.error = rows_read(a.m, list, &a.rows, &a.n);
        if (error >= 0)
                a.reason = a.error < 0 ? unreadable : NULL;
        return a;
}

/* Agents. */

static int read_agent(sd_bus_message *m, void *row) {
        AgentRow *a = row;

        return sd_bus_message_read(m, "(sssssxxxxxxx)", &a->npub, &a->pubkey, &a->name,
                        &a->lifecycle, &a->wish, &a->balance_msat, &a->cost_msat, &a->failures,
                        &a->next_tick_at, &a->created_at, &a->tick_count, &a->last_tick_at);
}

static void on_agents(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        static const List list = { "(sssssxxxxxxx)", sizeof(AgentRow), read_agent };
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, &list);

        a.call.done.rows(a.error, a.reason, a.rows, a.n, a.call.userdata);
}

int agents_list(AgentsClient *c, const char *after_npub, unsigned limit, agents_rows_t done,
                void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "List", &m);
        if (r >= 0)
                r = agents_put_text(m, after_npub);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", limit);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_agents,
                        &(AgentsCall){ .done.rows = done, .userdata = userdata }, ret);
}

/* What is not over. The actions of a tick are an array of its own, which goes with it. */

#define ACTION_TYPES "(usssssssxx)"
#define TICK_TYPES   "(xsxxssbssa" ACTION_TYPES ")"

static int read_action(sd_bus_message *m, void *row) {
        ActionRow *a = row;

        return sd_bus_message_read(m, ACTION_TYPES, &a->n, &a->type, &a->json, &a->state,
                        &a->reason, &a->event_id, &a->event, &a->payment, &a->cost_msat, &a->at);
}

static void open_done(void *row) {
        OpenTick *t = row;

        free((void *) t->actions);
        t->actions = NULL;
}

static int read_open(sd_bus_message *m, void *row) {
        static const List actions = { ACTION_TYPES, sizeof(ActionRow), read_action };
        OpenTick *t = row;
        int r, dry = 0;
        void *rows;

        r = sd_bus_message_enter_container(m, 'r', "xsxxssbssa" ACTION_TYPES);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "xsxxssbss", &t->position, &t->npub, &t->tick, &t->at, &t->state,
                        &t->trigger, &dry, &t->think, &t->prompt);
        if (r < 0)
                return r;
        t->dry = dry;
        r = rows_read(m, &actions, &rows, &t->n_actions);
        if (r < 0)
                return r;
        t->actions = rows;
        r = sd_bus_message_exit_container(m);
        if (r < 0) {
                open_done(t);
                return r;
        }
        return 1;
}

static void on_open(sd_bus_message *reply, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        static const List list = { TICK_TYPES, sizeof(OpenTick), read_open, open_done };
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, &list);

        a.call.done.open(a.error, a.reason, a.rows, a.n, a.call.userdata);
}

int agents_open(AgentsClient *c, int64_t after_position, agents_open_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "OpenTicks", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", after_position);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_open,
                        &(AgentsCall){ .done.open = done, .userdata = userdata }, ret);
}

/* A message with the npub and one number. */
static int message_about(AgentsClient *c, const char *member, const char *npub, int64_t number,
                sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, member, &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", number);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

int agents_find(AgentsClient *c, const char *npub, int64_t tick, agents_open_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_about(c, "FindTick", npub, tick, &m);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_open,
                        &(AgentsCall){ .done.open = done, .userdata = userdata }, ret);
}

/* History. */

static int read_tick(sd_bus_message *m, void *row) {
        TickRow *t = row;
        int r, dry = 0;

        r = sd_bus_message_read(m, "(xxxxxxsssxxbs)", &t->tick, &t->at, &t->duration_ms,
                        &t->prompt_tokens, &t->completion_tokens, &t->cost_msat, &t->state,
                        &t->trigger, &t->error, &t->observations, &t->dropped, &dry, &t->actions);
        t->dry = dry;
        return r;
}

static void on_history(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        static const List list = { "(xxxxxxsssxxbs)", sizeof(TickRow), read_tick };
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, &list);

        a.call.done.history(a.error, a.reason, a.rows, a.n, a.call.userdata);
}

int agents_history(AgentsClient *c, const char *npub, int64_t before_tick, unsigned limit,
                agents_history_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_about(c, "History", npub, before_tick, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", limit);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_history,
                        &(AgentsCall){ .done.history = done, .userdata = userdata }, ret);
}

/* Goals and memories. */

static int read_goal(sd_bus_message *m, void *row) {
        AgentGoal *g = row;
        int64_t priority = 0, progress = 0;
        int r;

        r = sd_bus_message_read(
                        m, "(ssxxsx)", &g->id, &g->text, &priority, &progress, &g->status, &g->at);
        g->priority = (int) priority;
        g->progress = (int) progress;
        return r;
}

static void on_goals(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        static const List list = { "(ssxxsx)", sizeof(AgentGoal), read_goal };
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, &list);

        a.call.done.goals(a.error, a.reason, a.rows, a.n, a.call.userdata);
}

int agents_goals(AgentsClient *c, const char *npub, agents_goals_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Goals", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_goals,
                        &(AgentsCall){ .done.goals = done, .userdata = userdata }, ret);
}

static int read_memory(sd_bus_message *m, void *row) {
        AgentMemory *memory = row;

        return sd_bus_message_read(m, "(ssx)", &memory->id, &memory->text, &memory->at);
}

static void on_memories(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        static const List list = { "(ssx)", sizeof(AgentMemory), read_memory };
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, &list);

        a.call.done.memories(a.error, a.reason, a.rows, a.n, a.call.userdata);
}

int agents_memories(AgentsClient *c, const char *npub, const char *query, unsigned limit,
                agents_memories_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Memories", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = agents_put_text(m, query);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", limit);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_memories,
                        &(AgentsCall){ .done.memories = done, .userdata = userdata }, ret);
}

/* One value. */

static void on_count(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, NULL);
        int64_t n = 0;

        if (a.error >= 0 && sd_bus_message_read(a.m, "x", &n) < 0) {
                a.error = -EBADMSG;
                a.reason = unreadable;
        }
        a.call.done.count(a.error, a.reason, n, a.call.userdata);
}

int agents_count(AgentsClient *c, const char *npub, const char *type, int64_t since,
                agents_count_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Count", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = agents_put_text(m, type);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", since);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_count,
                        &(AgentsCall){ .done.count = done, .userdata = userdata }, ret);
}

static void on_json(sd_bus_message *reply, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        _cleanup_answer_ Answer a = answer_take(userdata, reply, error, reason, NULL);
        const char *json = NULL;

        if (a.error >= 0 && sd_bus_message_read(a.m, "s", &json) < 0) {
                a.error = -EBADMSG;
                a.reason = unreadable;
        }
        a.call.done.json(a.error, a.reason, json, a.call.userdata);
}

int agents_context(AgentsClient *c, const char *npub, int64_t tick, const char *query,
                agents_json_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_about(c, "Context", npub, tick, &m);
        if (r >= 0)
                r = agents_put_text(m, query);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_json,
                        &(AgentsCall){ .done.json = done, .userdata = userdata }, ret);
}

int agents_tick(AgentsClient *c, const char *npub, int64_t tick, agents_json_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = message_about(c, "Record", npub, tick, &m);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_json,
                        &(AgentsCall){ .done.json = done, .userdata = userdata }, ret);
}

int agents_export(AgentsClient *c, const char *npub, agents_json_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Export", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_json,
                        &(AgentsCall){ .done.json = done, .userdata = userdata }, ret);
}
