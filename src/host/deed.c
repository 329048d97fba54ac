/* The flow of a deed. */
#include "deed.h"

#include <stdarg.h>
#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"

#define LOOKUP_USEC   (20 * SEC) /* for what it has to know before */
#define ASK_USEC      (5 * SEC)  /* one question to the relays */
#define SIGNING_USEC  (20 * SEC)
#define PUBLISH_TRIES 6
#define SENDING_USEC  (UINT64_C(8) * 24 * HOUR) /* the outbox tries for seven days */

static Step deed_plan(Flow *f);
static Step deed_prepare(Flow *f);
static Step deed_sign(Flow *f);
static Step deed_send(Flow *f);
static Step deed_look(Flow *f);
static Step deed_apply(Flow *f);
static int deed_record(Flow *f);
static void deed_changed(Flow *f, int from);
static void deed_over(Flow *f);

/* clang-format off */
static const FlowState deed_states[_DEED_STATE_MAX] = {
        /*                   name         enter         deadline      late         fails        next                               durable */
        [DEED_PLANNED]   = { "planned",   deed_plan,    0,            0,           DEED_FAILED, B(DEED_PREPARING) | B(DEED_APPLYING), true  },
        [DEED_PREPARING] = { "preparing", deed_prepare, LOOKUP_USEC,  DEED_FAILED, DEED_FAILED, B(DEED_SIGNING),                   false },
        [DEED_SIGNING]   = { "signing",   deed_sign,    SIGNING_USEC, DEED_FAILED, DEED_FAILED, B(DEED_SIGNED),                    false },
        [DEED_SIGNED]    = { "signed",    deed_send,    SENDING_USEC, DEED_FAILED, DEED_FAILED, B(DEED_UNKNOWN) | B(DEED_DONE),    true  },
        [DEED_UNKNOWN]   = { "unknown",   deed_look,    0,            0,           DEED_FAILED, B(DEED_DONE),                      true  },
        [DEED_APPLYING]  = { "applying",  deed_apply,   0,            0,           DEED_FAILED, B(DEED_DONE),                      false },
        [DEED_DONE]      = { "done",      .final = true, .durable = true },
        [DEED_FAILED]    = { "failed",    .final = true, .durable = true },
};
/* clang-format on */

/* A payment is never given up by the clock. */
static uint64_t deed_deadline(Flow *f) {
        bool pays = flow_deed(f)->class->pays;

        return f->state == DEED_SIGNED && pays ? UINT64_MAX / 4
                                               : deed_states[f->state].deadline_usec;
}

static const FlowTable deed_table = {
        .name = "action",
        .states = deed_states,
        .n_states = _DEED_STATE_MAX,
        .record = deed_record,
        .deadline = deed_deadline,
        .changed = deed_changed,
        .done = deed_over,
};

/* clang-format off */
static const DeedClass *const classes[_ACTION_TYPE_MAX] = {
        [ACTION_POST]        = &deed_post,
        [ACTION_REPLY]       = &deed_reply,
        [ACTION_REACT]       = &deed_react,
        [ACTION_DM]          = &deed_dm,
        [ACTION_ZAP]         = &deed_zap,
        [ACTION_PAY]         = &deed_pay,
        [ACTION_GOAL_ADD]    = &deed_goal_add,
        [ACTION_GOAL_UPDATE] = &deed_goal_update,
        [ACTION_GOAL_CLOSE]  = &deed_goal_close,
        [ACTION_REMEMBER]    = &deed_remember,
        [ACTION_FORGET]      = &deed_forget,
        [ACTION_SCHEDULE]    = &deed_schedule,
        [ACTION_FOLLOW]      = &deed_follow,
        [ACTION_ASK]         = &deed_ask,
        [ACTION_NOTHING]     = &deed_nothing,
};
/* clang-format on */

const char *deed_state_name(DeedState s) {
        return deed_states[s].name;
}

bool deed_state_is_durable(DeedState s) {
        return deed_states[s].durable;
}

Deed *flow_deed(Flow *f) {
        return container_of(f, Deed, flow);
}

bool deed_is_over(const Deed *d) {
        return d->flow.finished;
}

void deed_remark(Deed *d, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(d->note, sizeof(d->note), format, ap);
        va_end(ap);
}

/* ---- what is on disk */

