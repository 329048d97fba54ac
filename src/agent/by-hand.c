/* One tick without a host, for whoever writes a mind: what would be answered is printed. */
#include <signal.h>
#include <stdio.h>

#include "agent.h"
#include "basic/file.h"
#include "basic/log.h"
#include "mind/prompt.h"
#include "mind/reply.h"
#include "rules.h"

typedef struct ByHand {
        sd_event *event;
        Context *context;
        Exec *mind;
        char *json;
        int exit_code;
} ByHand;

static void by_hand_done(ByHand *h) {
        h->mind = exec_free(h->mind);
        h->context = context_free(h->context);
        h->event = sd_event_unref(h->event);
        h->json = mfree(h->json);
}

static int complain(const char *reason) {
        (void) fprintf(stderr, "pylon-agent: %s.\n", reason);
        return EXIT_FAILURE;
}

static int print(const Buffer *b) {
        return printf("%s\n", b->data) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void on_mind(
                int error, const char *reason, const char *output, size_t size, void *userdata) {
        _cleanup_buffer_ Buffer b = { .max = REPLY_SIZE_MAX };
        ByHand *h = userdata;

        if (error < 0)
                h->exit_code = complain(reason);
        else if (agent_write_reply(h->context, output, size, &b) < 0)
                h->exit_code = complain("there is no memory");
        else
                h->exit_code = print(&b);
        (void) sd_event_exit(h->event, 0);
}

static int run_mind(ByHand *h) {
        sigset_t set;
        int r;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return complain(strerror(errno));
        r = sd_event_new(&h->event);
        if (r >= 0)
                r = agent_start_mind(h->event, h->context, h->json, on_mind, h, &h->mind);
        if (r >= 0)
                r = sd_event_loop(h->event);
        return r < 0 ? complain(strerror(-r)) : h->exit_code;
}

static int print_rules(const ByHand *h) {
        _cleanup_buffer_ Buffer answer = { .max = ANSWER_SIZE_MAX }, b = { .max = REPLY_SIZE_MAX };

        if (rules_answer(h->context, &answer) < 0 ||
                        agent_write_reply(h->context, answer.data, answer.size, &b) < 0)
                return complain("there is no memory");
        return print(&b);
}

static int print_question(const ByHand *h) {
        _cleanup_buffer_ Buffer b = { .max = 2 * PROMPT_SIZE_MAX };
        int r;

        r = prompt_write(h->context, &b);
        if (r == -EMSGSIZE)
                return complain("the model's context_tokens are too few for any question");
        return r < 0 ? complain(strerror(-r)) : print(&b);
}

int agent_by_hand(const char *name) {
        _cleanup_(by_hand_done) ByHand h = { 0 };
        _cleanup_free_ char *reason = NULL;
        size_t size;
        int r;

        log_open("pylon-agent");
        r = read_stream(STDIN_FILENO, CONTEXT_SIZE_MAX, &h.json, &size);
        if (r < 0)
                return complain(r == -EFBIG ? "the context is too long" : strerror(-r));
        r = agent_read_context(name, h.json, size, &h.context, &reason);
        if (r < 0)
                return complain(reason ?: strerror(-r));
        if (!h.context->exec)
                return print_question(&h);
        return h.context->command ? run_mind(&h) : print_rules(&h);
}
