/* pylon status, for people and for programs. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "nostr/nip19.h"
#include "out.h"
#include "status.h"
#include "table.h"
#include "text.h"

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

static void print_wallet(const Status *s) {
        char text[512];
        size_t n;

        if (!s->wallet_state) {
                print_line(_("Wallet"), _("no answer"));
                return;
        }
        n = (size_t) snprintf(
                        text, sizeof(text), "%s, %s", s->wallet_driver ?: "", s->wallet_state);
        for (size_t i = 0; i < s->n_accounts && n < sizeof(text); i++) {
                char amount[TEXT_MAX];

                text_msats(s->accounts[i].msats, amount);
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s %s %s", i == 0 ? ":" : ",",
                                s->accounts[i].name, amount);
        }
        print_line(_("Wallet"), text);
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

static void print_backends(const Status *s) {
        _cleanup_(table_freep) Table *t = NULL;

        if (s->n_backends == 0 || table_new(4, &t) < 0)
                return;
        (void) table_add(t, _("BACKEND"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("SLOTS"));
        (void) table_add(t, _("WHAT IT SAYS"));
        for (const BackendLine *l = s->backends; l < s->backends + s->n_backends; l++) {
                (void) table_add(t, l->name);
                (void) table_add(t, l->state);
                (void) table_addf(t, "%" PRIu32, l->slots);
                (void) table_add(t, l->detail);
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

static void print_agents(const Status *s) {
        static const char *const heads[] = { N_("AGENT"), N_("STATE"), N_("BALANCE"), N_("RUNWAY"),
                N_("NEXT") };
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();

        if (s->agents.n == 0 || table_new(ELEMENTSOF(heads), &t) < 0)
                return;
        for (size_t i = 0; i < ELEMENTSOF(heads); i++)
                (void) table_add(t, _(heads[i]));
        for (const AgentLine *a = s->agents.agents; a < s->agents.agents + s->agents.n; a++) {
                char state[AGENT_STATE_MAX], text[TEXT_MAX];

                agent_state_text(a, state);
                (void) table_add(t, a->name);
                (void) table_add(t, state);
                agent_balance_text(a, text);
                (void) table_add(t, text);
                agent_runway_text(a, text);
                (void) table_add(t, text);
                text_until(a->next_tick, now, text);
                (void) table_add(t, a->ticking > 0 ? _("ticks") : text);
        }
        (void) printf("\n");
        table_print(t);
}

void status_print(const Status *s) {
        char npub[NPUB_SIZE];

        print_running(s);
        print_line(_("Identity"), npub_of(s->pubkey, npub) ?: "-");
        print_line(_("Provider"), s->provider_state ?: _("no answer"));
        print_line(_("Host"), s->host_state ?: _("no answer"));
        if (s->store_answers)
                print_jobs(s);
        else
                print_line(_("Jobs"), _("no answer"));
        print_wallet(s);
        print_agents(s);
        print_backends(s);
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

static void json_wallet(Out *o, const Status *s) {
        if (!s->wallet_state) {
                out_null(o, "wallet");
                return;
        }
        out_object(o, "wallet");
        out_text(o, "driver", s->wallet_driver);
        out_text(o, "network", s->wallet_network);
        out_text(o, "state", s->wallet_state);
        out_object(o, "balances_msats");
        for (size_t i = 0; i < s->n_accounts; i++)
                out_number(o, s->accounts[i].name, s->accounts[i].msats);
        out_end(o);
        out_end(o);
}

static void json_backends(Out *o, const Status *s) {
        out_array(o, "backends");
        for (const BackendLine *l = s->backends; l < s->backends + s->n_backends; l++) {
                out_object(o, NULL);
                out_text(o, "name", l->name);
                out_text(o, "state", l->state);
                out_text(o, "detail", l->detail);
                out_number(o, "slots", l->slots);
                out_end(o);
        }
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

int status_print_json(const Cli *cli, const Status *s) {
        _cleanup_(out_done) Out o = OUT_INIT;
        char npub[NPUB_SIZE];

        out_object(&o, NULL);
        json_daemon(&o, s);
        json_stats(&o, s);
        out_object(&o, "identity");
        out_text(&o, "npub", npub_of(s->pubkey, npub));
        out_text(&o, "pubkey", isempty(s->pubkey) ? NULL : s->pubkey);
        out_end(&o);
        json_wallet(&o, s);
        out_array(&o, "agents");
        for (size_t i = 0; i < s->agents.n; i++)
                agent_json(cli, &o, NULL, &s->agents.agents[i]);
        out_end(&o);
        json_backends(&o, s);
        json_lists(&o, s);
        out_end(&o);
        return out_print(&o);
}
