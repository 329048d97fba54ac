/* What a former life has left: ticks that were not over, and actions that were under way. Each goes
 * on where it was; what is on disk says what may have been seen by others, and that is not done
 * twice. */
#include <inttypes.h>
#include <stdio.h>

#include "approve-private.h"
#include "basic/log.h"
#include "tick-private.h"

#define RETRY         (2 * SEC)
#define RECORD_DEPTH  8
#define RECORD_VALUES 65536

static bool tick_is_over(const OpenTick *row) {
        return streq(row->state, "done") || streq(row->state, "failed");
}

/* ---- actions */

static int take_action(
                Hands *h, HostAgent *a, Tick *t, const OpenTick *tick, const ActionRow *row) {
        _cleanup_(action_freep) Action *action = NULL;
        const char *reason = "there is no memory";
        DeedOrder order = {
                .agent = a,
                .tick = streq(row->state, "unknown") ? NULL : t,
                .number = tick->tick,
                .n = row->n,
                .row = row,
        };
        int r;

        if (deed_find(h, a, tick->tick, row->n))
                return 0; /* its tick could not be ended on disk, and it never ended itself */
        r = action_parse_text(row->json, strlen(row->json), &action, &reason);
        if (r < 0) {
                log_warning("%s, tick %" PRIi64 ": action %u of the database cannot be read: %s.",
                                a->key, tick->tick, row->n, reason);
                return r == -ENOMEM ? r : 0;
        }
        order.action = action;
        if (streq(row->state, "waiting"))
                return approval_add(h, &order, row->json, tick->at);
        r = deed_start(h, &order, NULL);
        if (r < 0)
                return r;
        TAKE_PTR(action);
        if (order.tick)
                order.tick->n_deeds++;
        return 0;
}

/* Others may have seen it: it has to be followed to its end. */
static bool has_left(const ActionRow *row) {
        return streq(row->state, "signed") || streq(row->state, "unknown");
}

static bool is_to_come(const ActionRow *row) {
        return streq(row->state, "planned") || streq(row->state, "waiting");
}

/* For the end of the tick: its summary, and a wish for the next time, which was noted to be done.
 */
static void take_plan(Tick *t, const ActionRow *row) {
        _cleanup_(action_freep) Action *a = NULL;
        const char *reason;
        bool waits = streq(row->state, "waiting");
        Plan *p = t->plans + t->n_plans;

        if (t->n_plans == TICK_ACTIONS_MAX || row->n != t->n_plans + 1)
                return;
        *p = (Plan){ .verdict = waits ? POLICY_WAIT : POLICY_GO };
        (void) snprintf(p->type, sizeof(p->type), "%s", row->type);
        if (streq(row->state, "refused"))
                p->verdict = POLICY_REFUSE;
        else if (streq(row->type, action_type_name(ACTION_SCHEDULE)) &&
                        action_parse_text(row->json, strlen(row->json), &a, &reason) >= 0)
                tick_take_wish(t, a);
        t->n_plans++;
}

static int take_actions(Hands *h, HostAgent *a, Tick *t, const OpenTick *tick) {
        bool stopped = tick_is_over(tick) ? false : a->wish == AGENT_STOPPED;
        int r = 0;

        for (size_t i = 0; i < tick->n_actions && r >= 0; i++) {
                const ActionRow *row = tick->actions + i;

                if (t)
                        take_plan(t, row);
                if (has_left(row) || (is_to_come(row) && !stopped))
                        r = take_action(h, a, t, tick, row);
        }
        return r;
}

/* ---- one tick */

/* The first thought's prompt is what the agent was told. */
static int read_context(Tick *t, const char *record) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason, *json;
        char *copy;
        int r;

        r = json_parse(record, strlen(record), RECORD_DEPTH, RECORD_VALUES, &j, &reason);
        if (r >= 0)
                r = json_string(json_get(json_array_at(json_get(j, "thoughts"), 0), "prompt"),
                                &json);
        if (r < 0)
                return r;
        copy = strdup(json);
        return copy ? tick_take_context(t, copy) : -ENOMEM;
}

static void on_record(int error, const char *reason, const char *json, void *userdata) {
        Tick *t = userdata;
        int r = error;

        if (r >= 0) {
                r = read_context(t, json);
                reason = "what it was told is not in the record";
        }
        flow_drive(&t->flow, r < 0 ? flow_fail(&t->flow, r, reason) : flow_go(TICK_COMPOSING));
}

