/* What changes something about agents; what only reads is in agents-list.c. */
#include "agents-bus.h"

#include <time.h>

#include "bus/names.h"
#include "request.h"

/* Reads the arguments and does it; the outcome is the answer. */
typedef int (*change_t)(Store *s, sd_bus_message *m, Outcome *ret, bool *ret_lazy, int *ret_error);

static int change(Store *s, sd_bus_message *m, sd_bus_message *reply, bool *ret_lazy,
                const char **reterr, change_t what) {
        Outcome *o = &s->agents->outcome;
        int r, error = 0;

        r = what(s, m, o, ret_lazy, &error);
        if (r < 0)
                return r;
        if (error < 0) {
                *reterr = sql_reason(error);
                return store_note(s, error);
        }
        return sd_bus_message_append(reply, "is", o->verdict, o->text);
}

#define DEFINE_CHANGE(name)                                                                \
        static int request_##name(Store *s, sd_bus_message *m, sd_bus_message *reply,      \
                        bool *ret_lazy, const char **reterr) {                             \
                return change(s, m, reply, ret_lazy, reterr, change_##name);               \
        }                                                                                  \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) { \
                return request_run(userdata, m, STORE_HOST, request_##name, error);        \
        }

static const char *or_null(const char *s) {
        return isempty(s) ? NULL : s;
}

static int64_t now_or(Store *s, int64_t at) {
        uint64_t now = 0;

        if (at > 0)
                return at;
        (void) sd_event_now(service_event(s->service), CLOCK_REALTIME, &now);
        return (int64_t) (now / SEC);
}

/* Agents. */

static int change_add(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        Agent a = { 0 };
        int r;

        r = sd_bus_message_read(m, "sssssxxxxx", &a.npub, &a.pubkey, &a.name, &a.lifecycle, &a.wish,
                        &a.balance_msat, &a.cost_msat, &a.failures, &a.next_tick_at, &a.created_at);
        if (r >= 0)
                *ret_error = agent_add(s->agents->agents, &a, ret);
        return r;
}
DEFINE_CHANGE(add)

static int change_set(Store *s, sd_bus_message *m, Outcome *ret, bool *ret_lazy, int *ret_error) {
        AgentChange c = { 0 };
        int r, lazy;

        r = sd_bus_message_read(m, "sssxxxxb", &c.npub, &c.lifecycle, &c.wish, &c.balance_msat,
                        &c.next_tick_at, &c.cost_msat, &c.failures, &lazy);
        if (r < 0)
                return r;
        *ret_lazy = lazy;
        *ret_error = agent_set(s->agents->agents, &c, ret);
        return r;
}
DEFINE_CHANGE(set)

static int change_remove(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        const char *npub;
        int r;

        r = sd_bus_message_read(m, "s", &npub);
        if (r >= 0)
                *ret_error = agent_erase(s->agents, npub, ret);
        return r;
}
DEFINE_CHANGE(remove)

/* Observations. */

static int change_observe(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        Observation list[OBSERVATIONS_AT_ONCE + 1] = { 0 };
        const char *npub;
        size_t n = 0;
        int r;

        r = sd_bus_message_read(m, "s", &npub);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sssssxx)");
        while (r >= 0 && n < ELEMENTSOF(list)) {
                Observation *o = list + n;

                r = sd_bus_message_read(m, "(sssssxx)", &o->id, &o->what, &o->author, &o->text,
                                &o->event, &o->msat, &o->at);
                if (r <= 0)
                        break;
                n++;
        }
        if (r >= 0)
                *ret_error = agent_observe(s->agents, npub, list, n, ret);
        return r;
}
DEFINE_CHANGE(observe)

/* Ticks. */

static int request_begin_tick(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        Outcome *o = &s->agents->outcome;
        TickStart start = { 0 };
        int64_t number;
        int r, dry;

        r = sd_bus_message_read(m, "ssbxx", &start.npub, &start.trigger, &dry, &start.now,
                        &start.keep_texts);
        if (r < 0)
                return r;
        start.dry = dry;
        r = agent_begin_tick(s->agents, &start, &number, o);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "isx", o->verdict, o->text, number);
}

