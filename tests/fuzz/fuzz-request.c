/* What a stranger asks for: the request, as every kind of work that models do, with and without
 * what was fetched (after the first NUL, for all inputs), and what a model says to it. */
#include "answer.h"
#include "html.h"
#include "input-text.h"
#include "understand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const TextTask *t, const char *s, size_t size) {
        const char *reason;
        Answer a;

        if (answer_make(t, s, size, 256, &a, &reason) >= 0)
                answer_done(&a);
}

static void gathered(const Kind *k, const JobRequest *r, const char *s, size_t size) {
        const char *texts[TEXT_MESSAGES_MAX], *reason;
        _cleanup_buffer_ Buffer b = { .max = 2 * size + 16 };
        _cleanup_(text_task_freep) TextTask *t = NULL;

        if (r->n_inputs > TEXT_MESSAGES_MAX ||
                        input_text(size % 2 ? "text/html" : NULL, s, size, &b, &reason) < 0)
                return;
        for (size_t i = 0; i < r->n_inputs; i++)
                texts[i] = r->inputs[i].type == INPUT_TEXT ? NULL : b.data ?: "";
        (void) text_task_new(k, r, texts, &t, &reason);
}

static void ask(const JobRequest *r, const char *rest, size_t size) {
        static const Kind any = {
                .work = KIND_WORK_TEXT,
                .prompt = "{a}[ {b.2} {c|d|e}] {input}",
                .outputs = { "application/json", "text/plain" },
        };
        const Kind *k = kind_table_find(&(KindTable){}, event_kind(r->event)) ?: &any;
        const InputRules rules = { .urls = true, .http = size % 2 };
        _cleanup_(text_task_freep) TextTask *t = NULL;
        const char *reason;

        if (understand(k, r, &rules, &t, &reason) != VERDICT_ACCEPTED || !t)
                return;
        answer(t, rest ?: "", rest ? size : 0);
        if (rest)
                gathered(k, r, rest, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *nul = size > 0 ? memchr(data, 0, size) : NULL, *text = (const char *) data,
                   *reason;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        size_t n = nul ? (size_t) (nul - text) : size;

        if (event_parse_trusted(text, n, &e, &reason) < 0 || job_request_parse(e, &r, &reason) < 0)
                return 0;
        ask(r, nul ? nul + 1 : NULL, nul ? size - n - 1 : 0);
        return 0;
}
