#include "agent.h"

#include <stdio.h>

#include "basic/log.h"
#include "mind/reply.h"

int agent_read_context(
                const char *name, const char *json, size_t size, Context **ret, char **reterr) {
        _cleanup_(context_freep) Context *c = NULL;
        const char *field = NULL, *reason = "there is no memory";
        int r;

        r = context_parse(json, size, &c, &field, &reason);
        if (r >= 0 && !streq(c->name, name)) {
                r = -EBADMSG;
                field = "name";
                reason = "it is another agent's";
        }
        if (r < 0) {
                if (asprintf(reterr, field ? "\"%2$s\": %1$s" : "%s", reason, field) < 0)
                        *reterr = NULL;
                return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int agent_start_mind(sd_event *event, const Context *c, const char *json, exec_done_t done,
                void *userdata, Exec **ret) {
        const ExecOrder order = {
                .argv = c->command,
                .agent = c->name,
                .input = json,
                .input_size = strlen(json),
                .output_max = ANSWER_SIZE_MAX,
                .timeout = (usec_t) c->timeout_s * SEC,
        };

        return exec_start(event, &order, done, userdata, ret);
}

int agent_write_reply(const Context *c, const char *answer, size_t size, Buffer *b) {
        _cleanup_reply_ Reply reply = { 0 };
        int r;

        r = reply_read(answer, size, c, &reply);
        return r < 0 ? r : reply_write(&reply, b);
}

void agent_forget(Agent *a) {
        a->mind = exec_free(a->mind);
        a->tick = sd_bus_message_unref(a->tick);
        a->context = context_free(a->context);
        a->caller = NULL;
}

Agent *agent_free(Agent *a) {
        if (!a)
                return NULL;
        agent_forget(a);
        return mfree(a);
}
