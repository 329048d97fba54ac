/* pylon agent start|stop|pause|resume|delete|tell. */
#include <stdio.h>

#include "agent.h"
#include "bus/names.h"
#include "text.h"
#include "verb.h"

int verb_agent_start(Cli *cli) {
        return agent_do(cli, "Start", _("It is started."));
}

static int stop_all(const Cli *cli) {
        _cleanup_(remote_done) Remote host = { 0 };
        CallError error;
        int r;

        r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&host, "StopAll", NULL, &error, NULL) < 0)
                return call_fail(cli, &error);
        return agent_say_done(cli, NULL, "%s", _("All agents are stopped, and may spend nothing."));
}

int verb_agent_stop(Cli *cli) {
        if (cli->args.all && cli->args.n_rest > 0)
                return cli_fail(cli, "Usage", "%s", _("Name an agent, or say --all."));
        if (cli->args.all)
                return stop_all(cli);
        if (cli->args.n_rest == 0)
                return cli_fail(cli, "Usage", "%s", _("Name an agent, or say --all."));
        return agent_do(cli, "Stop", _("It is stopped, and may spend nothing."));
}

int verb_agent_pause(Cli *cli) {
        return agent_do(cli, "Pause",
                        _("It does not tick; what happens meanwhile is kept for it."));
}

int verb_agent_resume(Cli *cli) {
        return agent_do(cli, "Resume", _("It goes on."));
}

/* One that sleeps for want of money, or by its owner's wish, hears it later. */
static int say_told(const Cli *cli, const char *name, const Remote *agent) {
        _cleanup_(agents_done) AgentList l = { 0 };
        const AgentLine *line = NULL;
        Remote host = *agent; /* the same connection */
        CallError error;

        host.path = NULL;
        host.interface = BUS_HOST;
        if (!cli->args.json && agents_read(&host, &l, &error) >= 0)
                line = agents_find(&l, name);
        if (line && *line->asleep)
                return agent_say_done(cli, name,
                                _("It is told, and hears it when it wakes; now it does not: %s."),
                                line->asleep);
        return agent_say_done(cli, name, "%s", _("It is told, and wakes up for that."));
}

int verb_agent_tell(Cli *cli) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0], *text = cli->args.rest[1];
        CallError error;
        int r;

        r = cli_check_text(cli, text);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&a.remote, "Tell", NULL, &error, "s", text) < 0)
                return agent_fail(cli, name, &error);
        return say_told(cli, name, &a.remote);
}

/* ---- delete */

static int confirm_delete(const Cli *cli, const AgentLine *a) {
        char question[512], balance[TEXT_MAX];
        const char *to = cli->args.sweep_to;

        agent_balance_text(a, balance);
        if (to)
                (void) snprintf(question, sizeof(question),
                                _("\"%s\" has %s, which goes to \"%s\"; its memory and its history are gone then. Type its name to delete it:"),
                                a->name, balance, to);
        else
                (void) snprintf(question, sizeof(question),
                                _("\"%s\" has %s; its memory and its history are gone then. Type its name to delete it:"),
                                a->name, balance);
        return agent_confirm(cli, a->name, question);
}

static int delete_agent(const Cli *cli, const AgentLine *line) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        CallError error;
        int r;

        r = confirm_delete(cli, line);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, line->name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_message(&a.remote, "Delete", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", cli->args.sweep_to ?: "");
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&a.remote, m, AGENT_MONEY_TIMEOUT, NULL, &error) < 0)
                return agent_fail(cli, line->name, &error);
        return agent_say_done(cli, line->name,
                        _("\"%s\" is deleted. Its key stays with the signer; `pylon agent spawn %s --key-there` brings it back."),
                        line->name, line->name);
}

int verb_agent_delete(Cli *cli) {
        _cleanup_(remote_done) Remote host = { 0 };
        _cleanup_(agents_done) AgentList l = { 0 };
        const char *name = cli->args.rest[0];
        const AgentLine *a;
        CallError error;
        int r;

        r = cli->args.sweep_to ? cli_check_text(cli, cli->args.sweep_to) : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS)
                r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (agents_read(&host, &l, &error) < 0)
                return call_fail(cli, &error);
        a = agents_find(&l, name);
        if (!a)
                return cli_fail(cli, "NoSuchAgent", _("There is no agent \"%s\"."), name);
        return delete_agent(cli, a);
}
