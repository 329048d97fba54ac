/* com.openagents.Pylon1.Agent: one agent, for its owner. What decides about money (settings too,
 * for they say what it may spend) takes the right to spend; everything else the right to manage. */
#include "agent-bus.h"

#include <stdio.h>

#include "asked.h"
#include "basic/crypt.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "bus/text.h"

#define HISTORY_MAX     1000
#define MEMORIES_SHOWN  200
#define EXPORT_PATIENCE MIN_
#define TELL_MAX        4096
#define OWNER_ID        "owner:" /* of the goals which the owner sets */

/* Rights and the arguments; then what is asked is on its way. */
static int begin(HostAgent *a, sd_bus_message *m, const char *right, const char *what, Asked **ret,
                sd_bus_error *error) {
        int r;

        r = bus_authorize(service_server(a->host->service), m, right, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = asked_new(a->host, m, what, ret, error);
        return r < 0 ? r : 0;
}

/* ---- its life */

static int set_wish(HostAgent *a, sd_bus_message *m, AgentWish wish, const char *what,
                sd_bus_error *error) {
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, what, &q, error);
        if (r != 0)
                return r;
        return asked_started(q, agent_set_wish(a, wish, asked_done, q), error);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return set_wish(userdata, m, AGENT_STARTED, "The agent could not be started", error);
}

static int method_stop(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return set_wish(userdata, m, AGENT_STOPPED, "The agent could not be stopped", error);
}

static int method_pause(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return set_wish(userdata, m, AGENT_PAUSED, "The agent could not be paused", error);
}

static int method_resume(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return set_wish(userdata, m, AGENT_STARTED, "The agent could not go on", error);
}

static void on_numbered(int64_t tick, int error, const char *reason, void *userdata) {
        Asked *q = userdata;

        if (error < 0) {
                asked_fail(q, error, reason);
                return;
        }
        (void) sd_bus_reply_method_return(q->message, "t", (uint64_t) tick);
        asked_free(q);
}

static int method_tick(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        int dry, r;
        Asked *q;

        r = begin(a, m, ACTION_AGENT_MANAGE, "The agent cannot tick now", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "b", &dry);
        if (r < 0) {
                asked_free(q);
                return r;
        }
        if (a->tick)
                return asked_started(q, -EBUSY, error);
        q->agent = a;
        r = tick_start(a, "manual", dry, &a->tick);
        if (r >= 0)
                tick_tell_number(a->tick, on_numbered, q);
        return asked_started(q, r, error);
}

static int method_tell(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *text;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "It could not be told", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "s", &text);
        if (r < 0) {
                asked_free(q);
                return r;
        }
        if (strlen(text) > TELL_MAX)
                return asked_started(q, -E2BIG, error);
        return asked_started(q, agent_tell(a, text, asked_done, q), error);
}

/* ---- its money */

/* An invoice moves nobody's money; all else does. */
static int method_fund(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *how;
        int64_t msat;
        Asked *q;
        int r;

        r = sd_bus_message_read(m, "xs", &msat, &how);
        if (r < 0)
                return r;
        r = begin(a, m, streq(how, "invoice") ? ACTION_AGENT_MANAGE : ACTION_WALLET_PAY,
                        "The agent could not be funded", &q, error);
        if (r != 0)
                return r;
        return asked_started(q, agent_fund(a, msat, how, asked_text, q), error);
}

static int method_withdraw(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *destination;
        HostAgent *a = userdata;
        int64_t msat;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_WALLET_PAY, "The money could not be withdrawn", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "sx", &destination, &msat);
        if (r < 0) {
                asked_free(q);
                return r;
        }
        return asked_started(q, agent_withdraw(a, destination, msat, asked_done, q), error);
}

static void on_deleted(int error, const char *reason, void *userdata) {
        if (error == -EDQUOT)
                asked_fail_as(userdata, BUS_ERROR_MONEY_LEFT, bus_text_or(reason, "it has money"));
        else
                asked_done(error, reason, userdata);
}

static int method_delete(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *sweep_to;
        Asked *q;
        int r;

        r = sd_bus_message_read(m, "s", &sweep_to);
        if (r < 0)
                return r;
        r = begin(a, m, *sweep_to ? ACTION_WALLET_PAY : ACTION_AGENT_MANAGE,
                        "The agent could not be deleted", &q, error);
        if (r != 0)
                return r;
        return asked_started(q, agent_delete(a, sweep_to, on_deleted, q), error);
}

/* ---- its settings */

static int method_settings(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_buffer_ Buffer b = { .max = AGENT_SETTINGS_MAX };
        HostAgent *a = userdata;
        int r;

        r = bus_authorize(service_server(a->host->service), m, ACTION_AGENT_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = agent_write_settings(a, &b);
        return r < 0 ? r : sd_bus_reply_method_return(m, "s", b.data);
}

static int method_set_settings(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *toml;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_WALLET_PAY, "The settings were not taken", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "s", &toml);
        if (r < 0) {
                asked_free(q);
                return r;
        }
        return asked_started(q, agent_replace_settings(a, toml, asked_done, q), error);
}

