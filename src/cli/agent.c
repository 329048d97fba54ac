/* pylon agent list|info|status, and what the other verbs of `pylon agent` share. */
#include "agent.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/text.h"
#include "bus/names.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define NAME_MAX_ 32

/* ---- asking one */

int agent_open_host(const Cli *cli, Remote *ret) {
        CallError error;

        if (remote_open(cli, "host", ret, &error) < 0 || agents_wait(ret, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

static int no_such_agent(const Cli *cli, const char *name) {
        return cli_fail(cli, "NoSuchAgent", _("There is no agent \"%s\"."), name);
}

/* By its npub it has to be looked for. */
static int find_path(const Cli *cli, const Remote *host, const char *name, char **ret) {
        _cleanup_(agents_done) AgentList l = { 0 };
        const AgentLine *a;
        CallError error;

        if (!startswith(name, "npub1")) {
                if (strlen(name) > NAME_MAX_ || !utf8_is_valid(name, strlen(name)))
                        return no_such_agent(cli, name);
                return sd_bus_path_encode(BUS_AGENT_FOLDER, name, ret) < 0 ? cli_out_of_memory(cli)
                                                                           : EXIT_SUCCESS;
        }
        if (agents_read(host, &l, &error) < 0)
                return call_fail(cli, &error);
        a = agents_find(&l, name);
        if (!a)
                return no_such_agent(cli, name);
        *ret = strdup(a->path);
        return *ret ? EXIT_SUCCESS : cli_out_of_memory(cli);
}

int agent_open(const Cli *cli, const char *name_or_npub, AgentRemote *ret) {
        int r;

        *ret = (AgentRemote){ 0 };
        r = agent_open_host(cli, &ret->remote);
        if (r == EXIT_SUCCESS)
                r = find_path(cli, &ret->remote, name_or_npub, &ret->path);
        if (r != EXIT_SUCCESS)
                return r;
        ret->remote.path = ret->path;
        ret->remote.interface = BUS_AGENT;
        return EXIT_SUCCESS;
}

void agent_remote_done(AgentRemote *a) {
        remote_done(&a->remote);
        free(a->path);
}

/* The bus says it in its own words where there is no such object. */
int agent_fail(const Cli *cli, const char *name, const CallError *error) {
        return streq(error->name, "NoSuchAgent") ? no_such_agent(cli, name) : call_fail(cli, error);
}

int agent_say_done(const Cli *cli, const char *name, const char *format, ...) {
        _cleanup_(out_done) Out o = OUT_INIT;
        char text[512];
        va_list ap;

        if (!cli->args.json) {
                va_start(ap, format);
                (void) vsnprintf(text, sizeof(text), format, ap);
                va_end(ap);
                cli_say(cli, "%s", printable(text));
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "name", name);
        out_boolean(&o, "done", true);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

int agent_do(const Cli *cli, const char *member, const char *said) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0];
        CallError error;
        int r;

        r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&a.remote, member, NULL, &error, NULL) < 0)
                return agent_fail(cli, name, &error);
        return agent_say_done(cli, name, "%s", said);
}

int agent_confirm(const Cli *cli, const char *name, const char *question) {
        char answer[NAME_MAX_ + 2] = "";

        if (cli->args.yes)
                return EXIT_SUCCESS;
        if (cli->args.json || !isatty(STDIN_FILENO))
                return cli_fail(cli, "NotConfirmed", "%s",
                                _("This is done only after somebody said yes."));
        (void) fprintf(stderr, "%s ", question);
        if (!fgets(answer, sizeof(answer), stdin))
                *answer = '\0';
        answer[strcspn(answer, "\n")] = '\0';
        if (!streq(answer, name))
                return cli_fail(cli, "NotConfirmed", "%s", _("Nothing was done."));
        return EXIT_SUCCESS;
}

/* ---- showing */

