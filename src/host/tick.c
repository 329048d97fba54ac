/* The flow of a tick: the guided tour through host mode begins at its table.
 *
 * "open" is on disk with the observations that are this tick's. What the agent may know is on disk
 * before the agent is asked (thought 0), every thought before it is bought, all its actions with
 * their verdicts before the first is begun. A failure before that gives the observations back. */
#include <inttypes.h>
#include <stdio.h>

#include "approve-private.h"
#include "basic/fault.h"
#include "basic/log.h"
#include "basic/text.h"
#include "tick-private.h"

#define BOOKS_USEC  (10 * SEC) /* the wallet may be away: then the window of the last tick holds */
#define GATHER_USEC (30 * SEC)
#define PLAN_USEC   (30 * SEC)
#define ACT_USEC    (90 * SEC) /* longer than a deed takes to be signed */

static Step tick_begin(Flow *f);
static Step tick_open(Flow *f);
static Step tick_act(Flow *f);
static int tick_record(Flow *f);
static uint64_t tick_deadline(Flow *f);
static void tick_changed(Flow *f, int from);
static void tick_over(Flow *f);

/* clang-format off */
static const FlowState tick_states[_TICK_STATE_MAX] = {
        /*                    name         enter         deadline     late            fails        next                                    durable */
        [TICK_BEGINNING] = { "beginning", tick_begin,   0,           0,              TICK_FAILED, B(TICK_OPEN) | B(TICK_COMPOSING),                          false },
        [TICK_RECALLING] = { "recalling", tick_recall,  GATHER_USEC, TICK_FAILED,    TICK_FAILED, B(TICK_OPEN) | B(TICK_COMPOSING) | B(TICK_ACTING),         false },
        [TICK_OPEN]      = { "open",      tick_open,    BOOKS_USEC,  TICK_GATHERING, TICK_FAILED, B(TICK_GATHERING) | B(TICK_RECALLING),                     true  },
        [TICK_GATHERING] = { "gathering", tick_gather,  GATHER_USEC, TICK_FAILED,    TICK_FAILED, B(TICK_COMPOSING),                                        false },
        [TICK_COMPOSING] = { "composing", tick_compose, MIN_,        TICK_FAILED,    TICK_FAILED, B(TICK_THINKING) | B(TICK_PLANNING),                       true  },
        [TICK_THINKING]  = { "thinking",  tick_think,   MIN_,        TICK_FAILED,    TICK_FAILED, B(TICK_ANSWERING),                                         true  },
        [TICK_ANSWERING] = { "answering", tick_answer,  MIN_,        TICK_FAILED,    TICK_FAILED, B(TICK_THINKING) | B(TICK_PLANNING) | B(TICK_COMPOSING),   false },
        [TICK_PLANNING]  = { "planning",  tick_plan,    PLAN_USEC,   TICK_FAILED,    TICK_FAILED, B(TICK_ACTING),                                            false },
        [TICK_ACTING]    = { "acting",    tick_act,     ACT_USEC,    TICK_DONE,      TICK_FAILED, B(TICK_DONE),                                              true  },
        [TICK_DONE]      = { "done",      .final = true, .durable = true },
        [TICK_FAILED]    = { "failed",    .final = true, .durable = true },
};
/* clang-format on */

static const FlowTable tick_table = {
        .name = "tick",
        .states = tick_states,
        .n_states = _TICK_STATE_MAX,
        .record = tick_record,
        .deadline = tick_deadline,
        .changed = tick_changed,
        .done = tick_over,
};

Tick *flow_tick(Flow *f) {
        return container_of(f, Tick, flow);
}

int64_t tick_number(const Tick *t) {
        return t->number;
}

const char *tick_state(const Tick *t) {
        return flow_state_name(&t->flow);
}

void tick_print_states(void) {
        for (TickState s = 0; s < _TICK_STATE_MAX; s++)
                if (tick_states[s].durable)
                        (void) printf("tick.%s\n", tick_states[s].name);
        for (DeedState s = 0; s < _DEED_STATE_MAX; s++)
                if (deed_state_is_durable(s))
                        (void) printf("action.%s\n", deed_state_name(s));
}

void tick_id(const Tick *t, unsigned n, char ret[static TICK_ID_MAX]) {
        (void) snprintf(ret, TICK_ID_MAX, "%s/%" PRIi64 "/%u", t->agent->key, t->number, n);
}

/* A program of the owner's is killed by the agent at the same time; that is told, if it is faster.
 */
usec_t tick_timeout(const Tick *t) {
        return t->agent->settings->tick_timeout;
}

static uint64_t tick_deadline(Flow *f) {
        const Tick *t = flow_tick(f);

        if (f->state == TICK_COMPOSING || f->state == TICK_ANSWERING)
                return tick_timeout(t) + 5 * SEC;
        if (f->state == TICK_THINKING)
                return tick_timeout(t) + 15 * SEC;
        return tick_states[f->state].deadline_usec;
}

