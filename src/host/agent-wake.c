/* When an agent wakes: one timer for each, and what may not wait for it. */
#include <inttypes.h>
#include <stdio.h>

#include "agents.h"
#include "basic/log.h"
#include "lifecycle.h"
#include "tick.h"

#define ACCURACY      (100 * MSEC)
#define WAKES_AT_ONCE 2  /* by others; after that, evenly over the hour */
#define RETRY_SECONDS 30 /* where a tick could not be begun */
#define OWN_WISH_MAX  (7 * 24 * 3600)

/* What the owner does cannot wait for quiet hours, back-off and rates. */
static bool is_urgent(const char *trigger) {
        static const char *const urgent[] = { "tell", "approval", "deposit", "manual" };

        for (size_t i = 0; i < ELEMENTSOF(urgent); i++)
                if (streq(urgent[i], trigger))
                        return true;
        return false;
}

/* Triggers outlive whoever names them. */
static const char *keep_trigger(const char *trigger) {
        static const char *const names[] = { "heartbeat", "mention", "reply", "dm", "zap",
                "keyword", "job", "tell", "follow_up", "approval", "deposit", "manual" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], trigger))
                        return names[i];
        return "heartbeat";
}

const char *host_agent_why_asleep(const HostAgent *a) {
        const Agents *s = a->host->agents;

        if (a->work->going)
                return "it is being deleted";
        if (!a->host->online)
                return "host mode is off";
        if (a->wish == AGENT_STOPPED)
                return "it is stopped";
        if (a->wish == AGENT_PAUSED)
                return "it is paused";
        if (*a->settings->network && !streq(a->settings->network, s->network))
                return "it was made for another Bitcoin network";
        if (!lifecycle_may_tick(a->lifecycle))
                return a->balance_msat <= 0 ? "it waits for money" : "it has too little money";
        return NULL;
}

Schedule agent_schedule(const HostAgent *a) {
        const AgentWork *w = a->work;

        return (Schedule){
                .key = w->pubkey,
                .heartbeat = a->settings->active ? (int64_t) (a->settings->heartbeat / SEC) : 0,
                .jitter_percent = a->settings->jitter_percent,
                .windows = w->windows,
                .n_windows = w->n_windows,
                .quiet = w->quiet,
                .n_quiet = w->n_quiet,
        };
}

/* The earliest time at which it may wake for what it has been told. */
static int64_t pending_time(const HostAgent *a, int64_t now) {
        const AgentWork *w = a->work;
        Schedule s = agent_schedule(a);
        int64_t at = now, wait;

        if (w->urgent)
                return now;
        wait = pace_wait(&w->wakes, a->settings->wakes_per_hour, WAKES_AT_ONCE,
                        agents_now_ms(a->host->agents));
        at = MAX(at + (wait + 999) / 1000, w->not_before);
        return MAX(at, schedule_quiet_until(&s, at));
}

static int64_t next_time(const HostAgent *a, int64_t now) {
        const AgentWork *w = a->work;
        ScheduleState state = {
                .last = a->last_tick_at,
                .wish = w->wish,
                .not_before = w->not_before,
                .n = (uint64_t) a->tick_count,
        };
        Schedule s = agent_schedule(a);
        int64_t at = schedule_next(&s, &state, now);

        return a->pending_trigger ? MIN(at, pending_time(a, now)) : at;
}

/* ---- beginning */

static void postpone(HostAgent *a) {
        a->work->not_before = agents_now(a->host->agents) + RETRY_SECONDS;
        a->work->urgent = false;
        agent_consider(a);
}

static void on_granted(int error, const char *reason, void *userdata) {
        HostAgent *a = userdata;

        if (error < 0) {
                log_warning("Agent %s waits: the wallet did not take its limits: %s.", a->name,
                                reason);
                a->work->grant = GRANT_UNKNOWN;
                postpone(a);
                return;
        }
        a->work->grant = GRANT_SET;
        agent_consider(a);
}

/* What it may spend is what its settings say, before it does anything. */
int agent_set_grant(HostAgent *a) {
        _cleanup_buffer_ Buffer json = { .max = AGENT_SETTINGS_MAX };
        Agents *s = a->host->agents;
        int r;

        a->work->granting = wallet_call_free(a->work->granting);
        a->work->grant = GRANT_UNKNOWN;
        r = agent_grant_json(a->settings, &json);
        if (r >= 0)
                r = wallet_set_grant(s->wallet, a->key, a->key, json.data, on_granted, a,
                                &a->work->granting);
        if (r >= 0)
                a->work->grant = GRANT_ASKED;
        return r;
}