static int deed_fault(const Deed *d, const char *moment) {
        char name[48];

        (void) snprintf(name, sizeof(name), "action.%s.%s", flow_state_name(&d->flow), moment);
        return fault(name);
}

static void on_written(int verdict, const char *text, void *userdata) {
        Deed *d = userdata;
        int error = MIN(verdict, 0);

        if (error >= 0)
                error = deed_fault(d, "after");
        if (error < 0)
                log_warning("%s, tick %" PRIi64 ", action %u could not be moved to %s: %s.",
                                d->agent->key, d->number, d->n, flow_state_name(&d->flow), text);
        flow_recorded(&d->flow, error);
}

/* Several events are an array. */
static int write_events(const Deed *d, Buffer *b) {
        size_t size;
        int r = 0;

        if (d->n_events > 1)
                r = buffer_add(b, "[", 1);
        for (size_t i = 0; i < d->n_events && r >= 0; i++) {
                const char *json = event_json(d->events[i], &size);

                r = i > 0 ? buffer_add(b, ",", 1) : 0;
                if (r >= 0)
                        r = buffer_add(b, json, size);
        }
        if (r >= 0 && d->n_events > 1)
                r = buffer_add(b, "]", 1);
        return r;
}

static int deed_move(Deed *d, ActionMove *m, agents_verdict_t done) {
        m->npub = d->agent->npub;
        m->tick = d->number;
        m->n = d->n;
        return agents_move_action(d->hands->agents, m, done, d, &d->writing);
}

void deed_payment_id(const Deed *d, char ret[static DEED_PAYMENT_MAX]) {
        (void) snprintf(ret, DEED_PAYMENT_MAX, "%s/%" PRIi64 "/%u", d->agent->key, d->number, d->n);
}

static int deed_record(Flow *f) {
        Deed *d = flow_deed(f);
        _cleanup_buffer_ Buffer events = { .max = ACTION_EVENT_MAX };
        char payment[DEED_PAYMENT_MAX];
        ActionMove m = { .state = flow_state_name(f), .cost_msat = d->cost_msat };
        int r;

        if (f->state == DEED_PLANNED || (f->state == DEED_DONE && f->from == DEED_APPLYING))
                return 1; /* it was written with its tick; with what it does */
        r = deed_fault(d, "before");
        if (r < 0)
                return r;
        if (f->state == DEED_SIGNED && d->n_events > 0) {
                r = write_events(d, &events);
                if (r < 0)
                        return r;
                m.event = events.data;
                m.event_id = event_id_hex(d->events[0]);
        }
        if (d->class->pays && (f->state == DEED_SIGNED || f->state == DEED_UNKNOWN)) {
                deed_payment_id(d, payment);
                m.payment = payment;
        }
        m.reason = f->state == DEED_FAILED ? f->reason : d->note;
        return deed_move(d, &m, on_written);
}

static void deed_changed(Flow *f, int from) {
        Deed *d = flow_deed(f);

        log_debug("%s, tick %" PRIi64 ", action %u (%s): %s -> %s", d->agent->key, d->number, d->n,
                        action_type_name(d->action->type), deed_states[from].name,
                        flow_state_name(f));
}

/* ---- states */

static Step deed_plan(Flow *f) {
        const Deed *d = flow_deed(f);
        bool stays = !d->class->sign || (d->class->stays && d->class->stays(d));

        return flow_go(stays ? DEED_APPLYING : DEED_PREPARING);
}

static Step deed_prepare(Flow *f) {
        Deed *d = flow_deed(f);

        return d->class->prepare ? d->class->prepare(f) : flow_go(DEED_SIGNING);
}

static Step deed_sign(Flow *f) {
        return flow_deed(f)->class->sign(f);
}

static int register_events(Deed *d) {
        int r = 0;

        for (size_t i = 0; i < d->n_events && r >= 0; i++) {
                r = map_put_string(&d->hands->by_event, event_id_hex(d->events[i]), d);
                if (r == -EEXIST && map_get_string(&d->hands->by_event,
                                                    event_id_hex(d->events[i])) == d)
                        r = 0;
        }
        return r;
}

static Step deed_send(Flow *f) {
        Deed *d = flow_deed(f);
        int r;

        r = register_events(d);
        if (r < 0)
                return flow_fail(f, r,
                                r == -EEXIST    ? "the same event is being published already"
                                : r == -ENOBUFS ? "too much is being published"
                                                : "there is no memory");
        return d->class->send(f);
}

