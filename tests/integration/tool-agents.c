/* The host's client of the store without a host, for tests: tool-agents SOCKET, run under the name
 * pylon-host. Each line of stdin is a JSON array, a verb and its arguments; each line of stdout is
 * what was answered: [verdict or error, text, …]. Several may be asked before the first answer. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/json.h"
#include "basic/log.h"
#include "client/agents-client.h"

#define LINE_MAX_ (8 * 1024 * 1024)
#define LIST_MAX  512

typedef struct Tool {
        sd_event *event;
        AgentsClient *client;
        Buffer in;
} Tool;

/* One line, a JSON array; each value has a letter for its type. */
static void say(const char *types, ...) {
        _cleanup_buffer_ Buffer b;
        const char *s;
        va_list ap;

        buffer_init(&b, 64 * 1024 * 1024);
        va_start(ap, types);
        for (const char *t = types; *t; t++) {
                if (t > types)
                        (void) buffer_add_string(&b, ",");
                if (*t == 's') {
                        s = va_arg(ap, const char *) ?: "";
                        (void) json_write_string(&b, s, strlen(s));
                } else if (*t == 'x')
                        (void) buffer_addf(&b, "%" PRId64, va_arg(ap, int64_t));
                else if (*t == 'i')
                        (void) buffer_addf(&b, "%d", va_arg(ap, int));
                else /* JSON as it is */
                        (void) buffer_add_string(&b, va_arg(ap, const char *));
        }
        va_end(ap);
        (void) printf("[%s]\n", b.data ?: "");
        (void) fflush(stdout);
}

/* One row of a list. */
static void row(Buffer *b, const char *types, ...) {
        va_list ap;

        (void) buffer_add_string(b, b->size > 0 ? ",[" : "[");
        va_start(ap, types);
        for (const char *t = types; *t; t++) {
                if (t > types)
                        (void) buffer_add_string(b, ",");
                if (*t == 's') {
                        const char *s = va_arg(ap, const char *);

                        (void) json_write_string(b, s, strlen(s));
                } else
                        (void) buffer_addf(b, "%" PRId64, va_arg(ap, int64_t));
        }
        va_end(ap);
        (void) buffer_add_string(b, "]");
}

static void say_rows(int error, const char *reason, Buffer *b) {
        _cleanup_buffer_ Buffer list;

        buffer_init(&list, b->max + 2);
        (void) buffer_addf(&list, "[%s]", b->data ?: "");
        say("isj", error, reason, list.data);
        buffer_done(b);
}

static void on_verdict(int verdict, const char *text, _unused_ void *userdata) {
        say("is", verdict, text);
}

static void on_began(int verdict, int64_t tick, const char *text, _unused_ void *userdata) {
        say("isx", verdict, text, tick);
}

static void on_json(int error, const char *reason, const char *json, _unused_ void *userdata) {
        say("isj", error, reason, json ?: "null");
}

static void on_count(int error, const char *reason, int64_t n, _unused_ void *userdata) {
        say("isx", error, reason, n);
}

static void on_agents(int error, const char *reason, const AgentRow *rows, size_t n,
                _unused_ void *userdata) {
        Buffer b;

        buffer_init(&b, LINE_MAX_);
        for (const AgentRow *a = rows; a < rows + n; a++)
                row(&b, "sssssxxxxxxx", a->npub, a->pubkey, a->name, a->lifecycle, a->wish,
                                a->balance_msat, a->cost_msat, a->failures, a->next_tick_at,
                                a->created_at, a->tick_count, a->last_tick_at);
        say_rows(error, reason, &b);
}

/* A row for each tick, and behind it one for each of its actions. */
static void on_open(int error, const char *reason, const OpenTick *ticks, size_t n,
                _unused_ void *userdata) {
        Buffer b;

        buffer_init(&b, LINE_MAX_);
        for (const OpenTick *t = ticks; t < ticks + n; t++) {
                row(&b, "xsxxssxss", t->position, t->npub, t->tick, t->at, t->state, t->trigger,
                                (int64_t) t->dry, t->think, t->prompt);
                for (const ActionRow *a = t->actions; a < t->actions + t->n_actions; a++)
                        row(&b, "xsssssss", (int64_t) a->n, a->type, a->json, a->state, a->reason,
                                        a->event_id, a->event, a->payment);
        }
        say_rows(error, reason, &b);
}

static void on_history(int error, const char *reason, const TickRow *rows, size_t n,
                _unused_ void *userdata) {
        Buffer b;

        buffer_init(&b, LINE_MAX_);
        for (const TickRow *t = rows; t < rows + n; t++)
                row(&b, "xxxxxxssssxxx", t->tick, t->at, t->duration_ms, t->prompt_tokens,
                                t->completion_tokens, t->cost_msat, t->state, t->trigger, t->error,
                                t->actions, t->observations, t->dropped, (int64_t) t->dry);
        say_rows(error, reason, &b);
}

