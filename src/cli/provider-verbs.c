/* pylon provider online|offline|drain|announce|status, and pylon job cancel. */
#include <stdio.h>

#include "call.h"
#include "facts.h"
#include "text.h"
#include "verb.h"

#define ONLINE_TIMEOUT (60 * SEC)

static int tell(Cli *cli, const char *member, const char *done) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        CallError error = { .name = "NoMemory" };
        int r;

        r = remote_open(cli, "provider", &provider, &error);
        if (r >= 0) {
                r = remote_message(&provider, member, &m);
                if (r >= 0)
                        r = remote_send(&provider, m, ONLINE_TIMEOUT, &reply, &error);
        }
        if (r < 0)
                return call_fail(cli, &error);
        if (!cli->args.json) {
                cli_say(cli, "%s", done);
                return EXIT_SUCCESS;
        }
        out_object(&f.out, NULL);
        fact_text(&f, "done", NULL, member);
        out_end(&f.out);
        return facts_print(&f);
}

int verb_provider_online(Cli *cli) {
        return tell(cli, "Online", _("The provider is online, and stays so after every start."));
}

int verb_provider_offline(Cli *cli) {
        return tell(cli, "Offline",
                        _("The provider finishes what runs and goes offline, and stays so after every start."));
}

int verb_provider_drain(Cli *cli) {
        return tell(cli, "Drain",
                        _("The provider takes no new jobs and goes offline when all that wait are done."));
}

int verb_provider_announce(Cli *cli) {
        return tell(cli, "Announce", _("The provider is announced."));
}

typedef struct State {
        char *state, *pubkey;
        uint32_t running, queued;
        int64_t started_at;
} State;

static void state_done(State *s) {
        free(s->state);
        free(s->pubkey);
}

static int read_text(sd_bus_message *m, char **ret) {
        const char *text;
        int r;

        r = sd_bus_message_read(m, "v", "s", &text);
        if (r < 0)
                return r;
        free(*ret);
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int read_state(sd_bus_message *m, State *s) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        break;
                r = streq(name, "State")       ? read_text(m, &s->state)
                    : streq(name, "PublicKey") ? read_text(m, &s->pubkey)
                    : streq(name, "Running")   ? sd_bus_message_read(m, "v", "u", &s->running)
                    : streq(name, "Queued")    ? sd_bus_message_read(m, "v", "u", &s->queued)
                    : streq(name, "StartedAt") ? sd_bus_message_read(m, "v", "x", &s->started_at)
                                               : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

int verb_provider_status(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        _cleanup_(state_done) State s = { 0 };
        char since[TEXT_MAX];
        CallError error;
        int r;

        r = remote_open(cli, "provider", &provider, &error);
        if (r >= 0)
                r = remote_properties(&provider, &reply, &error);
        if (r < 0)
                return call_fail(cli, &error);
        if (read_state(reply, &s) < 0 || !s.state)
                return call_unreadable(cli);

        if (cli->args.json)
                out_object(&f.out, NULL);
        fact_text(&f, "state", _("State"), s.state);
        fact_text(&f, "public_key", _("Public key"), s.pubkey ?: "");
        fact_number(&f, "running", _("Running"), s.running);
        fact_number(&f, "queued", _("Waiting"), s.queued);
        text_ago(s.started_at, now_seconds(), since);
        if (cli->args.json) {
                fact_number(&f, "started_at", NULL, s.started_at);
                out_end(&f.out);
        } else
                fact_text(&f, NULL, _("Started"), since);
        return facts_print(&f);
}

int verb_job_cancel(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        const char *id;
        CallError error;
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_open(cli, "provider", &provider, &error);
        if (r >= 0)
                r = remote_call(&provider, "Cancel", &reply, &error, "s", cli->args.rest[0]);
        if (r < 0)
                return call_fail(cli, &error);
        if (sd_bus_message_read(reply, "s", &id) < 0)
                return call_unreadable(cli);
        if (!cli->args.json) {
                cli_say(cli, _("The job %.12s is cancelled; its customer hears so."), id);
                return EXIT_SUCCESS;
        }
        out_object(&f.out, NULL);
        fact_text(&f, "cancelled", NULL, id);
        out_end(&f.out);
        return facts_print(&f);
}