static Step deed_look(Flow *f) {
        Deed *d = flow_deed(f);

        deed_rest(d);
        return d->class->look(f);
}

/* Where the store refuses what the action would do, it refuses that it is done. */
static void on_applied(int verdict, const char *text, void *userdata) {
        Deed *d = userdata;

        if (verdict >= 0)
                verdict = fault("action.done.after");
        flow_drive(&d->flow, verdict < 0 ? flow_fail(&d->flow, verdict, text) : flow_go(DEED_DONE));
}

static Step deed_apply(Flow *f) {
        Deed *d = flow_deed(f);
        ActionMove m = { .state = deed_states[DEED_DONE].name, .cost_msat = -1, .reason = d->note };
        int r = fault("action.done.before");

        if (r >= 0)
                r = d->class->apply ? d->class->apply(d, &m) : deed_move(d, &m, on_applied);
        return r < 0 ? flow_fail(f, r, "it could not be written down") : flow_wait();
}

int deed_write(Deed *d, ActionMove *m) {
        return deed_move(d, m, on_applied);
}

/* ---- for the kinds of actions */

int deed_ask_relays(Deed *d, const char *const *filters, uint32_t limit, relay_query_done_t found) {
        const RelayQuestion question = {
                .filters = filters,
                .relays = (const char *const *) d->agent->settings->relays,
                .limit = limit,
                .timeout = ASK_USEC,
        };

        d->query = relay_query_free(d->query);
        return relay_client_query(d->hands->relay, &question, found, d, &d->query);
}

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Deed *d = userdata;

        for (size_t i = 0; i < n && error >= 0 && i < DEED_EVENTS_MAX; i++) {
                error = results[i].error;
                reason = results[i].reason;
                if (error >= 0)
                        d->events[d->n_events++] = event_ref(results[i].event);
        }
        flow_drive(&d->flow, error < 0 ? flow_fail(&d->flow, error, reason) : flow_go(DEED_SIGNED));
}

Step deed_sign_draft(Flow *f) {
        Deed *d = flow_deed(f);
        const Draft *draft = d->draft;
        int r;

        r = signer_sign(d->hands->signer, d->agent->key, &draft, 1, on_signed, d, &d->signing);
        return r < 0 ? flow_fail(f, r, "the signer could not be asked") : flow_wait();
}

Step deed_wrap_draft(Flow *f, const char *recipient) {
        Deed *d = flow_deed(f);
        const char *const recipients[] = { recipient, NULL };
        int r;

        r = signer_wrap(d->hands->signer, d->agent->key, d->draft, recipients, on_signed, d,
                        &d->signing);
        return r < 0 ? flow_fail(f, r, "the signer could not be asked") : flow_wait();
}

static void on_published(int error, const char *reason, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 || d->flow.state != DEED_SIGNED)
                return;
        (void) snprintf(d->refusal, sizeof(d->refusal), "%s", reason);
        if (d->n_tries >= PUBLISH_TRIES || deed_again(d, SEC, MIN_) < 0)
                flow_drive(&d->flow, flow_fail(&d->flow, error, d->refusal));
}

int deed_publish(Deed *d, size_t i, const char *const *relays) {
        d->publishing[i] = relay_publish_free(d->publishing[i]);
        return relay_client_publish(d->hands->relay, event_json(d->events[i], NULL),
                        relays ?: (const char *const *) d->agent->settings->relays, true,
                        i == 0 ? on_published : NULL, d, d->publishing + i);
}

Step deed_publish_note(Flow *f) {
        Deed *d = flow_deed(f);
        int r;

        r = deed_publish(d, 0, (const char *const *) d->relays);
        if (r < 0)
                return flow_fail(f, r, "it could not be handed to the relays");
        deed_rest_after(d, 10 * SEC);
        return flow_wait();
}

static size_t n_targets(const Deed *d) {
        size_t n = strv_length(d->relays);

        if (n == 0)
                n = strv_length(d->agent->settings->relays);
        if (n == 0)
                n = strv_length(service_config(d->hands->host->service)->relays);
        return n;
}