static int method_begin_tick(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_HOST, request_begin_tick, error);
}

static int change_move_tick(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        TickAction actions[TICK_ACTIONS_MAX + 1] = { 0 };
        TickMove t = { .actions = actions };
        int r;

        r = sd_bus_message_read(m, "sxsssssxxxx", &t.npub, &t.tick, &t.state, &t.thought.id,
                        &t.thought.prompt, &t.thought.answer, &t.facts.error,
                        &t.facts.prompt_tokens, &t.facts.completion_tokens, &t.facts.cost_msat,
                        &t.facts.duration_ms);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ussss)");
        while (r >= 0 && t.n_actions < ELEMENTSOF(actions)) {
                TickAction *a = actions + t.n_actions;

                r = sd_bus_message_read(
                                m, "(ussss)", &a->n, &a->type, &a->json, &a->state, &a->reason);
                if (r <= 0)
                        break;
                t.n_actions++;
        }
        if (r >= 0)
                *ret_error = agent_move_tick(s->agents, &t, ret);
        return r;
}
DEFINE_CHANGE(move_tick)

/* Actions. An effect is one word and the values of a goal or a memory. */

static int read_effect(Store *s, sd_bus_message *m, Goal *goal, Memory *memory, Effect *ret) {
        const char *what, *id, *text, *status;
        int64_t priority, progress, at;
        int r;

        r = sd_bus_message_read(
                        m, "(ssssxxx)", &what, &id, &text, &status, &priority, &progress, &at);
        if (r < 0)
                return r;
        *goal = (Goal){ id, or_null(text), or_null(status), priority, progress, now_or(s, at) };
        *memory = (Memory){ id, text, now_or(s, at) };
        *ret = (Effect){
                .goal = streq(what, "goal") ? goal : NULL,
                .remember = streq(what, "remember") ? memory : NULL,
                .forget = streq(what, "forget") ? id : NULL,
        };
        return 0;
}

static int change_move_action(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        ActionMove a = { 0 };
        const char *npub;
        Effect effect;
        int64_t tick;
        Memory memory;
        Goal goal;
        int r;

        r = sd_bus_message_read(m, "sxusssssx", &npub, &tick, &a.n, &a.state, &a.event_id, &a.event,
                        &a.payment, &a.reason, &a.cost_msat);
        if (r >= 0)
                r = read_effect(s, m, &goal, &memory, &effect);
        if (r >= 0)
                *ret_error = agent_move_action(s->agents, npub, tick, &a, &effect, ret);
        return r;
}
DEFINE_CHANGE(move_action)

/* Goals and memories. */

static int change_put_goal(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        const char *npub;
        Goal g = { 0 };
        int r;

        r = sd_bus_message_read(m, "ssssxxx", &npub, &g.id, &g.text, &g.status, &g.priority,
                        &g.progress, &g.at);
        if (r < 0)
                return r;
        g.text = or_null(g.text);
        g.status = or_null(g.status);
        g.at = now_or(s, g.at);
        *ret_error = agent_put_goal(s->agents, npub, &g, ret);
        return r;
}
DEFINE_CHANGE(put_goal)

static int change_remember(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        const char *npub;
        Memory memory = { 0 };
        int r;

        r = sd_bus_message_read(m, "sssx", &npub, &memory.id, &memory.text, &memory.at);
        if (r < 0)
                return r;
        memory.at = now_or(s, memory.at);
        *ret_error = agent_remember(s->agents, npub, &memory, ret);
        return r;
}
DEFINE_CHANGE(remember)

static int change_forget(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        const char *npub, *id;
        int r;

        r = sd_bus_message_read(m, "ss", &npub, &id);
        if (r >= 0)
                *ret_error = memory_forget(s->agents->memories, npub, id, ret);
        return r;
}
DEFINE_CHANGE(forget)

