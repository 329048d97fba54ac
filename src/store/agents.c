/* What agents do to more than one of their tables, see agents.h. */
#include "agents.h"

#include "basic/fault.h"

#define FORGOTTEN_AT_ONCE 64 /* ticks whose texts go when another begins */

int agents_new(Sql *db, SettingTable *settings, Agents **ret) {
        _cleanup_(agents_freep) Agents *a = NULL;
        int r;

        a = new0(Agents, 1);
        if (!a)
                return -ENOMEM;
        a->settings = settings;
        r = agent_table_new(db, &a->agents);
        if (r >= 0)
                r = observation_table_new(db, &a->observations);
        if (r >= 0)
                r = tick_table_new(db, &a->ticks);
        if (r >= 0)
                r = action_table_new(db, &a->actions);
        if (r >= 0)
                r = goal_table_new(db, &a->goals);
        if (r >= 0)
                r = memory_table_new(db, &a->memories);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Agents *agents_free(Agents *a) {
        if (!a)
                return NULL;

        a->memories = memory_table_free(a->memories);
        a->goals = goal_table_free(a->goals);
        a->actions = action_table_free(a->actions);
        a->ticks = tick_table_free(a->ticks);
        a->observations = observation_table_free(a->observations);
        a->agents = agent_table_free(a->agents);
        outcome_done(&a->outcome);
        return mfree(a);
}

static const char no_agent[] = "there is no such agent";
static const char no_tick[] = "there is no such tick";

/* Observing. */

static int evict(Agents *a, const char *npub, int64_t given_up) {
        int64_t n;
        int r;

        r = observation_evict(a->observations, npub, &n);
        return r < 0 ? r : agent_drops(a->agents, npub, n + given_up);
}

int agent_observe(Agents *a, const char *npub, const Observation *list, size_t n, Outcome *ret) {
        bool news = false;
        int r;

        if (n > OBSERVATIONS_AT_ONCE)
                return outcome_say(ret, -E2BIG, "more than 256 observations at once");
        for (size_t i = 0; i < n; i++) {
                const char *fault = observation_fault(list + i);

                if (fault)
                        return outcome_say(ret, -EINVAL, fault);
        }
        r = agent_has(a->agents, npub);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_agent);

        for (size_t i = 0; i < n; i++) {
                r = observation_add(a->observations, npub, list + i);
                if (r < 0)
                        return r;
                news |= r > 0;
        }
        if (!news)
                return outcome_say(ret, 1, "it was seen already");
        r = evict(a, npub, 0);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

/* Beginning. */

/* What may go goes when there is something to write anyway: nobody wakes up for it. */
static int forget_old(Agents *a, const TickStart *s, int64_t number) {
        int64_t ids[FORGOTTEN_AT_ONCE];
        size_t n = 0;
        int r = 0;

        if (s->keep_texts >= 0 && s->keep_texts <= s->now)
                r = tick_expired(a->ticks, s->npub, s->now - s->keep_texts, ids, ELEMENTSOF(ids),
                                &n);
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = tick_forget_texts(a->ticks, ids[i]);
                if (r >= 0)
                        r = observation_forget_texts(a->observations, ids[i]);
        }
        return r < 0 ? r : tick_prune(a->ticks, s->npub, number);
}

static int begin(Agents *a, const TickStart *s, int64_t number, int64_t dropped) {
        int64_t id;
        int r;

        r = tick_add(a->ticks, s, number, dropped, &id);
        if (r >= 0)
                r = agent_ticks(a->agents, s->npub, number, s->now);
        if (r < 0 || s->dry)
                return r;
        r = observation_take(a->observations, s->npub, id);
        return r < 0 ? r : agent_forgets_drops(a->agents, s->npub);
}

int agent_begin_tick(Agents *a, const TickStart *s, int64_t *ret_number, Outcome *ret) {
        int64_t number, dropped;
        int r;

        *ret_number = 0;
        if (!is_word(s->trigger))
                return outcome_say(ret, -EINVAL, "what woke it is one word");
        if (s->now < 0 || s->keep_texts < -1)
                return outcome_say(ret, -EINVAL, "a time is out of range");
        r = agent_next_tick(a->agents, s->npub, &number, &dropped);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_agent);
        r = tick_find_open(a->ticks, s->npub, ret_number);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, 1, "a tick is open");

        r = begin(a, s, number, dropped);
        if (r >= 0)
                r = forget_old(a, s, number);
        if (r >= 0)
                r = fault("store.tick.begun");
        if (r < 0)
                return r;
        *ret_number = number;
        return outcome_say(ret, 0, "");
}