const char *tick_reason(const Tick *t) {
        TickState from = (TickState) t->flow.from;

        if (t->flow.error != -ETIMEDOUT)
                return t->flow.reason;
        return from == TICK_COMPOSING || from == TICK_ANSWERING ? "the agent did not answer in time"
               : from == TICK_THINKING                          ? "its thought took too long"
                                                                : t->flow.reason;
}

/* ---- what is on disk */

static int tick_fault(const Tick *t, const char *moment) {
        char name[48];

        (void) snprintf(name, sizeof(name), "tick.%s.%s", tick_state(t), moment);
        return fault(name);
}

static void tell_number(Tick *t) {
        tick_numbered_t told = TAKE_PTR(t->numbered);

        if (told)
                told(t->number, t->number > 0 ? 0 : MIN(t->flow.error, -EIO),
                                t->number > 0 ? "" : t->flow.reason, t->numbered_userdata);
}

/* 1: one is open already. An answer of the store was lost, or a former end could not be written:
 * what is on disk says where it goes on. */
static void on_begun(int verdict, int64_t number, const char *text, void *userdata) {
        Tick *t = userdata;
        int error = MIN(verdict, 0);

        if (error >= 0) {
                t->number = number;
                t->agent->tick_count = number;
                error = tick_fault(t, "after");
                if (verdict == 1) {
                        t->stale = true;
                        t->flow.next = flow_go(TICK_RECALLING);
                }
                host_agent_changed(t->agent, "TickCount", "Ticking", NULL);
        } else
                log_warning("%s could not begin a tick: %s.", t->agent->key, text);
        tell_number(t);
        flow_recorded(&t->flow, error);
}

static int record_begin(Tick *t) {
        const AgentSettings *s = t->agent->settings;

        if (t->number > 0)
                return 1; /* it was open when it was recalled */
        return agents_begin_tick(t->hands->agents,
                        &(TickStart){
                                        .npub = t->agent->npub,
                                        .trigger = t->trigger,
                                        .dry = t->dry,
                                        .now = t->at,
                                        .keep_texts = (int64_t) (s->keep_texts / SEC),
                        },
                        on_begun, t, &t->writing);
}

static void on_written(int verdict, const char *text, void *userdata) {
        Tick *t = userdata;
        int error = MIN(verdict, 0);

        if (error >= 0)
                error = tick_fault(t, "after");
        if (error < 0)
                log_warning("%s, tick %" PRIi64 " could not be moved to %s: %s.", t->agent->key,
                                t->number, tick_state(t), text);
        flow_recorded(&t->flow, error);
}

static int64_t elapsed_ms(const Tick *t) {
        uint64_t now = t->started;

        (void) sd_event_now(t->hands->event, CLOCK_BOOTTIME, &now);
        return (int64_t) ((now - t->started) / MSEC);
}

/* What the store calls "thinking" are two states here: the agent is asked, what it may know being
 * the prompt of thought 0, and a thought is bought. */
static const char *stored_state(TickState s) {
        return tick_states[s == TICK_COMPOSING ? TICK_THINKING : s].name;
}

/* The answer of a thought rides with the next move. */
static void add_thought(const Tick *t, char id[static TICK_ID_MAX], TickMove *m) {
        switch ((TickState) t->flow.state) {
        case TICK_COMPOSING:
                m->prompt = t->json;
                tick_id(t, 0, id);
                break;
        case TICK_THINKING:
                m->prompt = t->question;
                m->answer = t->n_thoughts > 1 ? t->answer : NULL; /* of the one before */
                tick_id(t, t->n_thoughts, id);
                break;
        case TICK_ACTING:
        case TICK_FAILED:
                m->answer = t->n_thoughts > 0 ? t->answer : t->done;
                if (!m->answer)
                        return;
                tick_id(t, t->n_thoughts, id);
                break;
        case TICK_BEGINNING:
        case TICK_RECALLING:
        case TICK_OPEN:
        case TICK_GATHERING:
        case TICK_ANSWERING:
        case TICK_PLANNING:
        case TICK_DONE:
        case _TICK_STATE_MAX:
                return;
        }
        m->think = id;
}

static int record_move(Tick *t) {
        TickAction actions[TICK_ACTIONS_MAX];
        TickState s = (TickState) t->flow.state;
        char id[TICK_ID_MAX];
        TickMove m = {
                .npub = t->agent->npub,
                .tick = t->number,
                .state = stored_state(s),
                .prompt_tokens = t->prompt_tokens,
                .completion_tokens = t->completion_tokens,
                .cost_msat = t->cost_msat,
                .duration_ms = elapsed_ms(t),
        };

        add_thought(t, id, &m);
        m.error = s == TICK_FAILED ? tick_reason(t) : NULL;
        if (s == TICK_ACTING) {
                tick_plan_rows(t, actions);
                m.actions = actions;
                m.n_actions = t->n_plans;
        }
        return agents_move_tick(t->hands->agents, &m, on_written, t, &t->writing);
}