/* ---- the queue: so many are awake at the same time, those whose owner waits before all others */

void agent_unqueue(HostAgent *a) {
        Agents *s = a->host->agents;
        AgentWork *w = a->work;

        if (!w->queued)
                return;
        *(w->queue_prev ? &w->queue_prev->work->queue_next : &s->queue_first) = w->queue_next;
        *(w->queue_next ? &w->queue_next->work->queue_prev : &s->queue_last) = w->queue_prev;
        w->queue_prev = w->queue_next = NULL;
        w->queued = false;
}

static void enqueue(HostAgent *a) {
        Agents *s = a->host->agents;
        AgentWork *w = a->work;

        if (w->queued && !w->urgent)
                return;
        agent_unqueue(a);
        if (w->urgent) {
                w->queue_next = s->queue_first;
                *(s->queue_first ? &s->queue_first->work->queue_prev : &s->queue_last) = a;
                s->queue_first = a;
        } else {
                w->queue_prev = s->queue_last;
                *(s->queue_last ? &s->queue_last->work->queue_next : &s->queue_first) = a;
                s->queue_last = a;
        }
        w->queued = true;
}

static bool all_places_taken(const Agents *s) {
        return s->n_ticking >= service_config(s->host->service)->host.max_ticks;
}

/* Who has changed his mind since takes no place. */
static void wake_next(Agents *s) {
        while (s->queue_first && !all_places_taken(s)) {
                HostAgent *a = s->queue_first;

                agent_unqueue(a);
                agent_consider(a);
        }
}

/* What others wake it for has no time that it could miss. */
static int64_t lateness(const HostAgent *a) {
        return a->pending_trigger || a->next_tick_at == 0
                               ? -1
                               : MAX(agents_now_ms(a->host->agents) - 1000 * a->next_tick_at,
                                                 INT64_C(0));
}

static void begin(HostAgent *a, int64_t now) {
        AgentWork *w = a->work;
        const char *trigger = a->pending_trigger
                                              ?: w->wish > 0 && w->wish <= now ? "follow_up"
                                                                               : "heartbeat";
        int r;

        r = tick_start(a, trigger, false, &a->tick);
        if (r == -EAGAIN) /* what a former life has left comes first: we are told when */
                return;
        if (r < 0) {
                log_warning("Agent %s could not wake: %s.", a->name, strerror(-r));
                postpone(a);
                return;
        }
        w->counted = true;
        a->late_ms = lateness(a);
        a->host->agents->n_ticking++;
        if (a->pending_trigger && !w->urgent)
                (void) pace_take(&w->wakes, a->settings->wakes_per_hour, WAKES_AT_ONCE,
                                agents_now_ms(a->host->agents));
        a->last_tick_at = now;
        a->pending_trigger = NULL;
        w->urgent = false;
        w->wish = 0;
        host_agent_changed(a, "LastTick", NULL);
}

static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        HostAgent *a = userdata;

        a->work->timer = sd_event_source_disable_unref(a->work->timer);
        agent_consider(a);
        return 0;
}

static void arm(HostAgent *a, int64_t at) {
        Agents *s = a->host->agents;
        int64_t wait_ms = at - agents_now(s) > INT32_MAX ? INT64_C(1000) * INT32_MAX
                                                         : at * 1000 - agents_now_ms(s);
        uint64_t usec = (uint64_t) MAX(wait_ms, INT64_C(0)) * MSEC;
        int r;

        a->work->timer = sd_event_source_disable_unref(a->work->timer);
        r = sd_event_add_time_relative(
                        s->event, &a->work->timer, CLOCK_BOOTTIME, usec, ACCURACY, on_time, a);
        if (r < 0)
                (void) log_error_errno(r, "Agent %s has no timer: %m", a->name);
        else
                (void) sd_event_source_set_description(a->work->timer, "agent-wake");
}

void agent_consider(HostAgent *a) {
        Agents *s = a->host->agents;
        AgentWork *w = a->work;
        int64_t now = agents_now(s), at = SCHEDULE_NEVER;

        w->timer = sd_event_source_disable_unref(w->timer);
        if (a->tick || !s->resumed)
                return;
        if (!host_agent_why_asleep(a))
                at = next_time(a, now);
        if (at > now)
                agent_unqueue(a);
        if (at <= now && w->grant == GRANT_SET) {
                if (all_places_taken(s))
                        enqueue(a);
                else
                        begin(a, now);
                return;
        }
        if (at <= now) {
                if (w->grant == GRANT_UNKNOWN && agent_set_grant(a) < 0)
                        arm(a, now + RETRY_SECONDS);
                agent_publish_profile(a);
                return;
        }
        a->next_tick_at = at == SCHEDULE_NEVER ? 0 : at;
        if (at != SCHEDULE_NEVER)
                arm(a, at);
        if (a->next_tick_at != w->saved_next) {
                w->saved_next = a->next_tick_at;
                agent_save(a);
                host_agent_changed(a, "NextTick", "Asleep", NULL);
        }
}