/* Its owner stopped it while it was interrupted: what nobody has seen is not done any more. */
static Step stop(Tick *t, const OpenTick *row) {
        if (take_actions(t->hands, t->agent, NULL, row) < 0)
                log_warning("%s, tick %" PRIi64 ": some actions wait for the next start.",
                                t->agent->key, t->number);
        return flow_fail(&t->flow, -ECANCELED, "its owner stopped it");
}

static Step recall(Tick *t, const OpenTick *row) {
        bool open = streq(row->state, "open"), thinking = streq(row->state, "thinking");
        int r;

        t->dry = row->dry;
        t->at = row->at;
        if (t->agent->wish == AGENT_STOPPED)
                return stop(t, row);
        if ((open || thinking) && hands_now(t->hands) - row->at > TICK_AGE_MAX)
                return flow_fail(&t->flow, -ETIME, "it was interrupted, and that is long ago");
        if (open) {
                t->stale = false; /* an answer of the store was lost, no more */
                return flow_go(TICK_OPEN);
        }
        if (thinking) {
                r = agents_tick(t->hands->agents, t->agent->npub, t->number, on_record, t,
                                &t->asking);
                return r < 0 ? flow_fail(&t->flow, r, "the store could not be asked") : flow_wait();
        }
        r = take_actions(t->hands, t->agent, t, row);
        if (r < 0)
                return flow_fail(&t->flow, r, "there is no memory");
        t->recalled = true;
        return flow_go(TICK_ACTING);
}

static void on_found(
                int error, const char *reason, const OpenTick *rows, size_t n, void *userdata) {
        Tick *t = userdata;

        flow_drive(&t->flow, error < 0 ? flow_fail(&t->flow, error, reason)
                             : n == 0 ? flow_fail(&t->flow, -ENOENT, "the store knows no such tick")
                                      : recall(t, rows));
}

Step tick_recall(Flow *f) {
        Tick *t = flow_tick(f);
        int r;

        r = agents_find(t->hands->agents, t->agent->npub, t->number, on_found, t, &t->asking);
        return r < 0 ? flow_fail(f, r, "the store could not be asked") : flow_wait();
}

/* ---- at the start */

static int take_tick(HostAgent *a, const OpenTick *row) {
        _cleanup_(tick_freep) Tick *t = NULL;
        int r;

        r = tick_new(a, row->trigger, &t);
        if (r < 0)
                return r;
        t->number = row->tick;
        t->dry = row->dry;
        r = tick_launch(t, TICK_RECALLING);
        if (r < 0)
                return r;
        a->tick = TAKE_PTR(t);
        return 0;
}

static void resume(Hands *h, const OpenTick *row) {
        HostAgent *a = host_agent_find(h->host, row->npub);
        bool over = tick_is_over(row);
        int r;

        if (!a || (!over && a->tick)) {
                log_warning("Tick %" PRIi64 " of %s in the database has no agent here.", row->tick,
                                row->npub);
                return;
        }
        r = over ? take_actions(h, a, NULL, row) : take_tick(a, row);
        if (r < 0)
                log_warning_errno(r, "%s, tick %" PRIi64 " waits for the next start: %m", a->key,
                                row->tick);
        else
                log_info("%s, tick %" PRIi64 " is taken up where it was: %s.", a->key, row->tick,
                                row->state);
}

static int ask_open(Hands *h);

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Hands *h = userdata;

        h->retry = sd_event_source_disable_unref(h->retry);
        return ask_open(h);
}

static void on_open(
                int error, const char *reason, const OpenTick *ticks, size_t n, void *userdata) {
        Hands *h = userdata;

        if (error < 0) {
                log_warning("The agents' open ticks could not be read: %s.", reason);
                if (sd_event_add_time_relative(h->event, &h->retry, CLOCK_BOOTTIME, RETRY,
                                    RETRY / 8, on_retry, h) < 0)
                        log_warning("No timer is left; they are taken up at the next start.");
                return;
        }
        for (size_t i = 0; i < n; i++)
                resume(h, ticks + i);
        if (n > 0) {
                h->last_resumed = ticks[n - 1].position;
                if (ask_open(h) < 0)
                        log_warning("Not all open ticks are taken up before the next start.");
                return;
        }
        h->resumed = true;
        if (h->ready)
                h->ready(h->userdata);
}

static int ask_open(Hands *h) {
        return agents_open(h->agents, h->last_resumed, on_open, h, &h->resuming);
}

int ticks_resume(Host *host, void (*ready)(void *userdata), void *userdata) {
        Hands *h = host->hands;

        h->ready = ready;
        h->userdata = userdata;
        return ask_open(h);
}
