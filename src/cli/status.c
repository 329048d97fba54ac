/* pylon status: gathered from whoever answers; who does not is shown as such, and hides nobody
 * else. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/json.h"
#include "call.h"
#include "instance.h"
#include "manager.h"
#include "nostr/nip19.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define STATES_MAX   16
#define RELAYS_SHOWN 64
#define SERVICES_MAX 8

typedef struct RelayLine {
        char *url, *state, *error;
        int64_t since;
        uint64_t received, accepted, pending;
} RelayLine;

typedef struct ServiceLine {
        const char *name, *state, *status; /* in services_json */
        uint64_t pid, restarts;
} ServiceLine;

typedef struct Status {
        bool self_fork, running; /* running: at least the store answers, or an instance is there */
        pid_t pid;
        int64_t uptime;                    /* -1: not known */
        char *provider_state, *host_state; /* NULL: no answer */
        char *pubkey;
        uint64_t jobs_completed;
        int64_t earnings_msats;
        bool store_answers;
        struct {
                char *name;
                uint64_t n;
        } states[STATES_MAX];
        size_t n_states;
        uint32_t jobs_running, jobs_queued;
        RelayLine relays[RELAYS_SHOWN];
        size_t n_relays;
        Json *services_json;
        ServiceLine services[SERVICES_MAX];
        size_t n_services;
        Buffer silent; /* who did not answer, and why */
} Status;

