/* An agent's tick while memory runs out: what it knows, the question, and the answer. */
#include "tests/torture/torture.h"

#include "mind/prompt.h"
#include "mind/reply.h"

#define KEY "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"

static const char json[] =
                "{\"v\":1,\"agent\":{\"name\":\"ada\",\"npub\":\"n\",\"pubkey\":\"p\"},\"now\":9,"
                "\"tick\":1,\"trigger\":\"dm\",\"fence\":\"0123456789abcdef0123456789abcdef\","
                "\"money\":{\"balance_msat\":1},\"mind\":{\"type\":\"exec\",\"exec\":[\"/a\",\"b\"]},"
                "\"goals\":[{\"id\":\"1\",\"text\":\"live\"}],\"memories\":[{\"id\":\"2\",\"text\":"
                "\"rain\"}],\"observations\":[{\"id\":\"" KEY "\",\"what\":\"dm\",\"author\":\"" KEY
                "\",\"text\":\"hi <you>\"}],\"last\":[{\"tick\":0,\"actions\":[{\"type\":\"post\","
                "\"state\":\"done\"}]}],\"allowed\":[\"post\",\"dm\",\"zap\"]}";

static int know(Context **ret) {
        const char *field, *reason;
        int r;

        r = context_parse(json, strlen(json), ret, &field, &reason);
        if (r < 0)
                return r;
        RIGHT((*ret)->n_observations == 1 && streq((*ret)->command[1], "b"));
        return 0;
}

static int run_context(void) {
        _cleanup_(context_freep) Context *c = NULL;

        return know(&c);
}

static int run_prompt(void) {
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_buffer_ Buffer b = { .max = PROMPT_SIZE_MAX };
        int r;

        r = know(&c);
        if (r >= 0)
                r = prompt_write(c, &b);
        if (r < 0)
                return r;
        RIGHT(strstr(b.data, "| hi ‹you›") && strstr(b.data, "\"max_tokens\":800"));
        return 0;
}

static int answer(const char *text, const char *wanted) {
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_buffer_ Buffer b = { .max = REPLY_SIZE_MAX };
        _cleanup_reply_ Reply reply = { 0 };
        int r;

        r = know(&c);
        if (r >= 0)
                r = reply_read(text, strlen(text), c, &reply);
        if (r >= 0)
                r = reply_write(&reply, &b);
        if (r < 0)
                return r;
        RIGHT(streq(b.data, wanted));
        return 0;
}

static int run_reply(void) {
        return answer("So: {\"actions\":[{\"type\":\"dm\",\"to\":\"o1\",\"text\":\"yes\"},{\"type\":"
                      "\"ask\",\"text\":\"x\"},{\"type\":\"fly\"}]}",
                        "{\"actions\":[{\"type\":\"dm\",\"to\":\"" KEY
                        "\",\"text\":\"yes\"}],\"refused\":[{\"text\":\"{\\\"type\\\":\\\"ask\\\","
                        "\\\"text\\\":\\\"x\\\"}\",\"reason\":\"this agent is not allowed to do "
                        "so\"},{\"text\":\"{\\\"type\\\":\\\"fly\\\"}\",\"reason\":\"there is no "
                        "action of this type\"}]}");
}

static int run_lines(void) {
        return answer("POST: hi\nZAP: o1 | x\n",
                        "{\"actions\":[{\"type\":\"post\",\"text\":\"hi\"}],\"refused\":[{\"text\":"
                        "\"ZAP: o1 | x\",\"reason\":\"its sats are no whole number from 1 to "
                        "21000000\"}]}");
}

static int run_action(void) {
        static const char zap[] = "{\"type\":\"zap\",\"to\":\"npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7"
                                  "l8j4s3evf6u64th6gkwsyjh6w6\",\"sats\":21,\"comment\":\"tea\"}";
        _cleanup_(action_freep) Action *a = NULL;
        _cleanup_free_ char *text = NULL, *line = NULL;
        const char *reason;
        int r;

        r = action_parse_text(zap, strlen(zap), &a, &reason);
        if (r >= 0)
                r = action_json(a, &text);
        if (r >= 0)
                r = action_describe(a, &line);
        if (r < 0)
                return r;
        RIGHT(streq(text, zap) && strstr(line, "21 sat") && strstr(line, "\"tea\""));
        return 0;
}

const TortureCase torture_mind_cases[] = {
        { "an action is read, written and described", run_action },
        { "an agent learns what it has to know", run_context },
        { "the question for its model", run_prompt },
        { "its model's answer", run_reply },
        { "an answer in lines", run_lines },
        { 0 },
};