/* One relay is enough: others get it from there, and from the outbox when they are back. */
static void deed_outcome(Deed *d, const char *id, const char *relay, RelayVerdict verdict,
                const char *message) {
        if (d->n_events == 0 || !streq(id, event_id_hex(d->events[0])) ||
                        d->flow.state != DEED_SIGNED || d->class->pays)
                return;
        if (verdict == RELAY_ACCEPTED) {
                flow_drive(&d->flow, flow_go(DEED_DONE));
                return;
        }
        (void) snprintf(d->refusal, sizeof(d->refusal), "%.60s: %.60s", relay, message);
        if (++d->n_refused >= n_targets(d))
                flow_drive(&d->flow, flow_fail(&d->flow, -EREMOTEIO, d->refusal));
}

bool hands_take_outcome(Hands *h, const char *id, const char *relay, RelayVerdict verdict,
                const char *message) {
        Deed *d = map_get_string(&h->by_event, id);

        if (!d)
                return false;
        if (verdict != RELAY_TRYING)
                deed_outcome(d, id, relay, verdict, message);
        return true;
}

void deed_rest(Deed *d) {
        Tick *t = TAKE_PTR(d->tick);

        d->grace = sd_event_source_disable_unref(d->grace);
        d->resting = true;
        if (t)
                tick_deed_rests(t, d);
}

static int on_grace(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        deed_rest(userdata);
        return 0;
}

void deed_rest_after(Deed *d, usec_t usec) {
        d->grace = sd_event_source_disable_unref(d->grace);
        if (!d->tick)
                return;
        if (sd_event_add_time_relative(d->hands->event, &d->grace, CLOCK_BOOTTIME, usec, usec / 32,
                            on_grace, d) < 0)
                deed_rest(d);
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Deed *d = userdata;
        Step (*enter)(Flow * f) = deed_states[d->flow.state].enter;

        d->timer = sd_event_source_disable_unref(d->timer);
        if (enter && !d->flow.recording) /* else it has gone on meanwhile */
                flow_drive(&d->flow, enter(&d->flow));
        return 0;
}

int deed_again(Deed *d, usec_t first, usec_t max) {
        unsigned doubled = MIN(d->n_tries, 16U);
        usec_t pause = MIN(first << doubled, max);

        d->n_tries++;
        d->timer = sd_event_source_disable_unref(d->timer);
        return sd_event_add_time_relative(
                        d->hands->event, &d->timer, CLOCK_BOOTTIME, pause, pause / 8, on_again, d);
}

/* ---- life */

static void forget_events(Deed *d) {
        for (size_t i = 0; i < d->n_events; i++) {
                const char *id = event_id_hex(d->events[i]);

                if (map_get_string(&d->hands->by_event, id) == d) {
                        (void) map_remove_string(&d->hands->by_event, id);
                        if (d->flow.finished)
                                relay_client_forget(d->hands->relay, id);
                }
                d->events[i] = event_unref(d->events[i]);
        }
        d->n_events = 0;
}

Deed *deed_free(Deed *d) {
        Hands *h;

        if (!d)
                return NULL;
        h = d->hands;
        *(d->prev ? &d->prev->next : &h->deeds) = d->next;
        if (d->next)
                d->next->prev = d->prev;
        d->signing = signer_call_free(d->signing);
        d->query = relay_query_free(d->query);
        for (size_t i = 0; i < DEED_EVENTS_MAX; i++)
                d->publishing[i] = relay_publish_free(d->publishing[i]);
        d->paying = wallet_call_free(d->paying);
        d->writing = agents_call_free(d->writing);
        d->timer = sd_event_source_disable_unref(d->timer);
        d->grace = sd_event_source_disable_unref(d->grace);
        forget_events(d);
        if (d->subscription[0]) {
                (void) map_remove_string(&h->by_subscription, d->subscription);
                (void) relay_client_unsubscribe(h->relay, d->subscription, true);
        }
        flow_stop(&d->flow);
        d->draft = draft_free(d->draft);
        d->found = event_unref(d->found);
        strv_free(d->relays);
        action_free(d->action);
        return mfree(d);
}

static void wake_followers(Hands *h, const HostAgent *a);

static void deed_over(Flow *f) {
        Deed *d = flow_deed(f);
        Hands *h = d->hands;
        HostAgent *a = d->agent;
        bool follow = d->action->type == ACTION_FOLLOW;

        if (f->state == DEED_FAILED)
                log_info("%s, tick %" PRIi64 ": %s was not done: %s.", a->key, d->number,
                                action_type_name(d->action->type), f->reason);
        deed_rest(d);
        (void) deed_free(d);
        if (follow)
                wake_followers(h, a);
}