static int method_edit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        AgentEdit edit;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_WALLET_PAY, "The setting was not changed", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "ss", &edit.key, &edit.value);
        if (r < 0) {
                asked_free(q);
                return r;
        }
        return asked_started(q, agent_edit(a, &edit, 1, asked_done, q), error);
}

/* ---- what it did */

static int append_tick(sd_bus_message *reply, const TickRow *t) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}", "tick", "x", t->tick,
                                "at", "x", t->at, "state", "s", t->state, "trigger", "s",
                                t->trigger, "error", "s", t->error, "actions", "s", t->actions);
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "dry", "b",
                                (int) t->dry, "duration_ms", "x", t->duration_ms, "prompt_tokens",
                                "x", t->prompt_tokens, "completion_tokens", "x",
                                t->completion_tokens, "cost_msat", "x", t->cost_msat,
                                "observations", "x", t->observations, "dropped", "x", t->dropped);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void on_history(
                int error, const char *reason, const TickRow *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Asked *q = userdata;
        int r;

        if (error < 0) {
                asked_fail(q, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(q->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_tick(reply, rows + i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        asked_reply(q, reply, r);
}

static int method_history(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        uint32_t limit;
        int64_t before;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "Its ticks cannot be listed", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "xu", &before, &limit);
        if (r >= 0 && (before < 0 || limit == 0 || limit > HISTORY_MAX))
                r = -EINVAL;
        if (r >= 0)
                r = agents_history(host_agents_client(a->host), a->npub, before, limit, on_history,
                                q, &q->call);
        return asked_started(q, r, error);
}

static void on_record(int error, const char *reason, const char *json, void *userdata) {
        Asked *q = userdata;

        if (error != -ENOENT) {
                asked_json(error, reason, json, q);
                return;
        }
        (void) sd_bus_reply_method_errorf(q->message, BUS_ERROR_NO_TICK, "There is no such tick.");
        asked_free(q);
}

static int method_record(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        int64_t tick;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "The tick cannot be shown", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "x", &tick);
        if (r >= 0)
                r = agents_tick(host_agents_client(a->host), a->npub, tick, on_record, q, &q->call);
        return asked_started(q, r, error);
}

/* A fresh answer is thought, and paid. */
static int method_replay(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        int64_t tick;
        int fresh, r;
        Asked *q;

        r = sd_bus_message_read(m, "xb", &tick, &fresh);
        if (r < 0)
                return r;
        r = begin(a, m, fresh ? ACTION_WALLET_PAY : ACTION_AGENT_MANAGE,
                        "The tick cannot be replayed", &q, error);
        if (r != 0)
                return r;
        q->agent = a;
        return asked_started(q, tick_replay(a, tick, fresh, on_record, q, &q->replay), error);
}

/* ---- what it knows */

static void on_goals(
                int error, const char *reason, const AgentGoal *goals, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Asked *q = userdata;
        int r;

        if (error < 0) {
                asked_fail(q, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(q->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssuusx)");
        for (const AgentGoal *g = goals; r >= 0 && g < goals + n; g++)
                r = sd_bus_message_append(reply, "(ssuusx)", g->id, g->text, (uint32_t) g->priority,
                                (uint32_t) g->progress, g->status, g->at);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        asked_reply(q, reply, r);
}

static int method_goals(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "Its goals cannot be listed", &q, error);
        if (r != 0)
                return r;
        r = agents_goals(host_agents_client(a->host), a->npub, on_goals, q, &q->call);
        return asked_started(q, r, error);
}

static void on_goal_set(int verdict, const char *text, void *userdata) {
        Asked *q = userdata;

        if (verdict < 0)
                asked_fail(q, verdict, text);
        else
                asked_text(0, NULL, q->text, q);
}

/* A new one has an id of its own, so that the call may be repeated by whoever was given it. */
static int goal_id(const char *given, char **ret) {
        char hex[2 * 4 + 1];
        uint8_t chance[4];
        int r;

        if (*given) {
                *ret = strdup(given);
                return *ret ? 0 : -ENOMEM;
        }
        r = crypt_random(chance, sizeof(chance));
        if (r < 0)
                return r;
        hex_encode(chance, sizeof(chance), hex);
        return asprintf(ret, OWNER_ID "%s", hex) < 0 ? -ENOMEM : 0;
}

static int method_set_goal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        AgentGoal g = { 0 };
        const char *id;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "The goal was not set", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "ssiis", &id, &g.text, &g.priority, &g.progress, &g.status);
        if (r >= 0)
                r = goal_id(id, &q->text);
        if (r < 0)
                return asked_started(q, r, error);
        g.id = q->text;
        g.text = *g.text ? g.text : NULL;
        g.status = *g.status ? g.status : NULL;
        r = agents_put_goal(host_agents_client(a->host), a->npub, &g, on_goal_set, q, &q->call);
        return asked_started(q, r, error);
}

static void on_memories(
                int error, const char *reason, const AgentMemory *list, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Asked *q = userdata;
        int r;

        if (error < 0) {
                asked_fail(q, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(q->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssx)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(ssx)", list[i].id, list[i].text, list[i].at);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        asked_reply(q, reply, r);
}

static int method_memories(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *query;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "Its memories cannot be listed", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "s", &query);
        if (r >= 0)
                r = agents_memories(host_agents_client(a->host), a->npub, query, MEMORIES_SHOWN,
                                on_memories, q, &q->call);
        return asked_started(q, r, error);
}

static int method_forget(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        const char *id;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "It was not forgotten", &q, error);
        if (r != 0)
                return r;
        r = sd_bus_message_read(m, "s", &id);
        if (r >= 0)
                r = agents_forget(host_agents_client(a->host), a->npub, id, asked_verdict, q,
                                &q->call);
        return asked_started(q, r, error);
}

/* ---- on its way to another machine: all but the key, which is the signer's */

static void on_exported(
                int error, _unused_ const char *text, _unused_ size_t size, void *userdata) {
        asked_done(error, NULL, userdata);
}

static void on_export(int error, const char *reason, const char *json, void *userdata) {
        Asked *q = userdata;
        int fd, r;

        r = error < 0 ? error : sd_bus_message_rewind(q->message, true);
        if (r >= 0)
                r = sd_bus_message_read(q->message, "h", &fd);
        if (r >= 0)
                r = pipe_write(service_event(q->host->service), fd, json, EXPORT_PATIENCE,
                                on_exported, q, &q->pipe);
        if (r < 0)
                asked_fail(q, r, reason);
}

static int method_export(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        Asked *q;
        int r;

        r = begin(a, m, ACTION_AGENT_MANAGE, "The agent could not be exported", &q, error);
        if (r != 0)
                return r;
        r = agents_export(host_agents_client(a->host), a->npub, on_export, q, &q->call);
        return asked_started(q, r, error);
}

static void on_import(int error, const char *text, _unused_ size_t size, void *userdata) {
        Asked *q = userdata;
        int r;

        r = error < 0 ? error
                      : agents_import(host_agents_client(q->host), q->agent->npub, text,
                                        asked_verdict, q, &q->call);
        if (r < 0)
                asked_fail(q, r, NULL);
}

static int method_import(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        HostAgent *a = userdata;
        int fd, r;
        Asked *q;

        r = begin(a, m, ACTION_AGENT_MANAGE, "What the agent knew could not be imported", &q,
                        error);
        if (r != 0)
                return r;
        q->agent = a;
        r = sd_bus_message_read(m, "h", &fd);
        if (r >= 0)
                r = pipe_read(service_event(a->host->service), fd, AGENT_EXPORT_MAX,
                                EXPORT_PATIENCE, on_import, q, &q->pipe);
        return asked_started(q, r, error);
}

/* ---- what it is */

typedef const char *(*text_of_t)(const HostAgent *a);

static const char *text_state(const HostAgent *a) {
        return agent_lifecycle_name(a->lifecycle);
}
static const char *text_wish(const HostAgent *a) {
        return agent_wish_name(a->wish);
}
static const char *text_autonomy(const HostAgent *a) {
        return agent_autonomy_name(a->settings->autonomy);
}
static const char *text_mind(const HostAgent *a) {
        return a->settings->mind == MIND_EXEC && !*a->settings->exec
                               ? "rules"
                               : mind_type_name(a->settings->mind);
}
static const char *text_about(const HostAgent *a) {
        return a->settings->about;
}
static const char *text_asleep(const HostAgent *a) {
        return host_agent_why_asleep(a) ?: "";
}

static int property_text(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, _unused_ sd_bus_error *error) {
        static const struct {
                const char *name;
                text_of_t text;
        } texts[] = {
                { "State", text_state },
                { "Wish", text_wish },
                { "Autonomy", text_autonomy },
                { "Mind", text_mind },
                { "About", text_about },
                { "Asleep", text_asleep },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].name, property))
                        return sd_bus_message_append(
                                        reply, "s", bus_text_or(texts[i].text(userdata), ""));
        return -ENOENT;
}

