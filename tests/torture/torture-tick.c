/* A tick while memory runs out: the n-th allocation of the host fails, for n = 1 until a tick
 * passes. It ends once, whatever fails; what it says was done was done, and nothing is done twice.
 */
#include <stdio.h>

#include "basic/log.h"
#include "tests/unit/host-world.h"

#define RUNS_MAX 3000
#define FRIEND   "3333333333333333333333333333333333333333333333333333333333333333"

static uint64_t n_allocated, fails_at; /* 0: never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t size);

static bool fails(void) {
        if (fails_at == 0 || world_inside > 0 || ++n_allocated != fails_at)
                return false;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s) {
        return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t size) {
        return fails() ? NULL : __real_strndup(s, size);
}

/* ---- the cases */

#define EVERYTHING                                                                             \
        "done:{\"actions\":[{\"type\":\"post\",\"text\":\"hello\"},"                           \
        "{\"type\":\"dm\",\"to\":\"" FRIEND "\",\"text\":\"psst\"},"                           \
        "{\"type\":\"follow\",\"who\":\"" FRIEND "\",\"on\":true},"                            \
        "{\"type\":\"remember\",\"text\":\"that\"},{\"type\":\"goal_add\",\"text\":\"this\"}," \
        "{\"type\":\"schedule\",\"in_seconds\":600},{\"type\":\"launch\"}],"                   \
        "\"refused\":[{\"text\":\"x\",\"reason\":\"y\"}]}"
#define ZAP \
        "done:{\"actions\":[{\"type\":\"zap\",\"to\":\"" FRIEND "\",\"sats\":21}],\"refused\":[]}"
#define POST     "done:{\"actions\":[{\"type\":\"post\",\"text\":\"hello\"}],\"refused\":[]}"
#define QUESTION "think:{\"messages\":[{\"role\":\"user\",\"content\":\"well?\"}]}"

static int start(void) {
        return tick_start(&world->agent, "mention", false, &world->agent.tick);
}

static int run_everything(void) {
        world->answers[0] = EVERYTHING;
        return start();
}

static int run_thought(void) {
        world->answers[0] = QUESTION;
        world->answers[1] = POST;
        world->thought = "hello";
        return start();
}

static int run_zap(void) {
        world->found[0] = "{\"kind\":0,\"created_at\":1,\"tags\":[],\"content\":\"{\\\"lud16\\\":"
                          "\\\"friend@example.com\\\"}\"}";
        world->paid[0] = "failed"; /* nothing to wait for */
        world->answers[0] = ZAP;
        return start();
}

static void ignore(_unused_ int error, _unused_ const char *reason, _unused_ void *userdata) {
}

static int run_approval(void) {
        const Approval *a;
        int r;

        world->settings->autonomy = AUTONOMY_SUPERVISED;
        world->answers[0] = POST;
        r = start();
        if (r < 0)
                return r;
        world_run();
        a = approval_next(&world->host, NULL);
        if (a)
                (void) approve(&world->host, a->id, true, "well", ignore, NULL);
        return 0;
}

/* Taken up after a crash, with an event that was signed and one that was not. */
static int run_resumed(void) {
        static const char *const json[] = { "{\"type\":\"post\",\"text\":\"one\"}",
                "{\"type\":\"post\",\"text\":\"two\"}" };

        world->tick = 1;
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "acting");
        for (uint32_t i = 0; i < 2; i++)
                world->rows[i] = (ActionRow){
                        .n = i + 1,
                        .type = "post",
                        .json = json[i],
                        .state = "planned",
                        .reason = "",
                        .event_id = "",
                        .event = "",
                        .payment = "",
                };
        world->n_rows = 2;
        return start(); /* finds it open, and ends it */
}

static const struct {
        const char *name;
        int (*run)(void);
        unsigned published; /* at most */
} cases[] = {
        { "a tick with one action of each kind", run_everything, 4 },
        { "a tick that thinks", run_thought, 1 },
        { "a zap that fails", run_zap, 0 },
        { "what waits and is agreed to", run_approval, 1 },
        { "what a former life has left", run_resumed, 2 },
};

/* True: this time nothing had to fail. */
static bool once(size_t i, uint64_t n, const char **ret_wrong) {
        void *state;
        bool passed;
        int r;

        (void) world_setup(&state);
        n_allocated = 0;
        fails_at = n;
        r = cases[i].run();
        world_run();
        passed = n_allocated < fails_at;
        fails_at = 0;
        world_run();
        if (r < 0 && (passed || world->agent.tick))
                *ret_wrong = "it did not start";
        if (r >= 0 && (world->n_ended != 1 || world->agent.tick))
                *ret_wrong = "it did not end once";
        if (world->n_published > cases[i].published)
                *ret_wrong = "too much was published";
        if (passed && world->result.error < 0)
                *ret_wrong = "it failed though there was memory";
        if (*ret_wrong)
                (void) printf("# %" PRIu64 ": %s\n", n, world->trail);
        (void) world_teardown(&state);
        return passed;
}

int main(void) {
        int failed = 0;

        if (crypt_setup() < 0)
                return EXIT_FAILURE;
        (void) log_set_level("err");
        (void) printf("1..%zu\n", ELEMENTSOF(cases));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *wrong = NULL;
                uint64_t n = 1;

                while (n < RUNS_MAX && !once(i, n, &wrong) && !wrong)
                        n++;
                if (n == RUNS_MAX)
                        wrong = "it does not come to an end";
                failed += wrong != NULL;
                (void) printf("%sok %zu - %s, %" PRIu64 " allocations%s%s\n", wrong ? "not " : "",
                                i + 1, cases[i].name, n - 1, wrong ? ": " : "", wrong ?: "");
        }
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