/* Lists are changed one after the other. */
static void wake_followers(Hands *h, const HostAgent *a) {
        Deed *oldest = NULL;

        for (Deed *d = h->deeds; d; d = d->next)
                if (d->agent == a && d->action->type == ACTION_FOLLOW)
                        oldest = d;
        if (oldest && oldest->flow.state == DEED_PREPARING && !oldest->query)
                flow_drive(&oldest->flow, deed_prepare(&oldest->flow));
}

const Deed *deed_before(const Deed *d, ActionType type) {
        for (const Deed *o = d->next; o; o = o->next) /* the newest is the first */
                if (o->agent == d->agent && o->action->type == type && !o->flow.finished)
                        return o;
        return NULL;
}

Deed *deed_find(Hands *h, const HostAgent *a, int64_t number, uint32_t n) {
        for (Deed *d = h->deeds; d; d = d->next)
                if (d->agent == a && d->number == number && d->n == n)
                        return d;
        return NULL;
}

size_t deeds_open(const Hands *h, const HostAgent *a) {
        size_t n = 0;

        for (const Deed *d = h->deeds; d; d = d->next)
                n += d->agent == a && !d->flow.finished;
        return n;
}

static int read_events(Deed *d, const char *json) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;
        int r;

        if (isempty(json))
                return 0;
        if (*json != '[') {
                r = event_parse_trusted(json, strlen(json), &d->events[0], &reason);
                d->n_events = r >= 0;
                return r;
        }
        r = json_parse(json, strlen(json), EVENT_DEPTH_MAX + 1, 65536, &j, &reason);
        for (size_t i = 0; r >= 0 && i < json_array_size(j) && i < DEED_EVENTS_MAX; i++) {
                _cleanup_buffer_ Buffer b = { .max = ACTION_EVENT_MAX };

                r = json_write(&b, json_array_at(j, i));
                if (r >= 0)
                        r = event_parse_trusted(b.data, b.size, &d->events[i], &reason);
                d->n_events += r >= 0;
        }
        return r;
}

/* Where a former life has left it. */
static int deed_read(Deed *d, const ActionRow *row, DeedState *ret) {
        int r;

        d->resumed = true;
        d->cost_msat = row->cost_msat > 0 ? row->cost_msat : -1;
        r = read_events(d, row->event);
        if (r < 0)
                return r;
        *ret = streq(row->state, "signed")    ? DEED_SIGNED
               : streq(row->state, "unknown") ? DEED_UNKNOWN
                                              : DEED_PLANNED;
        return 0;
}

/* It starts with the next turn of the loop, when whoever started it has it. */
static int on_begin(_unused_ sd_event_source *s, void *userdata) {
        Deed *d = userdata;
        DeedState first = d->flow.state;

        d->timer = sd_event_source_disable_unref(d->timer);
        if (flow_start(&d->flow, &deed_table, d->hands->event, (int) first) < 0)
                log_warning("An action of %s waits for the next start.", d->agent->key);
        return 0;
}

int deed_start(Hands *h, const DeedOrder *order, Deed **ret) {
        Deed *d = new0(Deed, 1);
        DeedState first = DEED_PLANNED;
        int r = 0;

        if (!d)
                return -ENOMEM;
        *d = (Deed){
                .hands = h,
                .agent = order->agent,
                .tick = order->tick,
                .number = order->number,
                .n = order->n,
                .class = classes[order->action->type],
                .money = order->money ? *order->money : (PolicyMoney){ 0 },
                .cost_msat = -1,
                .next = h->deeds,
        };
        if (d->next)
                d->next->prev = d;
        h->deeds = d;
        if (order->author)
                (void) snprintf(d->author, sizeof(d->author), "%s", order->author);
        if (order->row)
                r = deed_read(d, order->row, &first);
        d->flow.state = (int) first;
        if (r >= 0)
                r = sd_event_add_defer(h->event, &d->timer, on_begin, d);
        if (r < 0) {
                (void) deed_free(d);
                return r;
        }
        d->action = order->action;
        if (ret)
                *ret = d;
        return 0;
}
