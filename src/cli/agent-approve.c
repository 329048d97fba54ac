/* pylon agent approvals|approve|deny: what waits for its owner's word. */
#include <stdio.h>

#include "agent.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define ID_SHORT 8 /* digits, as the owner is told them by a message, too */

typedef struct ApprovalLine {
        const char *id, *agent, *type, *json;
        int64_t at;
} ApprovalLine;

static int read_approval(sd_bus_message *m, ApprovalLine *a) {
        return sd_bus_message_read(m, "(ssssx)", &a->id, &a->agent, &a->type, &a->json, &a->at);
}

static int approvals_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        ApprovalLine a;
        int r;

        out_array(&o, NULL);
        while ((r = read_approval(m, &a)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", a.id);
                out_text(&o, "agent", a.agent);
                out_text(&o, "type", a.type);
                out_raw(&o, "action", a.json);
                out_number(&o, "at", a.at);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int approvals_table(sd_bus_message *m) {
        static const char *const heads[] = { N_("ID"), N_("AGENT"), N_("WHEN"), N_("ACTION") };
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        unsigned n = 0;
        ApprovalLine a;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        for (; r >= 0 && (r = read_approval(m, &a)) > 0; n++) {
                char when[TEXT_MAX];

                text_ago(a.at, now, when);
                (void) table_addf(t, "%.*s", ID_SHORT, a.id);
                (void) table_add(t, a.agent);
                (void) table_add(t, when);
                r = table_add(t, a.json);
        }
        if (r >= 0 && n > 0)
                table_print(t);
        else if (r >= 0)
                (void) printf("%s\n", _("Nothing waits for you."));
        return r;
}

int verb_agent_approvals(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote host = { 0 };
        CallError error;
        int r;

        r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&host, "Approvals", &reply, &error, NULL) < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssx)");
        if (r >= 0)
                r = cli->args.json ? approvals_json(reply) : approvals_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

static int decide(const Cli *cli, bool yes) {
        _cleanup_(remote_done) Remote host = { 0 };
        const char *id = cli->args.rest[0];
        CallError error;
        int r;

        r = cli_check_text(cli, id) ?: cli_check_text(cli, cli->args.comment ?: "");
        if (r == EXIT_SUCCESS)
                r = agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&host, "Approve", NULL, &error, "sbs", id, (int) yes,
                            cli->args.comment ?: "") < 0)
                return call_fail(cli, &error);
        return agent_say_done(cli, NULL, "%s",
                        yes ? _("It is done now.") : _("It is not done; the agent will hear so."));
}

int verb_agent_approve(Cli *cli) {
        return decide(cli, true);
}

int verb_agent_deny(Cli *cli) {
        return decide(cli, false);
}
