/* pylon agent tick|history|replay: one tick now, and what became of earlier ones. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "agent.h"
#include "basic/json.h"
#include "basic/text.h"
#include "bus/names.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define HISTORY_DEFAULT 20
#define HISTORY_MAX     1000
#define TICK_TIMEOUT    (15 * MIN_)
#define BUSY_AGAIN      SEC /* its end may have come before we listened */
#define REPLAY_TIMEOUT  (15 * MIN_)
#define JSON_DEPTH      40
#define JSON_VALUES     1000000

/* ---- one tick of the past */

static const char *text_of(const Json *j, const char *key) {
        const char *text = "";

        (void) json_string(json_get(j, key), &text); /* "" where it is null */
        return text;
}

static int64_t number_of(const Json *j, const char *key) {
        int64_t n = 0;

        (void) json_i64(json_get(j, key), &n);
        return n;
}

static void print_text(const char *before, const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        (void) printf("%s%s\n", before, copy ? printable(copy) : "?");
}

/* A stranger's or a model's text of many lines: each behind a bar, without what steers terminals.
 */
static void print_block(const char *title, const char *text) {
        if (!*text)
                return;
        (void) printf("\n%s\n", title);
        for (const char *line = text, *end; line; line = end) {
                _cleanup_free_ char *copy = NULL;

                end = strchr(line, '\n');
                copy = strndup(line, end ? (size_t) (end - line) : strlen(line));
                (void) printf("  | %s\n", copy ? printable(copy) : "?");
                end = end ? end + 1 : NULL;
        }
}

static void print_actions(const Json *list) {
        for (size_t i = 0; list && i < json_array_size(list); i++) {
                const Json *a = json_array_at(list, i);
                _cleanup_buffer_ Buffer b = { .max = 1 << 20 };
                const char *reason = text_of(a, "reason"), *event = text_of(a, "event_id");
                const Json *action = json_get(a, "action");

                (void) printf("  %s: %s%s", text_of(a, "type"), text_of(a, "state"),
                                *reason ? ", " : "");
                print_text("", reason);
                if (action && json_write(&b, action) >= 0)
                        print_text("    ", b.data);
                if (*event)
                        print_text("    ", event);
        }
}

static void print_observations(const Json *list) {
        for (size_t i = 0; list && i < json_array_size(list); i++) {
                const Json *o = json_array_at(list, i);

                (void) printf("  %s %.16s: ", text_of(o, "what"), text_of(o, "author"));
                print_text("", text_of(o, "text"));
        }
}

/* Whoever waited for it wants to know what it did, and has all of it when he asks. */
static void print_record(const Json *root, bool brief) {
        char when[TEXT_MAX], cost[TEXT_MAX];
        const Json *thoughts = json_get(root, "thoughts"), *list;

        text_ago(number_of(root, "at"), now_seconds(), when);
        text_msats(number_of(root, "cost_msat"), cost);
        (void) printf(_("Tick %" PRIi64 ", %s, by %s: %s\n"), number_of(root, "tick"), when,
                        text_of(root, "trigger"), text_of(root, "state"));
        if (*text_of(root, "error"))
                print_text("", text_of(root, "error"));
        (void) printf(_("It took %" PRIi64 " ms and %s.\n"), number_of(root, "duration_ms"), cost);
        list = json_get(root, "observations");
        if (list && json_array_size(list) > 0)
                (void) printf("\n%s\n", _("What it saw:"));
        print_observations(list);
        for (size_t i = 0; !brief && thoughts && i < json_array_size(thoughts); i++) {
                print_block(_("What it was asked:"), text_of(json_array_at(thoughts, i), "prompt"));
                print_block(_("What was answered:"), text_of(json_array_at(thoughts, i), "answer"));
        }
        list = json_get(root, "actions");
        (void) printf("\n%s\n", list && json_array_size(list) > 0 ? _("What it did:")
                                                                  : _("It did nothing."));
        print_actions(list);
}