/* Moving a tick. */

static int may_think(Agents *a, const Tick *tick, const Thought *th, Outcome *ret) {
        int64_t n;
        int r;

        if (isempty(th->id) || strlen(th->id) > OBSERVATION_ID_MAX || isempty(th->prompt))
                return outcome_say(ret, -EINVAL, "a thought has an id and a prompt");
        r = thought_has(a->ticks, tick->id, th->id, &n);
        if (r < 0)
                return r;
        if (r > 0)
                return outcome_say(ret, 1, "it is being thought already");
        if (n >= TICK_THOUGHTS_MAX)
                return outcome_say(ret, -E2BIG, "a tick has at most 8 thoughts");
        return outcome_say(ret, 0, "");
}

static int may_act(const TickMove *m, Outcome *ret) {
        const char *fault;
        int r;

        r = actions_check(m->actions, m->n_actions, &fault);
        if (r < 0)
                return r;
        return fault ? outcome_say(ret, -EINVAL, fault) : outcome_say(ret, 0, "");
}

static int has_acted(Agents *a, const Tick *tick, const TickMove *m, Outcome *ret) {
        int r = actions_are(a->actions, tick->id, m->actions, m->n_actions);

        if (r < 0)
                return r;
        return r > 0 ? outcome_say(ret, 1, "acting")
                     : outcome_say(ret, -EALREADY, "the tick has other actions already");
}

static int may_be_done(Agents *a, const Tick *tick, Outcome *ret) {
        int r = tick->dry ? 0 : action_is_planned(a->actions, tick->id);

        if (r < 0)
                return r;
        return r > 0 ? outcome_say(ret, -EBUSY, "an action of the tick is still planned")
                     : outcome_say(ret, 0, "");
}

static int transition(Agents *a, const Tick *tick, TickState to, const TickMove *m, Outcome *ret) {
        if (m->n_actions > 0 && to != TICK_ACTING)
                return outcome_say(ret, -EINVAL, "actions come when the tick begins to act");
        if (tick_state_is_final(tick->state))
                return tick->state == to ? outcome_say(ret, 1, tick_state_name(to))
                                         : outcome_say(ret, -EALREADY, "the tick is over");
        if (tick->state == TICK_ACTING && to == TICK_ACTING)
                return has_acted(a, tick, m, ret);
        if (!tick_may_go(tick->state, to))
                return to == TICK_DONE ? outcome_say(ret, -EINVAL, "the tick has not acted yet")
                                       : outcome_say(ret, -EALREADY,
                                                         "the tick is further than that");
        if (to == TICK_THINKING)
                return may_think(a, tick, &m->thought, ret);
        if (to == TICK_ACTING)
                return may_act(m, ret);
        return to == TICK_DONE ? may_be_done(a, tick, ret) : outcome_say(ret, 0, "");
}

/* A new thought comes with the answer of the one before it. */
static int put_thoughts(Agents *a, const Tick *tick, TickState to, const Thought *th) {
        int64_t n;
        int r;

        if (to != TICK_THINKING)
                return thought_put(a->ticks, tick->id, th);
        r = thought_has(a->ticks, tick->id, th->id, &n);
        if (r >= 0 && n > 0)
                r = thought_put(a->ticks, tick->id, &(Thought){ "", "", th->answer });
        return r < 0 ? r : thought_put(a->ticks, tick->id, &(Thought){ th->id, th->prompt, "" });
}

static int add_actions(Agents *a, const Tick *tick, const TickMove *m) {
        _cleanup_buffer_ Buffer json;
        int r;

        buffer_init(&json, TICK_ACTIONS_MAX * (ACTION_JSON_MAX + 1) + 2);
        r = buffer_add_string(&json, "[");
        for (size_t i = 0; i < m->n_actions && r >= 0; i++) {
                r = action_add(a->actions, m->npub, tick->id, tick->dry, m->actions + i);
                if (r >= 0)
                        r = buffer_addf(&json, "%s%s", i > 0 ? "," : "", m->actions[i].json);
        }
        if (r >= 0)
                r = buffer_add_string(&json, "]");
        return r < 0 ? r : tick_set_actions(a->ticks, tick->id, json.data);
}