static int change_import(Store *s, sd_bus_message *m, Outcome *ret, _unused_ bool *ret_lazy,
                int *ret_error) {
        const char *npub, *json;
        int r;

        r = sd_bus_message_read(m, "ss", &npub, &json);
        if (r >= 0)
                *ret_error = agent_import(s->agents, npub, json, ret);
        return r;
}
DEFINE_CHANGE(import)

/* clang-format off */
const sd_bus_vtable agents_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Add",
                        SD_BUS_ARGS("s", npub, "s", pubkey, "s", name, "s", lifecycle, "s", wish,
                                    "x", balance_msat, "x", cost_msat, "x", failures,
                                    "x", next_tick_at, "x", created_at),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_add, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Set",
                        SD_BUS_ARGS("s", npub, "s", lifecycle, "s", wish, "x", balance_msat,
                                    "x", next_tick_at, "x", cost_msat, "x", failures, "b", lazy),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remove",
                        SD_BUS_ARGS("s", npub), SD_BUS_RESULT("i", verdict, "s", text),
                        method_remove, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Observe",
                        SD_BUS_ARGS("s", npub, "a(sssssxx)", observations),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_observe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("BeginTick",
                        SD_BUS_ARGS("s", npub, "s", trigger, "b", dry, "x", now, "x", keep_texts),
                        SD_BUS_RESULT("i", verdict, "s", text, "x", tick),
                        method_begin_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MoveTick",
                        SD_BUS_ARGS("s", npub, "x", tick, "s", state, "s", think, "s", prompt,
                                    "s", answer, "s", error, "x", prompt_tokens,
                                    "x", completion_tokens, "x", cost_msat, "x", duration_ms,
                                    "a(ussss)", actions),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_move_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MoveAction",
                        SD_BUS_ARGS("s", npub, "x", tick, "u", n, "s", state, "s", event_id,
                                    "s", event, "s", payment, "s", reason, "x", cost_msat,
                                    "(ssssxxx)", effect),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_move_action, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PutGoal",
                        SD_BUS_ARGS("s", npub, "s", id, "s", text, "s", status, "x", priority,
                                    "x", progress, "x", at),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_put_goal, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Remember",
                        SD_BUS_ARGS("s", npub, "s", id, "s", text, "x", at),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_remember, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Forget",
                        SD_BUS_ARGS("s", npub, "s", id), SD_BUS_RESULT("i", verdict, "s", text),
                        method_forget, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Import",
                        SD_BUS_ARGS("s", npub, "s", json), SD_BUS_RESULT("i", verdict, "s", text),
                        method_import, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List",
                        SD_BUS_ARGS("s", after, "u", limit), SD_BUS_RESULT("a" AGENT_ROW, agents),
                        method_list_agents, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Context",
                        SD_BUS_ARGS("s", npub, "x", tick, "s", query), SD_BUS_RESULT("s", json),
                        method_context, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenTicks",
                        SD_BUS_ARGS("x", after), SD_BUS_RESULT("a" OPEN_TICK_ROW, ticks),
                        method_open_ticks, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("FindTick",
                        SD_BUS_ARGS("s", npub, "x", tick), SD_BUS_RESULT("a" OPEN_TICK_ROW, ticks),
                        method_find_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("History",
                        SD_BUS_ARGS("s", npub, "x", before, "u", limit),
                        SD_BUS_RESULT("a" TICK_HISTORY_ROW, ticks),
                        method_tick_history, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Record",
                        SD_BUS_ARGS("s", npub, "x", tick), SD_BUS_RESULT("s", json),
                        method_tick_record, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Goals",
                        SD_BUS_ARGS("s", npub), SD_BUS_RESULT("a" GOAL_ROW, goals),
                        method_list_goals, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Memories",
                        SD_BUS_ARGS("s", npub, "s", query, "u", limit),
                        SD_BUS_RESULT("a(ssx)", memories),
                        method_list_memories, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Count",
                        SD_BUS_ARGS("s", npub, "s", type, "x", since), SD_BUS_RESULT("x", n),
                        method_count_actions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Export",
                        SD_BUS_ARGS("s", npub), SD_BUS_RESULT("s", json),
                        method_export, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
