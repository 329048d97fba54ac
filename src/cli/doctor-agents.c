/* What the doctor asks about host mode: each agent's key, file, mind and money. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent.h"
#include "basic/toml.h"
#include "bus/names.h"
#include "doctor.h"
#include "supervisor.h"
#include "text.h"

#define AREA          "agent"
#define AGENTS_LOOKED 32 /* one by one; more are counted */
#define FAILURES_BAD  3
#define KEY_MAX       64

static void unreadable(const Probe *p) {
        doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                        _("Is the running Pylon of another version? Start it again."), "%s",
                        _("The answer could not be read."));
}

/* ---- its key */

static void on_checked(Probe *p, sd_bus_message *reply, const CallError *error) {
        if (!reply)
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("Bring the file back from a backup, or the words with `pylon agent spawn NAME --import` after `pylon agent delete NAME`."),
                                _("Its key cannot be used: %s"), error->message);
        else
                doctor_find(p->doctor, FINDING_FINE, p->area, p->subject, NULL, "%s",
                                _("Its key signs."));
}

static void check_key(Doctor *d, const AgentLine *a) {
        char key[KEY_MAX];

        (void) snprintf(key, sizeof(key), "agent:%s", a->name);
        probe_ask(d,
                        &(ProbeText){ .area = AREA,
                                        .subject = a->name,
                                        .service = "signer",
                                        .member = "Check",
                                        .done = on_checked },
                        "s", key);
}

/* ---- its file, which a system instance keeps from everybody else */

static void check_file(Doctor *d, const AgentLine *a) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (d->cli->scope == SCOPE_SYSTEM && geteuid() != 0)
                return;
        if (asprintf(&path, "%s/%s.toml", d->cli->paths->agents, a->npub) < 0) {
                path = NULL;
                return;
        }
        if (stat(path, &st) < 0)
                doctor_find(d, FINDING_FAILURE, AREA, a->name,
                                _("`pylon agent edit NAME` and a change writes it again, while Pylon runs."),
                                _("Its file \"%s\" cannot be read: %s."), path, strerror(errno));
        else if (st.st_mode & 0022)
                doctor_find(d, FINDING_WARNING, AREA, a->name,
                                _("Take the right to write it away: chmod 600."),
                                _("Others may write its file \"%s\"."), path);
}

/* ---- its mind */

/* The program runs inside the agent's unit; that it is there and may be run is seen from here, too.
 */
static void check_program(const Probe *p, const char *program) {
        if (*program != '/')
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("Say where it is, from the root: `pylon agent edit NAME mind.exec /path/to/program`."),
                                _("Its mind \"%s\" is no absolute path."), program);
        else if (access(program, X_OK) < 0)
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("Install it, or take another mind: `pylon agent edit NAME mind.exec /path/to/program`."),
                                _("Its mind \"%s\" cannot be run: %s."), program, strerror(errno));
        else
                doctor_find(p->doctor, FINDING_FINE, p->area, p->subject, NULL,
                                _("Its mind is the program \"%s\"."), program);
}

static void on_settings(Probe *p, sd_bus_message *reply, const CallError *error) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        const TomlValue *mind, *exec;
        const char *text, *program = "";
        TomlError e;

        if (!reply) {
                if (!streq(error->name, "NotAllowed"))
                        probe_failed(p, error);
                return;
        }
        if (sd_bus_message_read(reply, "s", &text) < 0 ||
                        toml_parse(text, strlen(text), &root, &e) < 0) {
                unreadable(p);
                return;
        }
        mind = toml_get(root, "mind");
        exec = mind ? toml_get(mind, "exec") : NULL;
        if (exec && toml_type(exec) == TOML_ARRAY && toml_size(exec) > 0)
                (void) toml_string(toml_at(exec, 0, NULL), &program);
        else if (exec)
                (void) toml_string(exec, &program);
        if (*program)
                check_program(p, program);
}

static void on_models(Probe *p, sd_bus_message *reply, const CallError *error) {
        if (!reply)
                probe_failed(p, error);
        else if (sd_bus_message_enter_container(reply, 'a', "(suas)") < 0)
                unreadable(p);
        else if (sd_bus_message_at_end(reply, false) > 0)
                doctor_find(p->doctor, FINDING_FAILURE, p->area, p->subject,
                                _("Start a server of models; `pylon compute` shows those that are known."),
                                "%s",
                                _("It thinks with this machine's models, and there is none."));
        else
                doctor_find(p->doctor, FINDING_FINE, p->area, p->subject, NULL, "%s",
                                _("It thinks with this machine's models."));
}

