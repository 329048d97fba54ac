/* pylon wallet connect|connections|disconnect: other programs that may use this wallet (NIP-47).
 * The address of a connection comes through a pipe, is printed once, and is kept nowhere. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "money/msat.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"
#include "wallet.h"

#define ADDRESS_MAX 4096

typedef struct Connection {
        const char *name, *account, *client, *state, *json, *used;
} Connection;

/* ---- connect */

static int send_with_pipe(const Cli *cli, const Remote *wallet, int64_t max_msat, int *fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        CallError error;
        int r;

        r = remote_message(wallet, "Connect", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssxsh", cli->args.rest[0], wallet_account(cli),
                                max_msat, cli->args.per ?: "", *fd);
        closep(fd); /* the message has its own */
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(wallet, m, 0, &reply, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

static int print_address(const Cli *cli, int64_t max_msat, char *address) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!cli->args.json) {
                (void) printf("%s\n", address);
                cli_say(cli, "%s\n",
                                _("This address is shown only now. Whoever has it can use this wallet within its budget."));
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "name", cli->args.rest[0]);
        out_text(&o, "account", wallet_account(cli));
        out_number(&o, "max_msats", max_msat);
        out_text(&o, "per", cli->args.per);
        out_text(&o, "address", address);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

int verb_wallet_connect(Cli *cli) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        _cleanup_(remote_done) Remote wallet = { 0 };
        char address[ADDRESS_MAX];
        int64_t max_msat;
        int fds[2], r;
        ssize_t n;

        if (cli->args.max_sat > MSAT_MAX / 1000)
                return cli_fail(cli, "Usage", "%s", _("There is no such amount."));
        max_msat = (int64_t) cli->args.max_sat * 1000;
        r = cli_check_text(cli, cli->args.rest[0]);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        from = fds[0];
        to = fds[1];
        r = send_with_pipe(cli, &wallet, max_msat, &to);
        if (r != EXIT_SUCCESS)
                return r;
        n = read(from, address, sizeof(address) - 1);
        if (n <= 0)
                return call_unreadable(cli);
        address[n] = '\0';
        address[strcspn(address, "\n")] = '\0';
        r = print_address(cli, max_msat, address);
        explicit_bzero(address, sizeof(address));
        return r;
}

/* ---- connections */

static int read_connection(sd_bus_message *m, Connection *c) {
        return sd_bus_message_read(m, "(ssssss)", &c->name, &c->account, &c->client, &c->state,
                        &c->json, &c->used);
}

static int connections_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Connection c;
        int r;

        out_array(&o, NULL);
        while ((r = read_connection(m, &c)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "name", c.name);
                out_text(&o, "account", c.account);
                out_text(&o, "client", c.client);
                out_text(&o, "state", c.state);
                out_raw(&o, "limits", *c.json ? c.json : "{}");
                out_raw(&o, "used", *c.used ? c.used : "{}");
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int connections_text(sd_bus_message *m) {
        static const char *const heads[] = { N_("NAME"), N_("ACCOUNT"), N_("STATE"), N_("LIMITS"),
                N_("USED") };
        _cleanup_(table_freep) Table *t = NULL;
        Connection c;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        while (r >= 0 && (r = read_connection(m, &c)) > 0) {
                (void) table_add(t, c.name);
                (void) table_add(t, c.account);
                (void) table_add(t, c.state);
                (void) table_add(t, c.json);
                r = table_add(t, c.used);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

int verb_wallet_connections(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Connections", &reply, &error, NULL) < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssss)");
        if (r >= 0)
                r = cli->args.json ? connections_json(reply) : connections_text(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* ---- disconnect */

int verb_wallet_disconnect(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Disconnect", &reply, &error, "s", cli->args.rest[0]) < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, _("It can use this wallet no more."));
}