void agent_recall_wish(HostAgent *a, int64_t next_tick_at) {
        ScheduleState state = { .last = a->last_tick_at, .n = (uint64_t) a->tick_count };
        Schedule s = agent_schedule(a);
        int64_t now = agents_now(a->host->agents);

        if (next_tick_at > 0 &&
                        next_tick_at < schedule_next(&s, &state, MIN(now, next_tick_at)) - 1)
                a->work->wish = next_tick_at;
}

void agents_consider_all(Agents *s) {
        for (size_t i = 0; i < s->n_agents; i++)
                agent_consider(s->list[i]);
}

void agents_switched(Agents *s) {
        agents_consider_all(s);
        for (size_t i = 0; i < s->n_agents; i++)
                host_agent_changed(s->list[i], "Asleep", NULL);
}

/* What was said as a point in time was meant as a distance. */
void agent_clock_jumped(HostAgent *a, int64_t seconds) {
        AgentWork *w = a->work;

        if (w->wish > 0)
                w->wish = MAX(w->wish + seconds, INT64_C(1));
        if (w->not_before > 0)
                w->not_before = MAX(w->not_before + seconds, INT64_C(1));
        w->wakes = w->arrivals = (Pace){ 0 };
}

void host_agent_wake(HostAgent *a, const char *trigger) {
        AgentWork *w = a->work;

        if (!a->pending_trigger || (is_urgent(trigger) && !w->urgent))
                a->pending_trigger = keep_trigger(trigger);
        w->urgent = w->urgent || is_urgent(trigger);
        agent_consider(a);
}

/* ---- the end */

static void count_tick(HostAgent *a, const TickResult *r, int64_t now) {
        AgentWork *w = a->work;

        if (r->tick > 0)
                a->tick_count = MAX(a->tick_count, r->tick);
        a->failures = r->error < 0 ? a->failures + 1 : 0;
        w->not_before = a->failures > 0 ? now + schedule_backoff(w->pubkey, a->failures) : 0;
        if (r->error >= 0)
                a->cost_msat = lifecycle_cost(a->cost_msat, r->cost_msat, a->tick_count);
        if (r->in_seconds > 0)
                w->wish = now + MIN(r->in_seconds, (int64_t) OWN_WISH_MAX);
}

/* The agent's own wish for another heartbeat; whoever writes settings tells the rest. */
static void on_heartbeat_changed(int error, const char *reason, _unused_ void *userdata) {
        if (error < 0)
                log_warning("The heartbeat that an agent wanted could not be written down: %s.",
                                reason);
}

static void want_heartbeat(HostAgent *a, int64_t seconds) {
        AgentEdit edit = { .key = "schedule.heartbeat_seconds" };
        char text[24];

        seconds = MAX(MIN(seconds, (int64_t) (AGENT_HEARTBEAT_MAX / SEC)),
                        (int64_t) (AGENT_HEARTBEAT_MIN / SEC));
        if ((usec_t) seconds * SEC == a->settings->heartbeat)
                return;
        (void) snprintf(text, sizeof(text), "%" PRIi64, seconds);
        edit.value = text;
        if (agent_edit(a, &edit, 1, on_heartbeat_changed, NULL) < 0)
                log_warning("The heartbeat that agent %s wanted could not be written down.",
                                a->name);
}

void host_agent_tick_ended(HostAgent *a, const TickResult *r) {
        Agents *s = a->host->agents;

        a->tick = NULL;
        a->late_ms = -1;
        if (a->work->counted)
                s->n_ticking--;
        else if (!r->dry) { /* by hand: it has seen what there was to see */
                a->last_tick_at = agents_now(s);
                a->pending_trigger = NULL;
        }
        a->work->counted = false;
        if (!r->dry)
                count_tick(a, r, agents_now(s));
        if (s->listener)
                s->listener->tick_ended(a, r, s->listener_userdata);
        host_agent_changed(a, "TickCount", "LastTick", "CostPerTick", "Runway", "Failures",
                        "Ticking", NULL);
        if (!r->dry && r->heartbeat_seconds > 0)
                want_heartbeat(a, r->heartbeat_seconds);
        if (r->cost_msat > 0)
                agents_ask_balance(s, a->key);
        agent_evaluate(a);
        agent_save(a);
        agent_consider(a);
        wake_next(s);
}
