/* pylon status: gathered from whoever answers; who does not is shown as such, and hides nobody
 * else. */
#include "status.h"

#include <stdio.h>

#include "call.h"
#include "instance.h"
#include "text.h"
#include "verb.h"

static void status_done(Status *s) {
        free(s->provider_state);
        free(s->host_state);
        free(s->pubkey);
        free(s->wallet_driver);
        free(s->wallet_state);
        free(s->wallet_network);
        for (size_t i = 0; i < s->n_accounts; i++)
                free(s->accounts[i].name);
        for (size_t i = 0; i < s->n_states; i++)
                free(s->states[i].name);
        for (size_t i = 0; i < s->n_relays; i++) {
                free(s->relays[i].url);
                free(s->relays[i].state);
                free(s->relays[i].error);
        }
        for (size_t i = 0; i < s->n_backends; i++) {
                free(s->backends[i].name);
                free(s->backends[i].state);
                free(s->backends[i].detail);
        }
        agents_done(&s->agents);
        (void) json_unref(s->services_json);
        buffer_done(&s->silent);
}

/* Properties. */

static int read_text(sd_bus_message *m, char **into) {
        const char *text;
        int r;

        r = sd_bus_message_read(m, "v", "s", &text);
        if (r < 0)
                return r;
        free(*into);
        *into = strdup(text);
        return *into ? 0 : -ENOMEM;
}

static int read_states(sd_bus_message *m, Status *s) {
        const char *name;
        uint64_t n;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "a{st}");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{st}", &name, &n)) > 0)
                if (n > 0 && s->n_states < STATES_MAX) {
                        s->states[s->n_states].name = strdup(name);
                        if (!s->states[s->n_states].name)
                                return -ENOMEM;
                        s->states[s->n_states++].n = n;
                }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_store(sd_bus_message *m, const char *name, Status *s) {
        s->store_answers = true;
        if (streq(name, "JobsCompleted"))
                return sd_bus_message_read(m, "v", "t", &s->jobs_completed);
        if (streq(name, "EarningsMsat"))
                return sd_bus_message_read(m, "v", "x", &s->earnings_msats);
        if (streq(name, "JobsByState"))
                return read_states(m, s);
        return sd_bus_message_skip(m, "v");
}

static int read_provider(sd_bus_message *m, const char *name, Status *s) {
        int64_t started;
        int r;

        if (streq(name, "State"))
                return read_text(m, &s->provider_state);
        if (streq(name, "PublicKey"))
                return read_text(m, &s->pubkey);
        if (streq(name, "Running"))
                return sd_bus_message_read(m, "v", "u", &s->jobs_running);
        if (streq(name, "Queued"))
                return sd_bus_message_read(m, "v", "u", &s->jobs_queued);
        if (!streq(name, "StartedAt"))
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "x", &started);
        if (r >= 0 && s->uptime < 0 && started > 0)
                s->uptime = now_seconds() - started;
        return r;
}

static int read_host(sd_bus_message *m, const char *name, Status *s) {
        return streq(name, "State") ? read_text(m, &s->host_state) : sd_bus_message_skip(m, "v");
}

static int read_wallet(sd_bus_message *m, const char *name, Status *s) {
        if (streq(name, "Driver"))
                return read_text(m, &s->wallet_driver);
        if (streq(name, "State"))
                return read_text(m, &s->wallet_state);
        if (streq(name, "Network"))
                return read_text(m, &s->wallet_network);
        return sd_bus_message_skip(m, "v");
}

typedef int (*read_property_t)(sd_bus_message *m, const char *name, Status *s);

static int read_properties(sd_bus_message *m, read_property_t read, Status *s) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read(m, name, s);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int read_relays(sd_bus_message *m, Status *s) {
        const char *url, *state, *error;
        RelayLine l = { 0 };
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sssxttt)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sssxttt)", &url, &state, &error, &l.since,
                                          &l.received, &l.accepted, &l.pending)) > 0) {
                if (s->n_relays == RELAYS_SHOWN)
                        break;
                l.url = strdup(url);
                l.state = strdup(state);
                l.error = strdup(error);
                s->relays[s->n_relays++] = l;
                if (!l.url || !l.state || !l.error)
                        return -ENOMEM;
        }
        return r;
}

static void note_silent(Status *s, const char *service, const CallError *e) {
        if (!streq(e->name, "NotRunning"))
                (void) buffer_addf(&s->silent, "pylon-%s: %s\n", service, e->message);
}

static void ask(const Cli *cli, const char *service, read_property_t read, Status *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote remote = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, service, &remote, &error);
        if (r >= 0)
                r = remote_properties(&remote, &reply, &error);
        if (r < 0) {
                note_silent(s, service, &error);
                return;
        }
        s->running = true;
        (void) read_properties(reply, read, s);
}

