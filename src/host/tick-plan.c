/* What an agent wants, and what is to become of it. Its answer is read again by the host, whatever
 * its process made of it: the same code, in another process, is what can be relied upon. */
#include <stdio.h>
#include <time.h>

#include "basic/text.h"
#include "tick-private.h"

#define DONE_DEPTH   4
#define DONE_VALUES  16384
#define REFUSED_TEXT 400 /* bytes of what was refused that are kept */
#define QUESTION_MAX 150 /* bytes of a question that a signal tells */
#define DAY          (24 * 3600)

void tick_plans_done(Tick *t) {
        for (size_t i = 0; i < t->n_plans; i++) {
                action_free(t->plans[i].action);
                free(t->plans[i].json);
        }
        t->n_plans = 0;
}

static const char *outcome(const Plan *p) {
        return p->verdict == POLICY_REFUSE ? "refused"
               : p->verdict == POLICY_WAIT ? "waits"
               : p->failed                 ? "failed"
               : p->under_way              ? "under way"
                                           : "";
}

static void add_summary(Tick *t, const char *type, const char *text, const char *state) {
        size_t n = strlen(t->summary), max = sizeof(t->summary) - n;
        int size;

        size = snprintf(t->summary + n, max, "%s%s%s%s%s%s%s%s", n > 0 ? ", " : "", type,
                        *text ? " \"" : "", text, *text ? "\"" : "", *state ? " (" : "", state,
                        *state ? ")" : "");
        if (size < 0 || (size_t) size >= max)
                t->summary[n] = 0; /* what does not fit is in the history */
}

void tick_summarise(Tick *t) {
        t->summary[0] = 0;
        for (size_t i = 0; i < t->n_plans; i++)
                add_summary(t, t->plans[i].type, t->plans[i].question, outcome(t->plans + i));
}

/* ---- reading */

/* What could not be read is kept as a text, for its owner and for the agent. */
static int add_refused(Tick *t, const char *text, const char *reason) {
        _cleanup_buffer_ Buffer b = { .max = ACTION_JSON_MAX };
        Plan *p = t->plans + t->n_plans;
        int r;

        if (t->n_plans == TICK_ACTIONS_MAX)
                return 0; /* the first of them say what is wrong */
        r = json_write_string(&b, text, utf8_prefix(text, strlen(text), REFUSED_TEXT));
        if (r < 0)
                return r;
        *p = (Plan){ .verdict = POLICY_REFUSE, .json = buffer_take(&b, NULL) };
        if (!p->json)
                return -ENOMEM;
        (void) snprintf(p->type, sizeof(p->type), "unknown");
        (void) snprintf(p->reason, sizeof(p->reason), "%s", reason);
        t->n_plans++;
        return 0;
}

static bool is_there_already(const Tick *t, const char *json) {
        for (size_t i = 0; i < t->n_plans; i++)
                if (streq(t->plans[i].json, json))
                        return true;
        return false;
}

static bool is_observation(const Tick *t, const char *id) {
        for (size_t i = 0; i < t->context->n_observations; i++)
                if (streq(t->context->observations[i].id, id))
                        return true;
        return false;
}

static int add_action(Tick *t, const Json *j) {
        _cleanup_(action_freep) Action *a = NULL;
        _cleanup_buffer_ Buffer text = { .max = TICK_DONE_MAX };
        const char *reason = "there is no memory";
        Plan *p = t->plans + t->n_plans;
        int r;

        r = action_parse(j, &a, &reason);
        if (r == -EBADMSG) {
                r = json_write(&text, j);
                return r < 0 ? r : add_refused(t, text.data, reason);
        }
        if (r < 0)
                return r;
        if (a->to_is == ACTION_TO_EITHER)
                a->to_is = is_observation(t, a->to) ? ACTION_TO_EVENT : ACTION_TO_KEY;
        *p = (Plan){ 0 };
        r = action_json(a, &p->json);
        if (r < 0)
                return r;
        if (a->type != ACTION_NOTHING && is_there_already(t, p->json)) {
                p->verdict = POLICY_REFUSE;
                (void) snprintf(p->reason, sizeof(p->reason), "the same is in this answer already");
        }
        (void) snprintf(p->type, sizeof(p->type), "%s", action_type_name(a->type));
        if (a->type == ACTION_ASK)
                (void) snprintf(p->question, sizeof(p->question), "%.*s",
                                (int) utf8_prefix(a->text, strlen(a->text), QUESTION_MAX), a->text);
        p->action = TAKE_PTR(a);
        t->n_plans++;
        return 0;
}

static int read_refused(Tick *t, const Json *list) {
        int r = 0;

        for (size_t i = 0; i < json_array_size(list) && r >= 0; i++) {
                const Json *j = json_array_at(list, i);
                const char *text = "", *reason = "it could not be read";

                (void) json_string(json_get(j, "text"), &text);
                (void) json_string(json_get(j, "reason"), &reason);
                r = add_refused(t, text, reason);
        }
        return r;
}

/* Where there are too many, the last one makes room for the word that there were. */
static int read_done(Tick *t, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const Json *list, *refused;
        size_t n, max = TICK_ACTIONS_MAX;
        int r;

        r = json_parse(t->done, strlen(t->done), DONE_DEPTH, DONE_VALUES, &j, reterr);
        if (r < 0)
                return r;
        list = json_get(j, "actions");
        refused = json_get(j, "refused");
        n = json_array_size(list);
        if (n + json_array_size(refused) > max)
                max--;
        for (size_t i = 0; i < MIN(n, max) && r >= 0; i++)
                r = add_action(t, json_array_at(list, i));
        if (r >= 0 && n > max)
                r = add_refused(t, "", "these are too many actions for one answer");
        return r < 0 ? r : read_refused(t, refused);
}

