/* mind/context and mind/prompt: whatever the host sends, the question keeps strangers in their
 * fence and fits the window. */
#include "basic/text.h"
#include "mind/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const char *text, const char *what) {
        size_t n = 0;

        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

static void check(const Context *c, const Json *question) {
        const Json *messages = json_get(question, "messages");
        const char *system, *user;
        size_t fences;

        assert(json_string(json_get(json_array_at(messages, 0), "content"), &system) >= 0);
        assert(json_string(json_get(json_array_at(messages, 1), "content"), &user) >= 0);
        fences = count(user, c->fence);
        assert(fences == 0 || (fences == 2 && c->n_observations > 0));
        assert(count(user, "<<<") == fences / 2 && count(user, ">>>") == fences / 2);
        assert((int64_t) (strlen(user) / 2 + strlen(system) / 2) <=
                        c->context_tokens - c->max_tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_(json_unrefp) Json *question = NULL;
        _cleanup_buffer_ Buffer b = { .max = 4 * PROMPT_SIZE_MAX };
        const char *field, *reason = NULL;
        int r;

        if (context_parse((const char *) data, size, &c, &field, &reason) < 0) {
                assert(reason);
                return 0;
        }
        r = prompt_write(c, &b);
        if (r < 0)
                return 0;
        assert(json_parse(b.data, b.size, 4, 32, &question, &reason) >= 0);
        check(c, question);
        return 0;
}
