/* pylon wallet grant: who may spend how much. Without arguments the list; with a name, an account
 * and limits the grant is set; with --revoke it ends. */
#include <inttypes.h>
#include <stdio.h>

#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"
#include "wallet.h"

typedef struct Grant {
        const char *name, *account, *json, *state, *used;
} Grant;

static int read_grant(sd_bus_message *m, Grant *g) {
        return sd_bus_message_read(
                        m, "(sssss)", &g->name, &g->account, &g->json, &g->state, &g->used);
}

static int grants_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Grant g;
        int r;

        out_array(&o, NULL);
        while ((r = read_grant(m, &g)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "name", g.name);
                out_text(&o, "account", g.account);
                out_text(&o, "state", g.state);
                out_raw(&o, "limits", *g.json ? g.json : "{}");
                out_raw(&o, "used", *g.used ? g.used : "{}");
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int grants_text(sd_bus_message *m) {
        static const char *const heads[] = { N_("NAME"), N_("ACCOUNT"), N_("STATE"), N_("LIMITS"),
                N_("USED") };
        _cleanup_(table_freep) Table *t = NULL;
        Grant g;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        while (r >= 0 && (r = read_grant(m, &g)) > 0) {
                (void) table_add(t, g.name);
                (void) table_add(t, g.account);
                (void) table_add(t, g.state);
                (void) table_add(t, g.json);
                r = table_add(t, g.used);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

static int grant_list(const Cli *cli, const Remote *wallet) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;
        int r;

        if (remote_call(wallet, "Grants", &reply, &error, NULL) < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(sssss)");
        if (r >= 0)
                r = cli->args.json ? grants_json(reply) : grants_text(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* "per_day=5000 sat" becomes "per_day_msat": 5000000; payees are gathered. */
static int add_limit(const Cli *cli, Out *o, const char *text) {
        static const char *const names[] = { "per_payment", "per_tick", "per_hour", "per_day",
                "total", "fee_max", "approve_above" };
        const char *value = strchr(text, '=');
        char key[32];
        int64_t msat;
        int r;

        for (size_t i = 0; value && i < ELEMENTSOF(names); i++) {
                if (strlen(names[i]) != (size_t) (value - text) ||
                                strncmp(names[i], text, strlen(names[i])) != 0)
                        continue;
                r = wallet_amount(cli, value + 1, &msat);
                if (r != EXIT_SUCCESS)
                        return r;
                (void) snprintf(key, sizeof(key), "%s_msat", names[i]);
                out_number(o, key, msat);
                return EXIT_SUCCESS;
        }
        if (startswith(text, "payee="))
                return EXIT_SUCCESS;
        return cli_fail(cli, "Usage",
                        _("\"%s\" is no limit; there are per_payment, per_tick, per_hour, per_day, total, fee_max, approve_above and payee."),
                        text);
}

static void add_payees(Out *o, char **limits) {
        bool any = false;

        for (char **l = limits; *l; l++) {
                const char *payee = startswith(*l, "payee=");

                if (!payee)
                        continue;
                if (!any)
                        out_array(o, "payees");
                any = true;
                out_text(o, NULL, payee);
        }
        if (any)
                out_end(o);
}

static int grant_set(const Cli *cli, const Remote *wallet) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(out_done) Out o = OUT_INIT;
        char **rest = cli->args.rest;
        CallError error;
        int r = EXIT_SUCCESS;

        out_object(&o, NULL);
        for (char **l = rest + 2; *l && r == EXIT_SUCCESS; l++)
                r = cli_check_text(cli, *l) ?: add_limit(cli, &o, *l);
        if (r != EXIT_SUCCESS)
                return r;
        add_payees(&o, rest + 2);
        out_end(&o);
        if (o.error < 0 || buffer_add(&o.buffer, "", 1) < 0)
                return cli_out_of_memory(cli);
        if (remote_call(wallet, "SetGrant", &reply, &error, "sss", rest[0], rest[1],
                            o.buffer.data) < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, _("The grant is set."));
}

static int grant_revoke(const Cli *cli, const Remote *wallet) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;

        if (remote_call(wallet, "RevokeGrant", &reply, &error, "s", cli->args.rest[0]) < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, _("The grant is revoked."));
}

int verb_wallet_grant(Cli *cli) {
        _cleanup_(remote_done) Remote wallet = { 0 };
        int r;

        if (cli->args.n_rest == 1 && !cli->args.revoke)
                return cli_fail(cli, "Usage", "%s",
                                _("A grant has a name, an account and limits; --revoke ends it."));
        r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.n_rest == 0)
                return grant_list(cli, &wallet);
        return cli->args.revoke ? grant_revoke(cli, &wallet) : grant_set(cli, &wallet);
}