static void on_goals(int error, const char *reason, const AgentGoal *goals, size_t n,
                _unused_ void *userdata) {
        Buffer b;

        buffer_init(&b, LINE_MAX_);
        for (const AgentGoal *g = goals; g < goals + n; g++)
                row(&b, "ssxxs", g->id, g->text, (int64_t) g->priority, (int64_t) g->progress,
                                g->status);
        say_rows(error, reason, &b);
}

static void on_memories(int error, const char *reason, const AgentMemory *memories, size_t n,
                _unused_ void *userdata) {
        Buffer b;

        buffer_init(&b, LINE_MAX_);
        for (const AgentMemory *m = memories; m < memories + n; m++)
                row(&b, "ssx", m->id, m->text, m->at);
        say_rows(error, reason, &b);
}

/* Arguments. */

static const char *word(const Json *j, size_t i) {
        const char *s = "";

        (void) json_string(json_array_at(j, i), &s);
        return s;
}

static const char *word_or_null(const Json *j, size_t i) {
        const char *s = word(j, i);

        return *s ? s : NULL;
}

static int64_t number(const Json *j, size_t i) {
        int64_t n = 0;

        (void) json_i64(json_array_at(j, i), &n);
        return n;
}

static int run_add(Tool *t, const Json *j) {
        const AgentRow a = {
                .npub = word(j, 1),
                .pubkey = word(j, 2),
                .name = word(j, 3),
                .lifecycle = "spawning",
                .wish = "started",
                .created_at = 1700000000,
        };

        return agents_add(t->client, &a, on_verdict, t, NULL);
}

static int run_set(Tool *t, const Json *j) {
        const AgentChange c = {
                .npub = word(j, 1),
                .lifecycle = word_or_null(j, 2),
                .wish = word_or_null(j, 3),
                .balance_msat = number(j, 4),
                .next_tick_at = -1,
                .cost_msat = -1,
                .failures = -1,
                .lazy = number(j, 5),
        };

        return agents_set(t->client, &c, on_verdict, t, NULL);
}

static int run_remove(Tool *t, const Json *j) {
        return agents_remove(t->client, word(j, 1), on_verdict, t, NULL);
}

static int run_list(Tool *t, const Json *j) {
        return agents_list(t->client, word(j, 1), (unsigned) number(j, 2), on_agents, t, NULL);
}

static int run_observe(Tool *t, const Json *j) {
        const Json *rows = json_array_at(j, 2);
        Observation list[LIST_MAX] = { 0 };
        size_t n = MIN(json_array_size(rows), (size_t) LIST_MAX);

        for (size_t i = 0; i < n; i++) {
                const Json *o = json_array_at(rows, i);

                list[i] = (Observation){ word(o, 0), word(o, 1), word(o, 2), word(o, 3), NULL, 0,
                        1700000000 };
        }
        return agents_observe(t->client, word(j, 1), list, n, on_verdict, t, NULL);
}

static int run_begin(Tool *t, const Json *j) {
        const TickStart s = { word(j, 1), "heartbeat", number(j, 2), 1700000000, -1 };

        return agents_begin_tick(t->client, &s, on_began, t, NULL);
}

static int run_context(Tool *t, const Json *j) {
        return agents_context(t->client, word(j, 1), number(j, 2), word(j, 3), on_json, t, NULL);
}

static int run_tick(Tool *t, const Json *j) {
        const Json *rows = json_array_at(j, 7);
        TickAction actions[LIST_MAX] = { 0 };
        TickMove m = {
                .npub = word(j, 1),
                .tick = number(j, 2),
                .state = word(j, 3),
                .think = word_or_null(j, 4),
                .prompt = word_or_null(j, 5),
                .answer = word_or_null(j, 6),
                .prompt_tokens = -1,
                .completion_tokens = -1,
                .cost_msat = 1500,
                .duration_ms = 7,
                .actions = actions,
                .n_actions = MIN(json_array_size(rows), (size_t) LIST_MAX),
        };

        for (size_t i = 0; i < m.n_actions; i++) {
                const Json *a = json_array_at(rows, i);

                actions[i] = (TickAction){ (uint32_t) i + 1, word(a, 0), word(a, 1), word(a, 2),
                        word_or_null(a, 3) };
        }
        return agents_move_tick(t->client, &m, on_verdict, t, NULL);
}

