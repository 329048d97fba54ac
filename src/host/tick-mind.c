/* The agent's process and what is thought for it. The process knows no key, no socket and no money:
 * it is asked, and may ask for a thought before it answers. While its thought is bought it may die:
 * then another one is told the same once more, and asks for the same thought, which is known by its
 * id and was bought already. */
#include <stdio.h>

#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"
#include "tick-private.h"

#define QUESTION_DEPTH  4
#define QUESTION_VALUES 256
#define THINK_TRIES     4
#define THINK_PAUSE     (2 * SEC)

void tick_dismiss(Tick *t) {
        t->calling = bus_call_free(t->calling);
        t->mind = bus_client_free(t->mind);
}

static int on_crash(_unused_ sd_event_source *s, void *userdata) {
        Tick *t = userdata;

        t->again = sd_event_source_disable_unref(t->again);
        if (t->calling)
                flow_drive(&t->flow, flow_fail(&t->flow, -ECONNRESET, "the agent's process died"));
        return 0;
}

/* It is asked once more by itself; who dies of the same question twice is not asked again. From
 * here the connection cannot be let go of. */
static void on_gone(void *userdata) {
        Tick *t = userdata;

        if (!t->calling || t->again || t->n_crashes++ < TICK_RESTARTS)
                return;
        if (sd_event_add_defer(t->hands->event, &t->again, on_crash, t) < 0)
                log_debug("%s: its deadline ends it.", t->agent->key);
}

static int connect_mind(Tick *t) {
        _cleanup_free_ char *path = NULL;
        char name[AGENT_NAME_LENGTH_MAX + sizeof("agent-")];
        int r;

        if (t->mind)
                return 0;
        (void) snprintf(name, sizeof(name), "agent-%s", t->agent->name);
        r = service_socket(t->hands->host->service, name, &path);
        if (r >= 0)
                r = bus_client_new(t->hands->event, path, &t->mind);
        if (r < 0)
                return r;
        bus_client_on_state(t->mind, NULL, on_gone, t);
        return 0;
}

/* ---- what it says */

static Step take_question(Tick *t, const char *text) {
        if (t->n_thoughts >= TICK_THOUGHTS)
                return flow_fail(&t->flow, -EPROTO, "the agent asked for too many thoughts");
        free(t->question);
        t->question = strdup(text);
        if (!t->question)
                return flow_fail(&t->flow, -ENOMEM, "there is no memory");
        t->n_thoughts++;
        return flow_go(TICK_THINKING);
}

static Step take_done(Tick *t, const char *text) {
        if (strlen(text) > TICK_DONE_MAX)
                return flow_fail(&t->flow, -E2BIG, "the agent's answer is too long");
        free(t->done);
        t->done = strdup(text);
        if (!t->done)
                return flow_fail(&t->flow, -ENOMEM, "there is no memory");
        return flow_go(TICK_PLANNING);
}

static Step take_reply(Tick *t, sd_bus_message *reply) {
        const char *what, *text;

        if (sd_bus_message_read(reply, "ss", &what, &text) < 0)
                return flow_fail(&t->flow, -EBADMSG, "the agent's answer cannot be read");
        if (streq(what, "think"))
                return take_question(t, text);
        if (streq(what, "done"))
                return take_done(t, text);
        return flow_fail(&t->flow, -EPROTO, "the agent said something else than it may");
}

/* A sentence for people, which is to stand within one. */
static Step refused(Tick *t, int error, const char *reason) {
        size_t size = strlen(reason);
        _cleanup_free_ char *words = NULL;

        words = strndup(reason, size > 0 && reason[size - 1] == '.' ? size - 1 : size);
        return flow_fail(&t->flow, error, words);
}

static void on_reply(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        Tick *t = userdata;

        if (error >= 0)
                flow_drive(&t->flow, take_reply(t, reply));
        else if (streq(name, BUS_ERROR_NO_TICK) && t->n_restarts++ < TICK_RESTARTS) {
                t->n_thoughts = 0; /* it died while its thought was bought: another one is there */
                flow_drive(&t->flow, flow_go(TICK_COMPOSING));
        } else
                flow_drive(&t->flow, refused(t, error, reason));
}