static int list_json(const Cli *cli, const AgentList *l) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_array(&o, NULL);
        for (size_t i = 0; i < l->n; i++)
                agent_json(cli, &o, NULL, &l->agents[i]);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int list_table(const AgentList *l) {
        static const char *const heads[] = { N_("AGENT"), N_("STATE"), N_("BALANCE"), N_("RUNWAY"),
                N_("TICKS"), N_("LAST"), N_("NEXT"), N_("NPUB") };
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        for (const AgentLine *a = l->agents; r >= 0 && a < l->agents + l->n; a++) {
                char state[AGENT_STATE_MAX], text[TEXT_MAX];

                agent_state_text(a, state);
                (void) table_add(t, a->name);
                (void) table_add(t, state);
                agent_balance_text(a, text);
                (void) table_add(t, text);
                agent_runway_text(a, text);
                (void) table_add(t, text);
                (void) table_addf(t, "%" PRIi64, a->tick_count);
                text_ago(a->last_tick, now, text);
                (void) table_add(t, text);
                text_until(a->next_tick, now, text);
                (void) table_add(t, a->ticking > 0 ? _("ticks") : text);
                r = table_add(t, a->npub);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

int verb_agent_list(Cli *cli) {
        _cleanup_(remote_done) Remote host = { 0 };
        _cleanup_(agents_done) AgentList l = { 0 };
        CallError error;
        int r;

        r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (agents_read(&host, &l, &error) < 0)
                return call_fail(cli, &error);
        if (cli->args.json)
                return list_json(cli, &l);
        if (l.n == 0) {
                (void) printf("%s\n",
                                _("There are no agents yet. `pylon agent spawn NAME` makes one."));
                return EXIT_SUCCESS;
        }
        return list_table(&l) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int read_one(const Cli *cli, AgentList *ret, const AgentLine **ret_agent) {
        _cleanup_(remote_done) Remote host = { 0 };
        CallError error;
        int r;

        r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (agents_read(&host, ret, &error) < 0)
                return call_fail(cli, &error);
        *ret_agent = agents_find(ret, cli->args.rest[0]);
        return *ret_agent ? EXIT_SUCCESS : no_such_agent(cli, cli->args.rest[0]);
}

static int print_json(const Cli *cli, const AgentLine *a) {
        _cleanup_(out_done) Out o = OUT_INIT;

        agent_json(cli, &o, NULL, a);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static void print_line(const char *label, const char *value) {
        _cleanup_free_ char *copy = strdup(value);

        (void) printf("%s: %s\n", label, copy ? printable(copy) : "?");
}

static void print_list(const char *label, char *const *l) {
        if (!l || !*l)
                print_line(label, "-");
        STRV_FOREACH (s, l)
                print_line(label, *s);
}

/* What it does now, and when it does something next. */
static void print_present(const AgentLine *a) {
        char text[AGENT_STATE_MAX], balance[TEXT_MAX], cost[TEXT_MAX], when[TEXT_MAX];
        int64_t now = now_seconds();

        agent_state_text(a, text);
        print_line(_("State"), text);
        if (a->ticking > 0)
                (void) printf(_("Tick %" PRIi64 " is under way.\n"), a->ticking);
        if (*a->asleep)
                print_line(_("It does not tick"), a->asleep);
        agent_balance_text(a, balance);
        print_line(_("Balance"), balance);
        agent_runway_text(a, when);
        text_msats(a->cost, cost);
        (void) printf(_("Runway: %s, at %s for a tick\n"), when, cost);
        text_ago(a->last_tick, now, when);
        (void) printf(_("Ticks: %" PRIi64 ", the last %s\n"), a->tick_count, when);
        text_until(a->next_tick, now, when);
        print_line(_("Next tick"), when);
        if (a->failures > 0)
                (void) printf(_("Ticks that failed in a row: %" PRIu32 "\n"), a->failures);
}

int verb_agent_status(Cli *cli) {
        _cleanup_(agents_done) AgentList l = { 0 };
        const AgentLine *a = NULL;
        int r;

        if (cli->args.n_rest == 0)
                return verb_agent_list(cli);
        r = read_one(cli, &l, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.json)
                return print_json(cli, a);
        print_present(a);
        return EXIT_SUCCESS;
}

int verb_agent_info(Cli *cli) {
        _cleanup_(agents_done) AgentList l = { 0 };
        const AgentLine *a = NULL;
        char text[TEXT_MAX];
        int r;

        r = read_one(cli, &l, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.json)
                return print_json(cli, a);
        print_line(_("Name"), a->name);
        print_line("Npub", a->npub);
        if (*a->about)
                print_line(_("About"), a->about);
        print_present(a);
        print_line(_("Network"), network_name(cli->config->network));
        print_line(_("Mind"), a->mind);
        print_line(_("Autonomy"), a->autonomy);
        text_span(a->heartbeat * SEC, text);
        print_line(_("Heartbeat"), text);
        print_list(_("Trigger"), a->triggers);
        print_list(_("Relay"), agent_relays(cli, a));
        return EXIT_SUCCESS;
}