static int show_record(
                const Cli *cli, const char *name, const Remote *agent, int64_t tick, bool brief) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(json_unrefp) Json *root = NULL;
        const char *json, *reason;
        CallError error;

        if (remote_call(agent, "Record", &reply, &error, "x", tick) < 0)
                return agent_fail(cli, name, &error);
        if (sd_bus_message_read(reply, "s", &json) < 0 ||
                        json_parse(json, strlen(json), JSON_DEPTH, JSON_VALUES, &root, &reason) < 0)
                return call_unreadable(cli);
        if (cli->args.json)
                return puts(json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        print_record(root, brief);
        return EXIT_SUCCESS;
}

/* ---- all of them */

typedef struct TickLine {
        int64_t tick, at, duration_ms, prompt_tokens, completion_tokens, cost_msat, observations,
                        dropped;
        const char *state, *trigger, *error, *actions;
        int dry;
} TickLine;

static const struct {
        const char *name;
        char type;
        size_t offset;
} tick_fields[] = {
        { "tick", 'x', offsetof(TickLine, tick) },
        { "at", 'x', offsetof(TickLine, at) },
        { "state", 's', offsetof(TickLine, state) },
        { "trigger", 's', offsetof(TickLine, trigger) },
        { "error", 's', offsetof(TickLine, error) },
        { "actions", 's', offsetof(TickLine, actions) },
        { "dry", 'b', offsetof(TickLine, dry) },
        { "duration_ms", 'x', offsetof(TickLine, duration_ms) },
        { "prompt_tokens", 'x', offsetof(TickLine, prompt_tokens) },
        { "completion_tokens", 'x', offsetof(TickLine, completion_tokens) },
        { "cost_msat", 'x', offsetof(TickLine, cost_msat) },
        { "observations", 'x', offsetof(TickLine, observations) },
        { "dropped", 'x', offsetof(TickLine, dropped) },
};

static int read_tick_value(sd_bus_message *m, TickLine *t) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(tick_fields); i++)
                if (streq(tick_fields[i].name, name)) {
                        char type[2] = { tick_fields[i].type, '\0' };

                        r = sd_bus_message_enter_container(m, 'v', type);
                        if (r >= 0)
                                r = sd_bus_message_read_basic(
                                                m, *type, (char *) t + tick_fields[i].offset);
                        return r < 0 ? r : sd_bus_message_exit_container(m);
                }
        return r < 0 ? r : sd_bus_message_skip(m, "v");
}