static int property_list(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, const char *property, sd_bus_message *reply,
                void *userdata, _unused_ sd_bus_error *error) {
        const HostAgent *a = userdata;

        return sd_bus_message_append_strv(reply,
                        streq(property, "Relays") ? a->settings->relays : a->settings->triggers);
}

static int property_heartbeat(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const HostAgent *a = userdata;

        return sd_bus_message_append(reply, "t", (uint64_t) (a->settings->heartbeat / SEC));
}

static int property_runway(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        int64_t seconds = host_agent_runway(userdata);

        return sd_bus_message_append(reply, "x", seconds == INT64_MAX ? INT64_C(-1) : seconds);
}

/* The number of the tick that runs. */
static int property_ticking(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const HostAgent *a = userdata;

        return sd_bus_message_append(reply, "x", a->tick ? tick_number(a->tick) : INT64_C(0));
}

#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ASKED SD_BUS_VTABLE_UNPRIVILEGED

/* clang-format off */
const sd_bus_vtable agent_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_start, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_stop, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_pause, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_resume, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Tick", SD_BUS_ARGS("b", dry), SD_BUS_RESULT("t", tick), method_tick, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Tell", SD_BUS_ARGS("s", text), SD_BUS_NO_RESULT, method_tell, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Fund", SD_BUS_ARGS("x", msat, "s", how), SD_BUS_RESULT("s", bolt11), method_fund, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Withdraw", SD_BUS_ARGS("s", destination, "x", msat), SD_BUS_NO_RESULT, method_withdraw, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("s", sweep_to), SD_BUS_NO_RESULT, method_delete, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Settings", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", toml), method_settings, ASKED),
        SD_BUS_METHOD_WITH_ARGS("SetSettings", SD_BUS_ARGS("s", toml), SD_BUS_NO_RESULT, method_set_settings, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Edit", SD_BUS_ARGS("s", key, "s", value), SD_BUS_NO_RESULT, method_edit, ASKED),
        SD_BUS_METHOD_WITH_ARGS("History", SD_BUS_ARGS("x", before, "u", limit), SD_BUS_RESULT("aa{sv}", ticks), method_history, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Record", SD_BUS_ARGS("x", tick), SD_BUS_RESULT("s", json), method_record, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Replay", SD_BUS_ARGS("x", tick, "b", fresh), SD_BUS_RESULT("s", json), method_replay, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Goals", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssuusx)", goals), method_goals, ASKED),
        SD_BUS_METHOD_WITH_ARGS("SetGoal",
                        SD_BUS_ARGS("s", id, "s", text, "i", priority, "i", progress, "s", status),
                        SD_BUS_RESULT("s", id), method_set_goal, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Memories", SD_BUS_ARGS("s", query), SD_BUS_RESULT("a(ssx)", memories), method_memories, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("s", id), SD_BUS_NO_RESULT, method_forget, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Export", SD_BUS_ARGS("h", pipe), SD_BUS_NO_RESULT, method_export, ASKED),
        SD_BUS_METHOD_WITH_ARGS("Import", SD_BUS_ARGS("h", pipe), SD_BUS_NO_RESULT, method_import, ASKED),
        SD_BUS_SIGNAL_WITH_ARGS("TickEnded", SD_BUS_ARGS("x", tick, "s", state, "s", summary), 0),
        SD_BUS_PROPERTY("Name", "s", NULL, offsetof(HostAgent, name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Npub", "s", NULL, offsetof(HostAgent, npub), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("CreatedAt", "x", NULL, offsetof(HostAgent, created_at), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Wish", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Asleep", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Balance", "x", NULL, offsetof(HostAgent, balance_msat), EMITS),
        SD_BUS_PROPERTY("Runway", "x", property_runway, 0, EMITS),
        SD_BUS_PROPERTY("CostPerTick", "x", NULL, offsetof(HostAgent, cost_msat), EMITS),
        SD_BUS_PROPERTY("TickCount", "x", NULL, offsetof(HostAgent, tick_count), EMITS),
        SD_BUS_PROPERTY("LastTick", "x", NULL, offsetof(HostAgent, last_tick_at), EMITS),
        SD_BUS_PROPERTY("NextTick", "x", NULL, offsetof(HostAgent, next_tick_at), EMITS),
        SD_BUS_PROPERTY("Ticking", "x", property_ticking, 0, EMITS),
        SD_BUS_PROPERTY("Failures", "u", NULL, offsetof(HostAgent, failures), EMITS),
        SD_BUS_PROPERTY("Pending", "u", NULL, offsetof(HostAgent, n_approvals), EMITS),
        SD_BUS_PROPERTY("About", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Autonomy", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Mind", "s", property_text, 0, EMITS),
        SD_BUS_PROPERTY("Heartbeat", "t", property_heartbeat, 0, EMITS),
        SD_BUS_PROPERTY("Relays", "as", property_list, 0, EMITS),
        SD_BUS_PROPERTY("Triggers", "as", property_list, 0, EMITS),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
