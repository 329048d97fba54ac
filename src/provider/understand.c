#include "understand.h"

#include "gather.h"

static Verdict refuse(const char **ret_reason, const char *reason) {
        *ret_reason = reason;
        return VERDICT_BAD_INPUT;
}

static Verdict check_inputs(const JobRequest *r, const InputRules *rules, const char **ret_reason) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_inputs; i++) {
                n += r->inputs[i].type != INPUT_TEXT;
                if (input_check(r->inputs + i, rules, ret_reason) < 0)
                        return VERDICT_BAD_INPUT;
        }
        if (n > GATHER_MAX || r->n_inputs > TEXT_MESSAGES_MAX)
                return refuse(ret_reason, _("The request has too many inputs."));
        return VERDICT_ACCEPTED;
}

Verdict understand(const Kind *k, const JobRequest *r, const InputRules *rules, TextTask **ret,
                const char **ret_reason) {
        Verdict v;
        int q;

        *ret = NULL;
        if (k->work == KIND_WORK_REQUEST)
                return VERDICT_ACCEPTED;
        v = check_inputs(r, rules, ret_reason);
        if (v != VERDICT_ACCEPTED)
                return v;
        q = text_task_new(k, r, NULL, ret, ret_reason);
        if (q == -EBADMSG)
                return VERDICT_BAD_INPUT;
        return q < 0 ? VERDICT_TROUBLE : VERDICT_ACCEPTED;
}
