/* pylon agent memory|goal: what an agent knows and wants. */
#include <inttypes.h>
#include <stdio.h>

#include "agent.h"
#include "basic/text.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define PRIORITY_MAX 9
#define PERCENT_MAX  100

/* ---- memory */

typedef struct MemoryLine {
        const char *id, *text;
        int64_t at;
} MemoryLine;

static int read_memory(sd_bus_message *m, MemoryLine *l) {
        return sd_bus_message_read(m, "(ssx)", &l->id, &l->text, &l->at);
}

static int memories_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        MemoryLine l;
        int r;

        out_array(&o, NULL);
        while ((r = read_memory(m, &l)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", l.id);
                out_text(&o, "text", l.text);
                out_number(&o, "at", l.at);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int memories_table(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        unsigned n = 0;
        MemoryLine l;
        int r;

        r = table_new(3, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("ID"));
        (void) table_add(t, _("WHEN"));
        (void) table_add(t, _("TEXT"));
        for (; (r = read_memory(m, &l)) > 0; n++) {
                char when[TEXT_MAX];

                text_ago(l.at, now, when);
                (void) table_add(t, l.id);
                (void) table_add(t, when);
                r = table_add(t, l.text);
                if (r < 0)
                        return r;
        }
        if (n > 0)
                table_print(t);
        else
                (void) printf("%s\n", _("It remembers nothing of that kind."));
        return r;
}

static int show_memories(const Cli *cli, const char *name, const Remote *agent) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;
        int r;

        if (remote_call(agent, "Memories", &reply, &error, "s",
                            cli->args.n_rest > 1 ? cli->args.rest[1] : "") < 0)
                return agent_fail(cli, name, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(ssx)");
        if (r >= 0)
                r = cli->args.json ? memories_json(reply) : memories_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

int verb_agent_memory(Cli *cli) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0];
        CallError error;
        int r;

        r = cli->args.n_rest > 1 ? cli_check_text(cli, cli->args.rest[1]) : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS && cli->args.forget)
                r = cli_check_text(cli, cli->args.forget);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (!cli->args.forget)
                return show_memories(cli, name, &a.remote);
        if (remote_call(&a.remote, "Forget", NULL, &error, "s", cli->args.forget) < 0)
                return agent_fail(cli, name, &error);
        return agent_say_done(cli, name, "%s", _("It is forgotten."));
}

/* ---- goals */

typedef struct GoalLine {
        const char *id, *text, *status;
        uint32_t priority, progress;
        int64_t at;
} GoalLine;

static int read_goal(sd_bus_message *m, GoalLine *g) {
        return sd_bus_message_read(m, "(ssuusx)", &g->id, &g->text, &g->priority, &g->progress,
                        &g->status, &g->at);
}

static int goals_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        GoalLine g;
        int r;

        out_array(&o, NULL);
        while ((r = read_goal(m, &g)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", g.id);
                out_text(&o, "text", g.text);
                out_text(&o, "status", g.status);
                out_number(&o, "priority", g.priority);
                out_number(&o, "progress", g.progress);
                out_number(&o, "at", g.at);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int goals_table(sd_bus_message *m) {
        static const char *const heads[] = { N_("ID"), N_("STATE"), N_("PRIORITY"), N_("PROGRESS"),
                N_("TEXT") };
        _cleanup_(table_freep) Table *t = NULL;
        unsigned n = 0;
        GoalLine g;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        for (; r >= 0 && (r = read_goal(m, &g)) > 0; n++) {
                (void) table_add(t, g.id);
                (void) table_add(t, g.status);
                (void) table_addf(t, "%" PRIu32, g.priority);
                (void) table_addf(t, "%" PRIu32 " %%", g.progress);
                r = table_add(t, g.text);
        }
        if (r >= 0 && n > 0)
                table_print(t);
        else if (r >= 0)
                (void) printf("%s\n",
                                _("It has no goals. `pylon agent goal NAME add TEXT` gives it one."));
        return r;
}

static int list_goals(const Cli *cli, const char *name, const Remote *agent) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;
        int r;

        if (remote_call(agent, "Goals", &reply, &error, NULL) < 0)
                return agent_fail(cli, name, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(ssuusx)");
        if (r >= 0)
                r = cli->args.json ? goals_json(reply) : goals_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* What follows the name: a word, and what it is about. */
static const struct GoalVerb {
        const char *word;
        bool is_new;
        const char *status;
} goal_verbs[] = {
        { "add", true, "" },
        { "change", false, "" },
        { "done", false, "done" },
        { "drop", false, "dropped" },
};

static int number_of(const Cli *cli, const char *text, uint32_t max, int32_t *ret) {
        uint32_t n;

        *ret = -1;
        if (!text)
                return EXIT_SUCCESS;
        if (parse_u32(text, &n) < 0 || n > max)
                return cli_fail(cli, "Usage", _("\"%s\" is no number from 0 to %" PRIu32 "."), text,
                                max);
        *ret = (int32_t) n;
        return EXIT_SUCCESS;
}

static int print_goal(const Cli *cli, sd_bus_message *reply) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *id;

        if (sd_bus_message_read(reply, "s", &id) < 0)
                return call_unreadable(cli);
        if (!cli->args.json) {
                cli_say(cli, _("The goal is written down: %s."), id);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", id);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int set_goal(const Cli *cli, const Remote *agent, const struct GoalVerb *verb) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name = cli->args.rest[0], *what = cli->args.rest[2],
                   *text = cli->args.n_rest > 3 ? cli->args.rest[3] : "";
        int32_t priority, progress;
        CallError error;
        int r;

        r = cli_check_text(cli, what) ?: cli_check_text(cli, text);
        if (r == EXIT_SUCCESS)
                r = number_of(cli, cli->args.priority, PRIORITY_MAX, &priority);
        if (r == EXIT_SUCCESS)
                r = number_of(cli, cli->args.progress, PERCENT_MAX, &progress);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(agent, "SetGoal", &reply, &error, "ssiis", verb->is_new ? "" : what,
                            verb->is_new ? what : text, priority, progress, verb->status) < 0)
                return agent_fail(cli, name, &error);
        return print_goal(cli, reply);
}

int verb_agent_goal(Cli *cli) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const struct GoalVerb *verb = NULL;
        char **rest = cli->args.rest;
        int r;

        for (size_t i = 0; cli->args.n_rest > 1 && i < ELEMENTSOF(goal_verbs); i++)
                if (streq(goal_verbs[i].word, rest[1]))
                        verb = &goal_verbs[i];
        if (cli->args.n_rest > 1 && (!verb || cli->args.n_rest < 3))
                return cli_fail(cli, "Usage", "%s",
                                _("After the name comes: add TEXT, change ID [TEXT], done ID or drop ID."));
        r = agent_open(cli, rest[0], &a);
        if (r != EXIT_SUCCESS)
                return r;
        return verb ? set_goal(cli, &a.remote, verb) : list_goals(cli, rest[0], &a.remote);
}
