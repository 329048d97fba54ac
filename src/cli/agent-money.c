/* pylon agent fund|withdraw. */
#include <stdio.h>

#include "agent.h"
#include "qr.h"
#include "text.h"
#include "verb.h"
#include "wallet.h"

#define INVOICE "invoice"

static int print_funding(const Cli *cli, const char *name, const char *bolt11, int64_t msat) {
        _cleanup_(out_done) Out o = OUT_INIT;
        char amount[TEXT_MAX];

        text_msats(msat, amount);
        if (!cli->args.json && !*bolt11) {
                cli_say(cli, _("\"%s\" has got %s."), name, amount);
                return EXIT_SUCCESS;
        }
        if (!cli->args.json) {
                qr_print_invoice(stdout, bolt11);
                (void) printf("%s\n", bolt11);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "name", name);
        out_text(&o, "bolt11", *bolt11 ? bolt11 : NULL);
        out_number(&o, "amount_msats", msat);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

/* An invoice moves nothing yet; the accounts of this Pylon do. */
static int confirm_fund(const Cli *cli, const char *name, const char *from, int64_t msat) {
        char amount[TEXT_MAX];

        if (streq(from, INVOICE))
                return EXIT_SUCCESS;
        text_msats(msat, amount);
        return wallet_confirm(cli, _("Move %s from \"%s\" to \"%s\"?"), amount, from, name);
}

static int read_sats(const Cli *cli, const char *text, int64_t *ret) {
        int r;

        r = wallet_amount(cli, text, ret);
        if (r == EXIT_SUCCESS && *ret <= 0)
                return cli_fail(cli, "Usage", "%s", _("An amount is more than nothing."));
        return r;
}

int verb_agent_fund(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0], *from = cli->args.from ?: INVOICE, *bolt11;
        CallError error;
        int64_t msat;
        int r;

        if (!streq(from, INVOICE) && !streq(from, "owner") && !streq(from, "provider"))
                return cli_fail(cli, "Usage", "%s",
                                _("Money comes from \"owner\", \"provider\" or by an \"invoice\"."));
        r = read_sats(cli, cli->args.rest[1], &msat);
        if (r == EXIT_SUCCESS)
                r = confirm_fund(cli, name, from, msat);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_message(&a.remote, "Fund", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "xs", msat, from);
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&a.remote, m, AGENT_MONEY_TIMEOUT, &reply, &error) < 0)
                return agent_fail(cli, name, &error);
        if (sd_bus_message_read(reply, "s", &bolt11) < 0)
                return call_unreadable(cli);
        return print_funding(cli, name, bolt11, msat);
}

int verb_agent_withdraw(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        const char *name = cli->args.rest[0], *to = cli->args.rest[1];
        char amount[TEXT_MAX] = "";
        CallError error;
        int64_t msat = 0;
        int r;

        r = cli_check_text(cli, to);
        if (r == EXIT_SUCCESS && cli->args.n_rest > 2) {
                r = read_sats(cli, cli->args.rest[2], &msat);
                text_msats(msat, amount);
        }
        if (r == EXIT_SUCCESS)
                r = wallet_confirm(cli, _("Send %s of \"%s\" to \"%s\"?"),
                                *amount ? amount : _("all the money"), name, to);
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_message(&a.remote, "Withdraw", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sx", to, msat);
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&a.remote, m, AGENT_MONEY_TIMEOUT, NULL, &error) < 0)
                return agent_fail(cli, name, &error);
        return agent_say_done(cli, name, _("The money has left \"%s\"."), name);
}