static int tick_record(Flow *f) {
        Tick *t = flow_tick(f);
        int r;

        if (t->replay)
                return 1; /* the doors are shut */
        r = tick_fault(t, "before");
        if (r < 0)
                return r;
        if (f->state == TICK_OPEN)
                return record_begin(t);
        if (t->number == 0 || (f->state == TICK_ACTING && t->recalled))
                return 1; /* it never was one; it is on disk like this */
        return record_move(t);
}

static void tick_changed(Flow *f, int from) {
        const Tick *t = flow_tick(f);

        log_debug("%s, tick %" PRIi64 ": %s -> %s", t->agent->key, t->number,
                        tick_states[from].name, tick_state(t));
}

/* ---- beginning */

static Step tick_begin(Flow *f) {
        const Tick *t = flow_tick(f);

        if (t->stop)
                return flow_fail(f, -ECANCELED, t->stop);
        return flow_go(t->replay ? TICK_COMPOSING : TICK_OPEN);
}

/* The grant counts what a tick spends from here on. Without an answer the window of the last tick
 * goes on, which allows less. */
static void on_window(int error, const char *reason, void *userdata) {
        Tick *t = userdata;

        if (error < 0 && error != -ENOENT)
                log_debug("%s: the wallet does not know of its tick: %s", t->agent->key, reason);
        flow_drive(&t->flow, flow_go(TICK_GATHERING));
}

static Step tick_open(Flow *f) {
        Tick *t = flow_tick(f);
        char tick[32];
        int r;

        (void) snprintf(tick, sizeof(tick), "%" PRIi64, t->number);
        r = wallet_begin_tick(t->hands->wallet, t->agent->key, tick, on_window, t, &t->paying);
        return r < 0 ? flow_go(TICK_GATHERING) : flow_wait();
}

/* ---- acting */

static bool all_rest(const Tick *t) {
        return t->n_deeds == 0;
}

/* Its tick waits no longer for this deed. */
void tick_deed_rests(Tick *t, Deed *d) {
        assert(t->n_deeds > 0);

        t->n_deeds--;
        if (d->n <= t->n_plans && deed_is_over(d)) {
                t->plans[d->n - 1].under_way = false;
                t->plans[d->n - 1].failed = d->flow.state == DEED_FAILED;
        }
        if (d->cost_msat > 0)
                t->cost_msat += d->cost_msat;
        if (all_rest(t) && t->flow.state == TICK_ACTING)
                flow_drive(&t->flow, flow_go(TICK_DONE));
}

static int begin_plan(Tick *t, uint32_t n, Plan *p) {
        const DeedOrder order = {
                .agent = t->agent,
                .tick = t,
                .number = t->number,
                .n = n,
                .action = p->action,
                .money = &p->money,
                .author = p->author,
        };
        int r;

        if (p->verdict == POLICY_WAIT && approval_add(t->hands, &order, p->json, t->at) < 0)
                log_warning("%s, tick %" PRIi64 ": action %u waits for the next start.",
                                t->agent->key, t->number, n);
        if (p->verdict != POLICY_GO)
                return 0;
        tick_take_wish(t, p->action);
        r = deed_start(t->hands, &order, NULL);
        if (r < 0)
                return r;
        p->action = NULL;
        p->under_way = true;
        t->n_deeds++;
        return 0;
}

static Step tick_act(Flow *f) {
        Tick *t = flow_tick(f);
        int r;

        tick_dismiss(t);
        if (t->replay)
                return flow_go(TICK_DONE);
        for (size_t i = 0; i < t->n_plans && !t->recalled; i++) {
                r = begin_plan(t, (uint32_t) i + 1, t->plans + i);
                if (r < 0)
                        return flow_fail(f, r, "there is no memory");
        }
        return all_rest(t) ? flow_go(TICK_DONE) : flow_wait();
}

/* ---- the end */

/* What was not begun when its tick failed is over on disk, too. */
static void drop_unbegun(Tick *t) {
        for (Deed *d = t->hands->deeds, *next; d; d = next) {
                next = d->next;
                if (d->tick != t)
                        continue;
                d->tick = NULL;
                if (t->flow.state == TICK_FAILED && t->flow.finished &&
                                d->flow.state < (int) DEED_SIGNED)
                        (void) deed_free(d);
        }
}