static int read_tick(sd_bus_message *m, TickLine *ret) {
        int r;

        *ret = (TickLine){ .state = "", .trigger = "", .error = "", .actions = "[]" };
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r <= 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_tick_value(m, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        r = r < 0 ? r : sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int history_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        TickLine t;
        int r;

        out_array(&o, NULL);
        while ((r = read_tick(m, &t)) > 0) {
                out_object(&o, NULL);
                out_number(&o, "tick", t.tick);
                out_number(&o, "at", t.at);
                out_text(&o, "trigger", t.trigger);
                out_text(&o, "state", t.state);
                out_text(&o, "error", *t.error ? t.error : NULL);
                out_boolean(&o, "dry", t.dry);
                out_raw(&o, "actions", *t.actions ? t.actions : "[]");
                out_number(&o, "observations", t.observations);
                out_number(&o, "dropped", t.dropped);
                out_number(&o, "prompt_tokens", t.prompt_tokens);
                out_number(&o, "completion_tokens", t.completion_tokens);
                out_number(&o, "cost_msats", t.cost_msat);
                out_number(&o, "duration_ms", t.duration_ms);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

/* "post, dm (failed)": what is done needs no word. */
static void actions_text(const char *json, char *ret, size_t size) {
        _cleanup_(json_unrefp) Json *root = NULL;
        const char *reason;
        size_t n = 0;

        *ret = '\0';
        if (json_parse(json, strlen(json), JSON_DEPTH, JSON_VALUES, &root, &reason) < 0)
                return;
        for (size_t i = 0; i < json_array_size(root) && n < size; i++) {
                const Json *a = json_array_at(root, i);
                const char *state = text_of(a, "state");
                bool done = streq(state, "done");

                n += (size_t) snprintf(ret + n, size - n, "%s%s%s%s%s", i > 0 ? ", " : "",
                                text_of(a, "type"), done ? "" : " (", done ? "" : state,
                                done ? "" : ")");
        }
}

static int history_table(sd_bus_message *m) {
        static const char *const heads[] = { N_("TICK"), N_("WHEN"), N_("BY"), N_("STATE"),
                N_("COST"), N_("TOOK"), N_("ACTIONS") };
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        unsigned n = 0;
        TickLine l;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        for (; r >= 0 && (r = read_tick(m, &l)) > 0; n++) {
                char when[TEXT_MAX], cost[TEXT_MAX], actions[512];

                text_ago(l.at, now, when);
                text_msats(l.cost_msat, cost);
                actions_text(l.actions, actions, sizeof(actions));
                (void) table_addf(t, "%" PRIi64 "%s", l.tick, l.dry ? _(" (dry)") : "");
                (void) table_add(t, when);
                (void) table_add(t, l.trigger);
                (void) table_add(t, l.state);
                (void) table_add(t, cost);
                (void) table_addf(t, "%" PRIi64 " ms", l.duration_ms);
                r = table_add(t, *l.error ? l.error : actions);
        }
        if (r >= 0 && n > 0)
                table_print(t);
        else if (r >= 0)
                (void) printf("%s\n", _("It has not ticked yet."));
        return r;
}

static int read_tick_number(const Cli *cli, const char *text, int64_t *ret) {
        if (parse_i64(text, ret) >= 0 && *ret > 0)
                return EXIT_SUCCESS;
        return cli_fail(cli, "Usage", _("\"%s\" is no number of a tick."), text);
}

int verb_agent_history(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        uint32_t limit = cli->args.limit > 0 ? MIN(cli->args.limit, (uint32_t) HISTORY_MAX)
                                             : HISTORY_DEFAULT;
        const char *name = cli->args.rest[0];
        CallError error;
        int64_t tick = 0;
        int r;

        r = cli->args.tick ? read_tick_number(cli, cli->args.tick, &tick) : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (tick > 0)
                return show_record(cli, name, &a.remote, tick, false);
        if (remote_call(&a.remote, "History", &reply, &error, "xu", INT64_C(0), limit) < 0)
                return agent_fail(cli, name, &error);
        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r >= 0)
                r = cli->args.json ? history_json(reply) : history_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* ---- one now */

typedef struct Waiting {
        const Cli *cli;
        const Remote *agent;
        uint64_t tick; /* 0: it has no number yet */
        bool other;    /* has ended */
        bool ended, failed, gone;
        usec_t until;
        char summary[512];
} Waiting;

/* TickEnded(x tick, s state, s summary) */
static int on_ended(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *state, *summary;
        Waiting *w = userdata;
        int64_t tick;
        size_t n;

        if (sd_bus_message_read(m, "xss", &tick, &state, &summary) < 0)
                return 0;
        if (w->tick == 0 || (uint64_t) tick != w->tick) {
                w->other = true;
                return 0;
        }
        w->ended = true;
        w->failed = streq(state, "failed");
        (void) snprintf(w->summary, sizeof(w->summary), "%s", summary);
        n = strlen(w->summary);
        if (n > 0 && w->summary[n - 1] == '.') /* a sentence of another service */
                w->summary[n - 1] = 0;
        return 0;
}

static int on_gone(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        ((Waiting *) userdata)->gone = true;
        return 0;
}

static int listen_for_end(Waiting *w) {
        const Remote *agent = w->agent;
        int r;

        r = sd_bus_match_signal(agent->bus, NULL, agent->destination, agent->path, agent->interface,
                        "TickEnded", on_ended, w);
        return r < 0 ? r
                     : sd_bus_match_signal(agent->bus, NULL, "org.freedesktop.DBus.Local",
                                       "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                       "Disconnected", on_gone, w);
}

static usec_t now_monotonic(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

/* Until it is true, at most until then. */
static int wait_until(Waiting *w, const bool *condition, usec_t until) {
        int r = 0;

        while (r >= 0 && !*condition && !w->gone) {
                usec_t now = now_monotonic();

                if (now >= until)
                        return 0;
                r = sd_bus_process(w->agent->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(w->agent->bus, until - now);
        }
        return w->gone ? -ENOTCONN : r;
}

static int cut_off(const Waiting *w) {
        return cli_fail(w->cli, "NotReachable", "%s",
                        _("The connection to pylon-host ended; the tick goes on when it is back."));
}

/* One that runs already is waited for: two ticks of an agent never overlap. */
static int begin_tick(Waiting *w) {
        const Cli *cli = w->cli;

        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                CallError error;

                w->other = false;
                if (remote_call(w->agent, "Tick", &reply, &error, "b", (int) cli->args.dry_run) >=
                                0)
                        return sd_bus_message_read(reply, "t", &w->tick) < 0 ? call_unreadable(cli)
                                                                             : EXIT_SUCCESS;
                if (!streq(error.name, "Busy") || now_monotonic() >= w->until)
                        return agent_fail(cli, cli->args.rest[0], &error);
                if (wait_until(w, &w->other, MIN(w->until, now_monotonic() + BUSY_AGAIN)) < 0)
                        return cut_off(w);
        }
}

static int wait_for_end(Waiting *w) {
        if (wait_until(w, &w->ended, w->until) < 0)
                return cut_off(w);
        if (!w->ended)
                return cli_fail(w->cli, "TimedOut",
                                _("Tick %" PRIu64 " is not over yet, and goes on."), w->tick);
        return EXIT_SUCCESS;
}

int verb_agent_tick(Cli *cli) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0];
        Waiting w = { .cli = cli, .agent = &a.remote };
        int r;

        w.until = now_monotonic() + (cli->args.timeout > 0 ? cli->args.timeout : TICK_TIMEOUT);
        r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (listen_for_end(&w) < 0)
                return cli_out_of_memory(cli);
        r = begin_tick(&w);
        if (r == EXIT_SUCCESS)
                r = wait_for_end(&w);
        if (r != EXIT_SUCCESS)
                return r;
        if (w.failed && !cli->args.json)
                return cli_fail(cli, "TickFailed", _("Tick %" PRIu64 " failed: %s."), w.tick,
                                w.summary);
        r = show_record(cli, name, &a.remote, (int64_t) w.tick, true);
        return r != EXIT_SUCCESS ? r : w.failed ? error_exit_code("TickFailed") : EXIT_SUCCESS;
}

/* ---- once more */

static void print_replay(const Json *root) {
        const Json *list = json_get(root, "actions"), *refused = json_get(root, "refused");

        print_block(_("What was answered:"), text_of(root, "answer"));
        (void) printf("\n%s\n", _("What it would do:"));
        for (size_t i = 0; list && i < json_array_size(list); i++) {
                const Json *a = json_array_at(list, i);
                _cleanup_buffer_ Buffer b = { .max = 1 << 20 };
                const char *reason = text_of(a, "reason");
                const Json *action = json_get(a, "action");

                if (!action || json_write(&b, action) < 0)
                        continue;
                (void) printf("  %s%s", text_of(a, "verdict"), *reason ? ", " : "");
                print_text("", reason);
                print_text("    ", b.data);
        }
        for (size_t i = 0; refused && i < json_array_size(refused); i++) {
                print_text(_("  refused: "), text_of(json_array_at(refused, i), "reason"));
                print_text("    ", text_of(json_array_at(refused, i), "text"));
        }
}

int verb_agent_replay(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        _cleanup_(json_unrefp) Json *root = NULL;
        const char *name = cli->args.rest[0], *json, *reason;
        CallError error;
        int64_t tick;
        int r;

        r = read_tick_number(cli, cli->args.rest[1], &tick);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_message(&a.remote, "Replay", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "xb", tick, (int) cli->args.fresh);
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&a.remote, m, REPLAY_TIMEOUT, &reply, &error) < 0)
                return agent_fail(cli, name, &error);
        if (sd_bus_message_read(reply, "s", &json) < 0 ||
                        json_parse(json, strlen(json), JSON_DEPTH, JSON_VALUES, &root, &reason) < 0)
                return call_unreadable(cli);
        if (cli->args.json)
                return puts(json) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        print_replay(root);
        return EXIT_SUCCESS;
}