static int read_backends(sd_bus_message *m, Status *s) {
        const char *name, *state, *detail;
        uint32_t slots;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sssu)");
        while (r >= 0 && s->n_backends < BACKENDS_MAX &&
                        (r = sd_bus_message_read(m, "(sssu)", &name, &state, &detail, &slots)) >
                                        0) {
                BackendLine *l = &s->backends[s->n_backends++];

                *l = (BackendLine){ strdup(name), strdup(state), strdup(detail), slots };
                if (!l->name || !l->state || !l->detail)
                        return -ENOMEM;
        }
        return r;
}

/* What the person, the shop and the agents have; what lies between them is `pylon wallet
 * balance`'s.
 */
static int read_balances(sd_bus_message *m, Status *s) {
        int64_t balance, reserved;
        const char *account;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sxx)");
        while (r >= 0 && s->n_accounts < ACCOUNTS_MAX &&
                        (r = sd_bus_message_read(m, "(sxx)", &account, &balance, &reserved)) > 0) {
                AccountLine *l = &s->accounts[s->n_accounts];

                if (!streq(account, "owner") && !streq(account, "provider") &&
                                !startswith(account, "agent:"))
                        continue;
                *l = (AccountLine){ strdup(account), balance };
                if (!l->name)
                        return -ENOMEM;
                s->n_accounts++;
        }
        return r;
}

typedef int (*read_reply_t)(sd_bus_message *m, Status *s);

static void ask_list(const Cli *cli, const char *service, const char *member, read_reply_t read,
                Status *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote remote = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, service, &remote, &error);
        if (r >= 0)
                r = remote_call(&remote, member, &reply, &error, NULL);
        if (r < 0)
                note_silent(s, service, &error);
        else
                (void) read(reply, s);
}

static void ask_agents(const Cli *cli, Status *s) {
        _cleanup_(remote_done) Remote host = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, "host", &host, &error);
        if (r >= 0)
                r = agents_read(&host, &s->agents, &error);
        if (r < 0)
                note_silent(s, "host", &error);
}

/* control.sock. */

static int ask_json(const Cli *cli, const char *request, Json **ret) {
        _cleanup_free_ char *answer = NULL;
        const char *reason;
        int r;

        r = instance_ask(cli->paths, request, &answer);
        return r < 0 ? r : json_parse(answer, strcspn(answer, "\n"), 8, 1024, ret, &reason);
}

static void ask_uptime(const Cli *cli, Status *s) {
        _cleanup_(json_unrefp) Json *root = NULL;

        if (ask_json(cli, "Status", &root) >= 0)
                (void) json_i64(json_get(json_get(root, "Status"), "uptime_secs"), &s->uptime);
}

static void ask_services(const Cli *cli, Status *s) {
        static const JsonField fields[] = {
                { "name", JSON_STRING, offsetof(ServiceLine, name), true },
                { "state", JSON_STRING, offsetof(ServiceLine, state), true },
                { "status", JSON_STRING, offsetof(ServiceLine, status), true },
                { "pid", JSON_U64, offsetof(ServiceLine, pid), true },
                { "restarts", JSON_U64, offsetof(ServiceLine, restarts), true },
        };
        const char *field, *reason;
        Json *list;

        if (ask_json(cli, "Services", &s->services_json) < 0)
                return;
        list = json_get(s->services_json, "Services");
        for (size_t i = 0; list && i < json_array_size(list) && i < SERVICES_MAX; i++)
                if (json_read(json_array_at(list, i), fields, ELEMENTSOF(fields),
                                    &s->services[s->n_services], &field, &reason) >= 0)
                        s->n_services++;
}

static void ask_instance(const Cli *cli, Status *s) {
        Instance i = INSTANCE_INIT;

        if (cli->scope == SCOPE_SYSTEM || instance_find(cli->paths, &i) <= 0)
                return;
        instance_done(&i);
        s->self_fork = s->running = true;
        s->pid = i.pid;
        ask_uptime(cli, s);
}

int verb_status(Cli *cli) {
        _cleanup_(status_done) Status s = { .uptime = -1, .silent.max = 4096 };

        ask_instance(cli, &s);
        ask(cli, "store", read_store, &s);
        ask(cli, "provider", read_provider, &s);
        ask(cli, "host", read_host, &s);
        if (s.host_state)
                ask_agents(cli, &s);
        if (s.provider_state)
                ask_list(cli, "provider", "Backends", read_backends, &s);
        ask_list(cli, "relay", "Relays", read_relays, &s);
        ask(cli, "wallet", read_wallet, &s);
        /* On the system bus that takes a right which a mere look at the status does not ask for. */
        if (s.wallet_state && (cli->scope != SCOPE_SYSTEM || geteuid() == 0))
                ask_list(cli, "wallet", "Balances", read_balances, &s);
        if (s.self_fork)
                ask_services(cli, &s);

        if (cli->args.json && status_print_json(cli, &s) < 0)
                return EXIT_FAILURE;
        if (!cli->args.json && s.running)
                status_print(&s);
        else if (!cli->args.json)
                (void) printf("%s\n%s\n", _("Pylon is not running."), error_hint("NotRunning"));
        return s.running ? EXIT_SUCCESS : EXIT_UNAVAILABLE;
}