static void log_done(const Tick *t) {
        const char *summary = t->summary[0] ? t->summary : "nothing";

        if (t->agent->late_ms < 0)
                log_info("%s, tick %" PRIi64 " is done in %" PRIi64 " ms: %s.", t->agent->key,
                                t->number, elapsed_ms(t), summary);
        else
                log_info("%s, tick %" PRIi64 " is done in %" PRIi64 " ms, %" PRIi64 " ms late: %s.",
                                t->agent->key, t->number, elapsed_ms(t), t->agent->late_ms,
                                summary);
}

static void tick_over(Flow *f) {
        Tick *t = flow_tick(f);
        HostAgent *a = t->agent;
        const TickResult result = {
                .tick = t->number,
                .dry = t->dry,
                .error = f->state == TICK_FAILED ? MIN(f->error, -1) : 0,
                .reason = f->state == TICK_FAILED ? tick_reason(t) : "",
                .cost_msat = t->cost_msat,
                .in_seconds = t->in_seconds,
                .heartbeat_seconds = t->heartbeat_seconds,
                .summary = t->summary,
        };

        tick_summarise(t);
        if (t->replay) {
                tick_replayed(t);
                return;
        }
        if (result.error < 0)
                log_event(LOG_INFO, LOG_ID_AGENT_FAILED, LOG_FIELDS("PYLON_AGENT", a->npub),
                                "%s, tick %" PRIi64 " failed: %s.", a->key, t->number,
                                result.reason);
        else
                log_done(t);
        tell_number(t);
        if (f->state == TICK_FAILED)
                approvals_drop_tick(t->hands, a, t->number);
        a->tick = NULL;
        drop_unbegun(t);
        host_agent_tick_ended(a, &result); /* which reads the texts of the result */
        if (t->stale) /* it was the end of another one: what woke the agent is still to come */
                host_agent_wake(a, t->trigger);
        (void) tick_free(t);
}

/* ---- life */

int tick_new(HostAgent *a, const char *trigger, Tick **ret) {
        _cleanup_(tick_freep) Tick *t = new0(Tick, 1);
        int r;

        if (!t)
                return -ENOMEM;
        t->agent = a;
        t->hands = a->host->hands;
        t->at = hands_now(t->hands);
        t->prompt_tokens = t->completion_tokens = -1;
        t->trigger = strdup(trigger);
        if (!t->trigger)
                return -ENOMEM;
        r = sd_event_now(t->hands->event, CLOCK_BOOTTIME, &t->started);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static int on_launch(_unused_ sd_event_source *s, void *userdata) {
        Tick *t = userdata;
        TickState first = (TickState) t->flow.state;

        t->launch = sd_event_source_disable_unref(t->launch);
        if (flow_start(&t->flow, &tick_table, t->hands->event, (int) first) < 0)
                log_warning("A tick of %s waits for the next start.", t->agent->key);
        return 0;
}

int tick_launch(Tick *t, TickState first) {
        t->flow.table = &tick_table;
        t->flow.state = (int) first;
        return sd_event_add_defer(t->hands->event, &t->launch, on_launch, t);
}

int tick_start(HostAgent *a, const char *trigger, bool dry, Tick **ret) {
        _cleanup_(tick_freep) Tick *t = NULL;
        int r;

        if (a->tick)
                return -EBUSY;
        if (!a->host->hands->resumed)
                return -EAGAIN;
        r = tick_new(a, trigger, &t);
        if (r < 0)
                return r;
        t->dry = dry;
        r = tick_launch(t, TICK_BEGINNING);
        if (r < 0)
                return r;
        a->tick = t;
        if (ret)
                *ret = t;
        TAKE_PTR(t);
        return 0;
}

void tick_tell_number(Tick *t, tick_numbered_t told, void *userdata) {
        t->numbered = told;
        t->numbered_userdata = userdata;
        if (t->number > 0)
                tell_number(t);
}

void tick_stop(Tick *t, const char *reason) {
        if (t->launch) {
                free(t->stop);
                t->stop = strdup(reason);
                return;
        }
        flow_drive(&t->flow, flow_fail(&t->flow, -ECANCELED, reason));
}

Tick *tick_free(Tick *t) {
        if (!t)
                return NULL;

        drop_unbegun(t);
        if (t->agent->tick == t)
                t->agent->tick = NULL;
        tick_dismiss(t);
        t->launch = sd_event_source_disable_unref(t->launch);
        t->again = sd_event_source_disable_unref(t->again);
        t->thinking = think_free(t->thinking);
        t->paying = wallet_call_free(t->paying);
        t->asking = agents_call_free(t->asking);
        t->writing = agents_call_free(t->writing);
        for (ActionType i = 0; i < _ACTION_TYPE_MAX; i++)
                t->counting[i].call = agents_call_free(t->counting[i].call);
        flow_stop(&t->flow);
        tick_plans_done(t);
        t->context = context_free(t->context);
        free(t->stop);
        free(t->json);
        free(t->question);
        free(t->answer);
        free(t->done);
        free(t->trigger);
        return mfree(t);
}