/* …, effect, id, text */
static int run_action(Tool *t, const Json *j) {
        const AgentMemory memory = { word(j, 9), word(j, 10), 1700000000 };
        const AgentGoal goal = { word(j, 9), word_or_null(j, 10), -1, -1, NULL, 0 };
        const char *effect = word(j, 8);
        const ActionMove m = {
                .npub = word(j, 1),
                .tick = number(j, 2),
                .n = (uint32_t) number(j, 3),
                .state = word(j, 4),
                .event_id = word_or_null(j, 5),
                .event = word_or_null(j, 6),
                .payment = word_or_null(j, 7),
                .cost_msat = -1,
                .goal = streq(effect, "goal") ? &goal : NULL,
                .remember = streq(effect, "remember") ? &memory : NULL,
                .forget = streq(effect, "forget") ? word(j, 9) : NULL,
        };

        return agents_move_action(t->client, &m, on_verdict, t, NULL);
}

static int run_goal(Tool *t, const Json *j) {
        const AgentGoal g = { word(j, 2), word_or_null(j, 3), (int) number(j, 4),
                (int) number(j, 5), word_or_null(j, 6), 0 };

        return agents_put_goal(t->client, word(j, 1), &g, on_verdict, t, NULL);
}

static int run_remember(Tool *t, const Json *j) {
        const AgentMemory m = { word(j, 2), word(j, 3), 0 };

        return agents_remember(t->client, word(j, 1), &m, on_verdict, t, NULL);
}

static int run_forget(Tool *t, const Json *j) {
        return agents_forget(t->client, word(j, 1), word(j, 2), on_verdict, t, NULL);
}

static int run_open(Tool *t, const Json *j) {
        return agents_open(t->client, number(j, 1), on_open, t, NULL);
}

static int run_find(Tool *t, const Json *j) {
        return agents_find(t->client, word(j, 1), number(j, 2), on_open, t, NULL);
}

static int run_history(Tool *t, const Json *j) {
        return agents_history(t->client, word(j, 1), number(j, 2), (unsigned) number(j, 3),
                        on_history, t, NULL);
}

static int run_record(Tool *t, const Json *j) {
        return agents_tick(t->client, word(j, 1), number(j, 2), on_json, t, NULL);
}

static int run_goals(Tool *t, const Json *j) {
        return agents_goals(t->client, word(j, 1), on_goals, t, NULL);
}

static int run_memories(Tool *t, const Json *j) {
        return agents_memories(t->client, word(j, 1), word(j, 2), (unsigned) number(j, 3),
                        on_memories, t, NULL);
}

static int run_count(Tool *t, const Json *j) {
        return agents_count(t->client, word(j, 1), word(j, 2), number(j, 3), on_count, t, NULL);
}

static int run_export(Tool *t, const Json *j) {
        return agents_export(t->client, word(j, 1), on_json, t, NULL);
}

static int run_import(Tool *t, const Json *j) {
        return agents_import(t->client, word(j, 1), word(j, 2), on_verdict, t, NULL);
}

static const struct {
        const char *verb;
        int (*run)(Tool *t, const Json *j);
} verbs[] = {
        { "add", run_add },
        { "set", run_set },
        { "remove", run_remove },
        { "list", run_list },
        { "observe", run_observe },
        { "begin", run_begin },
        { "context", run_context },
        { "tick", run_tick },
        { "action", run_action },
        { "goal", run_goal },
        { "remember", run_remember },
        { "forget", run_forget },
        { "open", run_open },
        { "find", run_find },
        { "history", run_history },
        { "record", run_record },
        { "goals", run_goals },
        { "memories", run_memories },
        { "count", run_count },
        { "export", run_export },
        { "import", run_import },
};

static int run(Tool *t, const char *line) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        if (json_parse(line, strlen(line), 5, 100000, &j, &reason) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].verb, word(j, 0)))
                        return verbs[i].run(t, j);
        return -ENOSYS;
}

static int on_input(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t revents, void *userdata) {
        char bytes[65536], *end;
        Tool *t = userdata;
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n <= 0)
                return sd_event_exit(t->event, 0);
        if (buffer_add(&t->in, bytes, (size_t) n) < 0)
                return -ENOBUFS;
        while (t->in.size > 0 && (end = memchr(t->in.data, '\n', t->in.size))) {
                int r;

                *end = '\0';
                r = run(t, t->in.data);
                if (r < 0)
                        say("is", r, "not asked");
                buffer_drop(&t->in, (size_t) (end - t->in.data) + 1);
        }
        return 0;
}

int main(int argc, char **argv) {
        Tool tool = { 0 };
        int r;

        log_open("tool-agents");
        buffer_init(&tool.in, LINE_MAX_);
        if (argc < 2 || sd_event_new(&tool.event) < 0 ||
                        agents_client_new(tool.event, argv[1], &tool.client) < 0 ||
                        sd_event_add_io(tool.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &tool) <
                                        0)
                return EXIT_FAILURE;
        r = sd_event_loop(tool.event);

        tool.client = agents_client_free(tool.client);
        buffer_done(&tool.in);
        tool.event = sd_event_unref(tool.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