/* ---- deciding */

/* Somebody who has woken it is awake himself. */
static bool is_quiet(const Tick *t) {
        time_t now = (time_t) hands_now(t->hands);
        struct tm local;

        if (streq(t->trigger, "tell") || streq(t->trigger, "manual"))
                return false;
        if (!localtime_r(&now, &local))
                return false;
        return policy_is_quiet(
                        t->agent->settings->quiet, (unsigned) (60 * local.tm_hour + local.tm_min));
}

static int read_seen(const Tick *t, PolicySeen **ret) {
        const Context *c = t->context;
        PolicySeen *seen = new0(PolicySeen, c->n_observations + 1);

        if (!seen)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_observations; i++)
                seen[i] = (PolicySeen){
                        .id = c->observations[i].id,
                        .author = c->observations[i].author,
                        .what = c->observations[i].what,
                };
        *ret = seen;
        return 0;
}

static void find_author(const PolicyFacts *f, const Action *a, char ret[static HEX32_MAX]) {
        for (size_t i = 0; i < f->n_seen && a->to_is != ACTION_TO_NOBODY; i++)
                if (streq(f->seen[i].id, a->to) && strlen(f->seen[i].author) == HEX32_MAX - 1)
                        memcpy(ret, f->seen[i].author, HEX32_MAX);
}

static void decide(PolicyFacts *f, Plan *p) {
        if (!p->action || p->verdict == POLICY_REFUSE)
                return;
        p->verdict = policy_decide(f, p->action, &p->money, p->reason);
        if (p->verdict == POLICY_REFUSE)
                return;
        find_author(f, p->action, p->author);
        f->n_waiting += p->verdict == POLICY_WAIT;
        f->done[p->action->type]++;
        f->spent_msat += p->money.msat;
        f->n_open += policy_is_outward(p->action->type);
        if (f->free_msat >= 0)
                f->free_msat -= MIN(p->money.msat, f->free_msat);
}

static Step decide_all(Tick *t) {
        _cleanup_free_ PolicySeen *seen = NULL;
        PolicyFacts f = {
                .settings = t->agent->settings,
                .self_hex = t->agent->pubkey_hex,
                .network = service_config(t->hands->host->service)->network,
                .now = hands_now(t->hands),
                .quiet = is_quiet(t),
                .dry = t->dry,
                .n_seen = t->context->n_observations,
                .free_msat = t->agent->balance_msat,
                .spent_msat = t->cost_msat,
                .n_open = deeds_open(t->hands, t->agent),
                .n_waiting = t->agent->n_approvals,
        };

        if (read_seen(t, &seen) < 0)
                return flow_fail(&t->flow, -ENOMEM, "there is no memory");
        f.seen = seen;
        memcpy(f.done, t->counts, sizeof(f.done));
        for (size_t i = 0; i < t->n_plans; i++)
                decide(&f, t->plans + i);
        return flow_go(TICK_ACTING);
}

/* ---- what was done within a day, of each kind that it wants more of */

static void on_count(int error, const char *reason, int64_t n, void *userdata) {
        Count *c = userdata;
        Tick *t = c->tick;

        t->n_counting--;
        if (t->flow.state != TICK_PLANNING)
                return;
        if (error < 0) {
                flow_drive(&t->flow, flow_fail(&t->flow, error, reason));
                return;
        }
        t->counts[c->type] = (uint32_t) MIN(n, (int64_t) UINT32_MAX / 2);
        if (t->n_counting == 0)
                flow_drive(&t->flow, decide_all(t));
}

static bool is_wanted(const Tick *t, ActionType type) {
        for (size_t i = 0; i < t->n_plans; i++)
                if (t->plans[i].action && t->plans[i].action->type == type)
                        return true;
        return false;
}

static int count(Tick *t, ActionType type) {
        Count *c = t->counting + type;
        int r;

        *c = (Count){ .tick = t, .type = type };
        r = agents_count(t->hands->agents, t->agent->npub, action_type_name(type),
                        hands_now(t->hands) - DAY, on_count, c, &c->call);
        t->n_counting += r >= 0;
        return r;
}

Step tick_plan(Flow *f) {
        Tick *t = flow_tick(f);
        const char *reason = "there is no memory";
        int r;

        tick_dismiss(t);
        r = read_done(t, &reason);
        for (ActionType type = 0; type < _ACTION_TYPE_MAX && r >= 0; type++)
                if ((policy_is_outward(type) || type == ACTION_ASK) && is_wanted(t, type)) {
                        reason = "the store could not be asked";
                        r = count(t, type);
                }
        if (r < 0)
                return flow_fail(f, r, reason);
        return t->n_counting > 0 ? flow_wait() : decide_all(t);
}

/* ---- what is written down */

void tick_plan_rows(const Tick *t, TickAction *ret) {
        for (size_t i = 0; i < t->n_plans; i++) {
                const Plan *p = t->plans + i;

                ret[i] = (TickAction){
                        .n = (uint32_t) i + 1,
                        .type = p->type,
                        .json = p->json,
                        .state = p->verdict == POLICY_GO     ? "planned"
                                 : p->verdict == POLICY_WAIT ? "waiting"
                                                             : "refused",
                        .reason = p->reason,
                };
        }
}

void tick_take_wish(Tick *t, const Action *a) {
        if (a->type != ACTION_SCHEDULE)
                return;
        if (a->in_seconds > 0)
                t->in_seconds = a->in_seconds;
        if (a->heartbeat_seconds > 0)
                t->heartbeat_seconds = a->heartbeat_seconds;
}