/* What it has seen was not answered, unless it had begun to. */
static int fail(Agents *a, const Tick *tick, const TickMove *m) {
        int64_t given_up;
        int r;

        r = action_fail_rest(a->actions, tick->id,
                        isempty(m->facts.error) ? "the tick failed" : m->facts.error);
        if (r < 0 || tick->state == TICK_ACTING)
                return r;
        r = observation_give_back(a->observations, tick->id, &given_up);
        return r < 0 ? r : evict(a, m->npub, given_up);
}

int agent_move_tick(Agents *a, const TickMove *m, Outcome *ret) {
        int r, to = tick_state_of(m->state);
        Tick tick;

        if (to < 0)
                return outcome_say(ret, -EINVAL, "there is no such state");
        r = tick_find(a->ticks, m->npub, m->tick, &tick);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_tick);
        r = transition(a, &tick, (TickState) to, m, ret);
        if (r < 0 || ret->verdict != 0)
                return r;

        r = put_thoughts(a, &tick, (TickState) to, &m->thought);
        if (r >= 0)
                r = tick_update(a->ticks, tick.id, (TickState) to, &m->facts);
        if (r >= 0 && to == TICK_ACTING)
                r = add_actions(a, &tick, m);
        if (r >= 0 && to == TICK_FAILED)
                r = fail(a, &tick, m);
        return r < 0 ? r : fault("store.tick.moved");
}

/* Moving an action. */

static int take_effect(Agents *a, const char *npub, const Effect *e, Outcome *ret) {
        if (e->goal)
                return goal_put(a->goals, npub, e->goal, ret);
        if (e->remember)
                return memory_add(a->memories, npub, e->remember, ret);
        if (!isempty(e->forget))
                return memory_forget(a->memories, npub, e->forget, ret);
        return 0;
}

int agent_move_action(Agents *a, const char *npub, int64_t number, ActionMove *m, const Effect *e,
                Outcome *ret) {
        bool effective = e->goal || e->remember || !isempty(e->forget);
        Tick tick;
        int r;

        r = tick_find(a->ticks, npub, number, &tick);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_tick);
        m->tick = tick.id;
        r = action_may_move(a->actions, m, ret);
        if (r < 0 || ret->verdict != 0)
                return r;
        if (effective && !streq(m->state, "done"))
                return outcome_say(ret, -EINVAL, "an effect comes when the action is done");

        r = take_effect(a, npub, e, ret);
        if (r < 0 || ret->verdict < 0)
                return r;
        r = action_move(a->actions, m);
        if (r >= 0)
                r = fault("store.action.moved");
        return r < 0 ? r : outcome_say(ret, 0, "");
}

/* Goals and memories that are the owner's. */

int agent_put_goal(Agents *a, const char *npub, const Goal *g, Outcome *ret) {
        int r = agent_has(a->agents, npub);

        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_agent);
        return goal_put(a->goals, npub, g, ret);
}

int agent_remember(Agents *a, const char *npub, const Memory *m, Outcome *ret) {
        int r = agent_has(a->agents, npub);

        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, no_agent);
        return memory_add(a->memories, npub, m, ret);
}

/* Removing. */

/* 1 = there is more: a long history takes a while, and others want to be served meanwhile. Who is
 * interrupted comes again, or finds an agent with less of a past. */
static int erase(Agents *a, const char *npub) {
        int r;

        r = tick_remove_some(a->ticks, npub); /* with thoughts, actions and what it had seen */
        if (r != 0)
                return r;
        r = observation_remove_all(a->observations, npub);
        if (r >= 0)
                r = goal_remove_all(a->goals, npub);
        if (r >= 0)
                r = memory_remove_all(a->memories, npub);
        if (r >= 0)
                r = setting_remove_of_agent(a->settings, npub);
        return r < 0 ? r : agent_remove(a->agents, npub);
}

int agent_erase(Agents *a, const char *npub, Outcome *ret) {
        int64_t number;
        int r;

        r = agent_has(a->agents, npub);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, 1, no_agent);
        r = tick_find_open(a->ticks, npub, &number);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, -EBUSY, "a tick of it is not over");
        /* What waits for its owner, or for a relay, goes with the agent. */
        r = action_is_paying(a->actions, npub);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, -EBUSY, "a payment of it is not over");
        r = erase(a, npub);
        if (r < 0)
                return r;
        return r > 0 ? outcome_say(ret, AGENT_REMOVE_MORE, "a part is gone")
                     : outcome_say(ret, 0, "");
}
