/* com.openagents.Pylon1.Agent.Service: one tick of this agent, for pylon-host. */
#include "agent.h"
#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"
#include "mind/prompt.h"
#include "mind/reply.h"
#include "rules.h"

static int refuse_others(Agent *a, sd_bus_message *m, sd_bus_error *error) {
        PeerRole role = bus_server_role(service_server(a->service), m);

        if (role == PEER_HOST || role == PEER_OWNER)
                return 0;
        return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED,
                        "Only the host speaks to an agent's process.");
}

/* What D-Bus does not carry of a text is escaped: it is JSON. */
static int reply_json(sd_bus_message *m, const char *what, const char *json) {
        _cleanup_free_ char *owned = NULL;
        const char *fit;
        int r;

        r = bus_text_json(json, &owned, &fit);
        return r < 0 ? r : sd_bus_reply_method_return(m, "ss", what, fit);
}

static int reply_question(Agent *a, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_buffer_ Buffer b = { .max = 2 * PROMPT_SIZE_MAX };
        int r;

        r = prompt_write(a->context, &b);
        if (r < 0)
                agent_forget(a);
        if (r == -EMSGSIZE)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "The model's context_tokens are too few for any question.");
        return r < 0 ? r : reply_json(m, "think", b.data);
}

static int reply_actions(Agent *a, sd_bus_message *m, const char *answer, size_t size) {
        _cleanup_buffer_ Buffer b = { .max = REPLY_SIZE_MAX };
        int r;

        r = agent_write_reply(a->context, answer, size, &b);
        return r < 0 ? r : reply_json(m, "done", b.data);
}

/* The built-in rules are ours and take no time. */
static int reply_rules(Agent *a, sd_bus_message *m) {
        _cleanup_buffer_ Buffer b = { .max = ANSWER_SIZE_MAX };
        int r;

        r = rules_answer(a->context, &b);
        if (r >= 0)
                r = reply_actions(a, m, b.data, b.size);
        agent_forget(a);
        return r;
}

static void on_mind(
                int error, const char *reason, const char *output, size_t size, void *userdata) {
        Agent *a = userdata;
        int r;

        if (error < 0) {
                log_info("The tick has no answer: %s.", reason);
                r = sd_bus_reply_method_errorf(
                                a->tick, BUS_ERROR_MIND, "The tick has no answer: %s.", reason);
        } else {
                r = reply_actions(a, a->tick, output, size);
                if (r < 0)
                        r = sd_bus_reply_method_errno(a->tick, r, NULL);
        }
        if (r < 0)
                (void) log_warning_errno(r, "The tick could not be answered: %m");
        agent_forget(a);
}

static int method_tick(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Agent *a = userdata;
        _cleanup_free_ char *reason = NULL;
        const char *json;
        int r;

        r = refuse_others(a, m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &json);
        if (r < 0)
                return r;
        if (a->tick)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "This agent is in a tick already.");
        agent_forget(a); /* one that was never answered */
        r = agent_read_context(a->name, json, strlen(json), &a->context, &reason);
        if (r == -EBADMSG && reason)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The context cannot be used: %s.", reason);
        if (r < 0)
                return r;
        a->caller = sd_bus_message_get_bus(m);
        if (!a->context->exec)
                return reply_question(a, m, error);
        if (!a->context->command)
                return reply_rules(a, m);
        r = agent_start_mind(service_event(a->service), a->context, json, on_mind, a, &a->mind);
        if (r < 0) {
                agent_forget(a);
                return sd_bus_error_set_errnof(error, r, "The mind could not be started: %m");
        }
        a->tick = sd_bus_message_ref(m);
        return 1;
}

static int method_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Agent *a = userdata;
        const char *answer;
        int r;

        r = refuse_others(a, m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &answer);
        if (r < 0)
                return r;
        if (!a->context || a->tick)
                return sd_bus_error_set(
                                error, BUS_ERROR_NO_TICK, "No tick waits here for an answer.");
        r = reply_actions(a, m, answer, strlen(answer));
        agent_forget(a);
        return r;
}

/* clang-format off */
static const sd_bus_vtable agent_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Tick",
                        SD_BUS_ARGS("s", context),
                        SD_BUS_RESULT("s", what, "s", text),
                        method_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Answer",
                        SD_BUS_ARGS("s", answer),
                        SD_BUS_RESULT("s", what, "s", text),
                        method_answer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

const BusObject agent_objects[] = {
        { BUS_AGENT_SERVICE, agent_vtable, true },
        { 0 },
};
/* clang-format on */