static void check_mind(Doctor *d, const AgentLine *a) {
        if (streq(a->mind, "exec"))
                probe_ask(d,
                                &(ProbeText){ .area = AREA,
                                                .subject = a->name,
                                                .service = "host",
                                                .path = a->path,
                                                .interface = BUS_AGENT,
                                                .member = "Settings",
                                                .done = on_settings },
                                NULL);
        else if (streq(a->mind, "local"))
                probe_ask(d,
                                &(ProbeText){ .area = AREA,
                                                .subject = a->name,
                                                .service = "provider",
                                                .interface = BUS_PROVIDER_COMPUTE,
                                                .member = "Models",
                                                .done = on_models },
                                NULL);
        else if (streq(a->mind, "nip90"))
                doctor_find(d, FINDING_NOTE, AREA, a->name, NULL, "%s",
                                _("It buys its thinking on the market; `pylon agent tick NAME --dry-run` tries that, and costs."));
}

/* ---- its money and its ticks */

static void check_life(Doctor *d, const AgentLine *a) {
        bool broke = streq(a->state, "hibernating") || streq(a->state, "dormant") ||
                     streq(a->state, "spawning");
        char balance[TEXT_MAX];

        agent_balance_text(a, balance);
        doctor_find(d,
                        broke                            ? FINDING_WARNING
                        : streq(a->state, "low_balance") ? FINDING_NOTE
                                                         : FINDING_FINE,
                        AREA, a->name,
                        _("`pylon agent fund NAME AMOUNT --from owner` gives it money, or an invoice without --from."),
                        broke ? _("It has %s, too little to tick (%s).") : _("It has %s (%s)."),
                        balance, a->state);
        if (a->failures >= FAILURES_BAD)
                doctor_find(d, FINDING_FAILURE, AREA, a->name,
                                _("`pylon agent history NAME` says why."),
                                _("Its last %" PRIu32 " ticks failed."), a->failures);
        if (a->pending > 0)
                doctor_find(d, FINDING_NOTE, AREA, a->name, NULL,
                                _("%" PRIu32
                                  " of its actions wait for your approval: `pylon agent approvals`."),
                                a->pending);
}

/* ---- all of them */

/* What every tick starts. Under systemd its units have it, too. */
static void check_worker(Doctor *d) {
        _cleanup_free_ char *path = NULL;

        if (find_program("agent", &path) < 0)
                doctor_find(d, FINDING_FAILURE, AREA, NULL, _("Install Pylon completely."), "%s",
                                _("The program pylon-agent, in which agents think, is not there."));
}

static void on_state(Probe *p, sd_bus_message *reply, const CallError *error) {
        const char *state;

        if (!reply)
                probe_failed(p, error);
        else if (sd_bus_message_read(reply, "v", "s", &state) < 0)
                unreadable(p);
        else if (!streq(state, "online"))
                doctor_find(p->doctor, FINDING_WARNING, p->area, NULL,
                                _("`pylon start --mode both` switches it on."), "%s",
                                _("Host mode is off: no agent ticks."));
}

static void on_agents(Probe *p, sd_bus_message *reply, const CallError *error) {
        _cleanup_(agents_done) AgentList l = { 0 };
        Doctor *d = p->doctor;

        if (!reply) {
                probe_failed(p, error);
                return;
        }
        if (agents_parse(reply, &l) < 0) {
                unreadable(p);
                return;
        }
        if (l.n == 0)
                return;
        check_worker(d);
        probe_ask(d,
                        &(ProbeText){ .area = AREA,
                                        .service = "host",
                                        .interface = "org.freedesktop.DBus.Properties",
                                        .member = "Get",
                                        .done = on_state },
                        "ss", BUS_HOST, "State");
        for (size_t i = 0; i < MIN(l.n, (size_t) AGENTS_LOOKED); i++) {
                check_life(d, &l.agents[i]);
                check_file(d, &l.agents[i]);
                check_mind(d, &l.agents[i]);
                check_key(d, &l.agents[i]);
        }
        if (l.n > AGENTS_LOOKED)
                doctor_find(d, FINDING_NOTE, AREA, NULL, NULL,
                                _("Of %zu agents the first %d were looked at."), l.n,
                                AGENTS_LOOKED);
}

void check_agents(Doctor *d) {
        probe_ask(d,
                        &(ProbeText){ .area = AREA,
                                        .service = "host",
                                        .interface = "org.freedesktop.DBus.ObjectManager",
                                        .member = "GetManagedObjects",
                                        .done = on_agents },
                        NULL);
}