static void status_done(Status *s) {
        free(s->provider_state);
        free(s->host_state);
        free(s->pubkey);
        for (size_t i = 0; i < s->n_states; i++)
                free(s->states[i].name);
        for (size_t i = 0; i < s->n_relays; i++) {
                free(s->relays[i].url);
                free(s->relays[i].state);
                free(s->relays[i].error);
        }
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

static void ask_relay(const Cli *cli, Status *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote remote = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, "relay", &remote, &error);
        if (r >= 0)
                r = remote_call(&remote, "Relays", &reply, &error, NULL);
        if (r < 0)
                note_silent(s, "relay", &error);
        else
                (void) read_relays(reply, s);
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

/* Words. */

static void print_line(const char *label, const char *value) {
        (void) printf("%s%*s %s\n", label, (int) (12 - MIN(text_width(label), (size_t) 12)), "",
                        value);
}

static void print_running(const Status *s) {
        char span[TEXT_MAX], text[256];

        text_span(s->uptime > 0 ? (usec_t) s->uptime * SEC : 0, span);
        if (s->self_fork)
                (void) snprintf(text, sizeof(text),
                                _("up for %s, process %d; its services share one account, which is no boundary"),
                                span, (int) s->pid);
        else if (s->uptime >= 0)
                (void) snprintf(text, sizeof(text), _("up for %s"), span);
        else
                (void) snprintf(text, sizeof(text), "%s", _("up"));
        print_line("Pylon", text);
}

static const char *npub_of(const char *hex, char ret[static NPUB_SIZE]) {
        uint8_t key[32];

        if (isempty(hex) || hex_decode(hex, key, sizeof(key)) < 0 || npub_encode(key, ret) < 0)
                return NULL;
        return ret;
}

static void print_jobs(const Status *s) {
        char text[512] = "", total[TEXT_MAX];
        size_t n = 0;

        for (size_t i = 0; i < s->n_states && n < sizeof(text); i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%" PRIu64 " %s",
                                i > 0 ? ", " : "", s->states[i].n, s->states[i].name);
        print_line(_("Jobs"), s->n_states > 0 ? text : _("none yet"));
        text_msats(s->earnings_msats, total);
        print_line(_("Earned"), total);
}

static void print_relays(const Status *s) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();

        if (s->n_relays == 0 || table_new(6, &t) < 0)
                return;
        (void) table_add(t, _("RELAY"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("SINCE"));
        (void) table_add(t, _("IN"));
        (void) table_add(t, _("WAITING"));
        (void) table_add(t, _("ERROR"));
        for (const RelayLine *l = s->relays; l < s->relays + s->n_relays; l++) {
                char since[TEXT_MAX];

                text_ago(l->since, now, since);
                (void) table_add(t, l->url);
                (void) table_add(t, l->state);
                (void) table_add(t, since);
                (void) table_addf(t, "%" PRIu64, l->received);
                (void) table_addf(t, "%" PRIu64, l->pending);
                (void) table_add(t, l->error);
        }
        (void) printf("\n");
        table_print(t);
}

static void print_services(const Status *s) {
        _cleanup_(table_freep) Table *t = NULL;

        if (s->n_services == 0 || table_new(5, &t) < 0)
                return;
        (void) table_add(t, _("SERVICE"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("PROCESS"));
        (void) table_add(t, _("RESTARTS"));
        (void) table_add(t, _("WHAT IT SAYS"));
        for (const ServiceLine *l = s->services; l < s->services + s->n_services; l++) {
                (void) table_add(t, l->name);
                (void) table_add(t, l->state);
                (void) (l->pid > 0 ? table_addf(t, "%" PRIu64, l->pid) : table_add(t, "-"));
                (void) table_addf(t, "%" PRIu64, l->restarts);
                (void) table_add(t, l->status);
        }
        (void) printf("\n");
        table_print(t);
}

static void print_text(const Status *s) {
        char npub[NPUB_SIZE];

        print_running(s);
        print_line(_("Identity"), npub_of(s->pubkey, npub) ?: "-");
        print_line(_("Provider"), s->provider_state ?: _("no answer"));
        print_line(_("Host"), s->host_state ?: _("no answer"));
        if (s->store_answers)
                print_jobs(s);
        else
                print_line(_("Jobs"), _("no answer"));
        print_relays(s);
        print_services(s);
        if (s->silent.size > 0)
                (void) printf("\n%s", s->silent.data);
}

static void json_daemon(Out *o, const Status *s) {
        out_object(o, "daemon");
        out_boolean(o, "running", s->running);
        if (s->pid > 0)
                out_number(o, "pid", s->pid);
        else
                out_null(o, "pid");
        if (s->uptime >= 0)
                out_number(o, "uptime_secs", s->uptime);
        else
                out_null(o, "uptime_secs");
        out_boolean(o, "provider_active", s->provider_state && streq(s->provider_state, "online"));
        out_boolean(o, "host_active", s->host_state && streq(s->host_state, "online"));
        out_text(o, "provider_state", s->provider_state);
        out_text(o, "host_state", s->host_state);
        out_end(o);
}

static void json_stats(Out *o, const Status *s) {
        if (!s->store_answers) {
                out_null(o, "stats");
                return;
        }
        out_object(o, "stats");
        out_number(o, "jobs_completed", (int64_t) s->jobs_completed);
        out_number(o, "earnings_msats", s->earnings_msats);
        out_number(o, "jobs_running", s->jobs_running);
        out_number(o, "jobs_queued", s->jobs_queued);
        out_object(o, "jobs_by_state");
        for (size_t i = 0; i < s->n_states; i++)
                out_number(o, s->states[i].name, (int64_t) s->states[i].n);
        out_end(o);
        out_end(o);
}

static void json_lists(Out *o, const Status *s) {
        out_array(o, "relays");
        for (const RelayLine *l = s->relays; l < s->relays + s->n_relays; l++) {
                out_object(o, NULL);
                out_text(o, "url", l->url);
                out_text(o, "state", l->state);
                out_text(o, "error", *l->error ? l->error : NULL);
                out_number(o, "since", l->since);
                out_number(o, "events_received", (int64_t) l->received);
                out_number(o, "events_accepted", (int64_t) l->accepted);
                out_number(o, "outbox_pending", (int64_t) l->pending);
                out_end(o);
        }
        out_end(o);
        out_array(o, "services");
        for (const ServiceLine *l = s->services; l < s->services + s->n_services; l++) {
                out_object(o, NULL);
                out_text(o, "name", l->name);
                out_text(o, "state", l->state);
                out_number(o, "pid", (int64_t) l->pid);
                out_number(o, "restarts", (int64_t) l->restarts);
                out_text(o, "status", l->status);
                out_end(o);
        }
        out_end(o);
}

static int print_json(const Status *s) {
        _cleanup_(out_done) Out o = OUT_INIT;
        char npub[NPUB_SIZE];

        out_object(&o, NULL);
        json_daemon(&o, s);
        json_stats(&o, s);
        out_object(&o, "identity");
        out_text(&o, "npub", npub_of(s->pubkey, npub));
        out_text(&o, "pubkey", isempty(s->pubkey) ? NULL : s->pubkey);
        out_end(&o);
        json_lists(&o, s);
        out_end(&o);
        return out_print(&o);
}

int verb_status(Cli *cli) {
        _cleanup_(status_done) Status s = { .uptime = -1, .silent.max = 4096 };

        ask_instance(cli, &s);
        ask(cli, "store", read_store, &s);
        ask(cli, "provider", read_provider, &s);
        ask(cli, "host", read_host, &s);
        ask_relay(cli, &s);
        if (s.self_fork)
                ask_services(cli, &s);

        if (cli->args.json && print_json(&s) < 0)
                return EXIT_FAILURE;
        if (!cli->args.json && s.running)
                print_text(&s);
        else if (!cli->args.json)
                (void) printf("%s\n%s\n", _("Pylon is not running."), error_hint("NotRunning"));
        return s.running ? EXIT_SUCCESS : EXIT_UNAVAILABLE;
}
