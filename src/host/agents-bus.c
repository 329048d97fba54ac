/* What com.openagents.Pylon1.Host says of agents, and their objects coming and going. */
#include "agent-bus.h"
#include "approve.h"
#include "asked.h"
#include "basic/log.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "bus/text.h"

#define EDITS_MAX     64
#define APPROVALS_MAX 1000 /* shown at once */

int agent_bus_path(const char *name, char **ret) {
        return sd_bus_path_encode(BUS_AGENT_FOLDER, name, ret);
}

/* ---- objects */

static void on_added(HostAgent *a, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Host *h = userdata;
        int r;

        r = agent_bus_path(a->name, &path);
        if (r >= 0)
                r = bus_server_add_object(service_server(h->service), path, a);
        if (r < 0)
                (void) log_warning_errno(r, "Agent %s is not on the bus: %m", a->name);
        else
                bus_server_changed(service_server(h->service), BUS_HOST, "Agents", NULL);
}

static void on_removed(HostAgent *a, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Host *h = userdata;

        asked_forget_agent(a);
        if (agent_bus_path(a->name, &path) < 0)
                return;
        bus_server_remove_object(service_server(h->service), path);
        bus_server_changed(service_server(h->service), BUS_HOST, "Agents", NULL);
}

static void on_changed(HostAgent *a, const char *const *properties, void *userdata) {
        _cleanup_free_ char *path = NULL;
        Host *h = userdata;

        if (agent_bus_path(a->name, &path) >= 0)
                bus_server_object_changed_strv(
                                service_server(h->service), path, BUS_AGENT, (char **) properties);
}

static void on_tick_ended(HostAgent *a, const TickResult *r, void *userdata) {
        const char *summary = r->error < 0 ? r->reason : r->summary;
        _cleanup_free_ char *path = NULL;
        Host *h = userdata;

        if (agent_bus_path(a->name, &path) >= 0)
                bus_server_object_signal(service_server(h->service), path, BUS_AGENT, "TickEnded",
                                "xss", r->tick, r->error < 0 ? "failed" : "done",
                                bus_text_or(summary ?: "", ""));
}

static const AgentListener listener = {
        .added = on_added,
        .removed = on_removed,
        .changed = on_changed,
        .tick_ended = on_tick_ended,
};

void agent_bus_listen(Host *h) {
        host_agents_listen(h, &listener, h);
}

/* ---- spawning */

typedef struct Spawning {
        SpawnOrder order;
        AgentEdit edits[EDITS_MAX];
} Spawning;

static int read_flag(sd_bus_message *m, bool *ret) {
        int r, flag;

        r = sd_bus_message_read(m, "v", "b", &flag);
        if (r >= 0)
                *ret = flag;
        return r;
}

static int read_key_from(sd_bus_message *m, AgentKeyFrom *ret) {
        static const char *const names[_AGENT_KEY_FROM_MAX] = {
                [AGENT_KEY_NEW] = "new",
                [AGENT_KEY_IMPORTED] = "words",
                [AGENT_KEY_THERE] = "signer",
        };
        const char *text;
        int r;

        r = sd_bus_message_read(m, "v", "s", &text);
        for (AgentKeyFrom k = 0; r >= 0 && k < _AGENT_KEY_FROM_MAX; k++)
                if (streq(names[k], text)) {
                        *ret = k;
                        return 0;
                }
        return r < 0 ? r : -EINVAL;
}

/* What is no option of the spawning is a setting of the agent. */
static int read_option(sd_bus_message *m, const char *name, Spawning *s) {
        AgentEdit *e = &s->edits[s->order.n_edits];

        if (streq(name, "settings"))
                return sd_bus_message_read(m, "v", "s", &s->order.settings);
        if (streq(name, "fund"))
                return sd_bus_message_read(m, "v", "x", &s->order.fund_msat);
        if (streq(name, "stopped"))
                return read_flag(m, &s->order.stopped);
        if (streq(name, "key"))
                return read_key_from(m, &s->order.key);
        if (s->order.n_edits == EDITS_MAX)
                return -E2BIG;
        e->key = name;
        s->order.n_edits++;
        return sd_bus_message_read(m, "v", "s", &e->value);
}

static int read_options(sd_bus_message *m, Spawning *s, sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                r = read_option(m, name, s);
                if (r < 0)
                        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                        "The option \"%s\" cannot have this value.", name);
                r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static void on_spawned(int error, const char *reason, HostAgent *agent, const char *bolt11,
                void *userdata) {
        _cleanup_free_ char *path = NULL;
        Asked *q = userdata;
        int r;

        r = error < 0 ? error : agent_bus_path(agent->name, &path);
        if (r < 0) {
                asked_fail(q, r, reason);
                return;
        }
        (void) sd_bus_reply_method_return(q->message, "sos", agent->npub, path, bolt11);
        asked_free(q);
}

int method_agent_spawn(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Spawning s = { .order.fund_msat = -1 };
        Host *h = userdata;
        Asked *q;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_AGENT_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &s.order.name);
        if (r >= 0)
                r = read_options(m, &s, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "h", &s.order.pipe);
        if (r >= 0 && !agent_name_is_valid(s.order.name))
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "An agent's name has at most 32 of the letters a to z, digits, '.', '_' and '-', and "
                                "begins with a letter or digit.");
        if (r >= 0)
                r = asked_new(h, m, "The agent could not be spawned", &q, error);
        if (r < 0)
                return r;
        s.order.edits = s.edits;
        if (s.order.key == AGENT_KEY_THERE)
                s.order.pipe = -EBADF;
        return asked_started(q, agent_spawn(h, &s.order, on_spawned, q), error);
}

int method_agent_stop_all(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Host *h = userdata;
        Asked *q;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_AGENT_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = asked_new(h, m, "Not all agents could be stopped", &q, error);
        if (r < 0)
                return r;
        return asked_started(q, agent_stop_all(h, asked_done, q), error);
}

/* ---- approvals */

int method_agent_approvals(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Approval *p = NULL;
        Host *h = userdata;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_AGENT_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssx)");
        for (unsigned n = 0; r >= 0 && n < APPROVALS_MAX && (p = approval_next(h, p)); n++) {
                _cleanup_free_ char *owned = NULL;
                const char *json;

                r = bus_text_json(p->json, &owned, &json);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "(ssssx)", p->id, p->agent->name, p->type,
                                        json, p->at);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_approved(int error, const char *reason, void *userdata) {
        Asked *q = userdata;

        if (error != -ENOENT && error != -ENOTUNIQ) {
                asked_done(error, reason, q);
                return;
        }
        (void) sd_bus_reply_method_errorf(q->message,
                        error == -ENOENT ? BUS_ERROR_NO_APPROVAL : BUS_ERROR_AMBIGUOUS,
                        error == -ENOENT ? "No action of this id waits."
                                         : "Several actions begin with this id.");
        asked_free(q);
}

int method_agent_approve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id, *note;
        Host *h = userdata;
        int yes, r;
        Asked *q;

        r = bus_authorize(service_server(h->service), m, ACTION_AGENT_APPROVE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sbs", &id, &yes, &note);
        if (r >= 0)
                r = asked_new(h, m, "It could not be decided", &q, error);
        if (r < 0)
                return r;
        r = approve(h, id, yes, note, on_approved, q);
        if (r == -ENOENT || r == -ENOTUNIQ) {
                on_approved(r, NULL, q);
                return 1;
        }
        return asked_started(q, r, error);
}