static Step ask_mind(Tick *t, const char *method, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = connect_mind(t);
        if (r >= 0)
                r = bus_client_message(t->mind, BUS_AGENT_SERVICE, method, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", text);
        if (r >= 0)
                r = bus_client_call(t->mind, m, 0, on_reply, t, &t->calling);
        return r < 0 ? flow_fail(&t->flow, r, "the agent could not be asked") : flow_wait();
}

Step tick_compose(Flow *f) {
        _cleanup_free_ char *owned = NULL;
        Tick *t = flow_tick(f);
        const char *json;
        int r;

        if (t->replay && t->replay->done && !t->replay->fresh && t->context->exec)
                return take_done(t, t->replay->done); /* its program is not run again */
        tick_dismiss(t);
        r = bus_text_json(t->json, &owned, &json);
        return r < 0 ? flow_fail(f, r, "there is no memory") : ask_mind(t, "Tick", json);
}

Step tick_answer(Flow *f) {
        Tick *t = flow_tick(f);

        return ask_mind(t, "Answer", bus_text_or(t->answer, ""));
}

/* ---- thinking */

typedef struct MindQuestion {
        const Json *messages;
        uint64_t max_tokens;
        const char *model;
} MindQuestion;

static int question_read(const Json *j, MindQuestion *ret) {
        static const JsonField fields[] = {
                { "messages", JSON_ARRAY, offsetof(MindQuestion, messages), true },
                { "max_tokens", JSON_U64, offsetof(MindQuestion, max_tokens), false },
                { "model", JSON_STRING, offsetof(MindQuestion, model), false },
        };
        const char *field, *reason;

        return json_read(j, fields, ELEMENTSOF(fields), ret, &field, &reason);
}

static void add_tokens(int64_t *sum, int64_t n) {
        if (n >= 0)
                *sum = MAX(*sum, INT64_C(0)) + n;
}

static Step take_thought(Tick *t, const char *text) {
        free(t->answer);
        t->answer = strdup(text);
        return t->answer ? flow_go(TICK_ANSWERING)
                         : flow_fail(&t->flow, -ENOMEM, "there is no memory");
}

static int on_think_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Tick *t = userdata;

        t->again = sd_event_source_disable_unref(t->again);
        if (t->flow.state == TICK_THINKING)
                flow_drive(&t->flow, tick_think(&t->flow));
        return 0;
}

static void on_thought(int error, const char *reason, const Thought *thought, void *userdata) {
        Tick *t = userdata;

        if (error == -EAGAIN && t->n_think_tries++ < THINK_TRIES &&
                        sd_event_add_time_relative(t->hands->event, &t->again, CLOCK_BOOTTIME,
                                        THINK_PAUSE, THINK_PAUSE / 8, on_think_again, t) >= 0)
                return; /* nothing is decided: the same id is asked for again */
        if (thought) {
                t->cost_msat += MAX(thought->cost_msat, INT64_C(0));
                add_tokens(&t->prompt_tokens, thought->prompt_tokens);
                add_tokens(&t->completion_tokens, thought->completion_tokens);
        }
        flow_drive(&t->flow, error < 0 ? flow_fail(&t->flow, error, reason)
                                       : take_thought(t, thought->text));
}

/* The agent says what is thought about; its owner says by whom, and how much. */
static int think(Tick *t, const MindQuestion *q, const char *messages) {
        const AgentSettings *s = t->agent->settings;
        char id[TICK_ID_MAX];
        uint64_t max_tokens = MIN(q->max_tokens, (uint64_t) s->max_tokens);
        const ThinkOrder order = {
                .id = id,
                .key = t->agent->key,
                .account = t->agent->key,
                .grant = t->agent->key,
                .mind = s->mind,
                .model = s->model,
                .messages = messages,
                .max_tokens = (uint32_t) max_tokens,
                .max_msat = s->thought_max_msat,
                .timeout = tick_timeout(t),
                .providers = (const char *const *) s->providers,
                .encrypt = s->encrypt,
        };

        tick_id(t, t->n_thoughts, id);
        if (t->replay)
                tick_replay_id(t, id);
        t->thinking = think_free(t->thinking);
        return think_start(t->hands->thinker, &order, on_thought, t, &t->thinking);
}

Step tick_think(Flow *f) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_buffer_ Buffer messages = { .max = TICK_DONE_MAX };
        Tick *t = flow_tick(f);
        const char *reason = "there is no memory", *recorded;
        MindQuestion q = { .max_tokens = UINT64_MAX };
        int r;

        recorded = t->replay && !t->replay->fresh ? t->replay->answers[t->n_thoughts - 1] : NULL;
        if (recorded)
                return take_thought(t, recorded);
        if (t->replay && !t->replay->fresh)
                return flow_fail(f, -ENODATA, "this thought is not in the record");
        r = json_parse(t->question, strlen(t->question), QUESTION_DEPTH, QUESTION_VALUES, &j,
                        &reason);
        if (r >= 0)
                r = question_read(j, &q);
        if (r >= 0)
                r = json_write(&messages, q.messages);
        if (r < 0)
                return flow_fail(f, r, "the agent's question cannot be read");
        r = think(t, &q, messages.data);
        return r < 0 ? flow_fail(f, r, "its thought could not be begun") : flow_wait();
}
