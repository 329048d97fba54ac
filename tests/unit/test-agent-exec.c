/* agent/exec: a program as the mind, and everything it may do wrong. */
#include "tests/unit/unit.h"

#include <signal.h>

#include "basic/log.h"
#include "exec.h"

typedef struct Ran {
        sd_event *event;
        int error;
        char reason[128];
        char output[4096];
        size_t size;
        unsigned n_done;
} Ran;

static void on_done(
                int error, const char *reason, const char *output, size_t size, void *userdata) {
        Ran *ran = userdata;

        ran->n_done++;
        ran->error = error;
        (void) snprintf(ran->reason, sizeof(ran->reason), "%s", reason ?: "");
        ran->size = size;
        if (output)
                memcpy(ran->output, output, MIN(size + 1, sizeof(ran->output)));
        (void) sd_event_exit(ran->event, 0);
}

static void run(const char *script, const char *input, usec_t timeout, Ran *ret) {
        const char *const argv[] = { "/bin/sh", "-c", script, NULL };
        const ExecOrder order = {
                .argv = (char *const *) argv,
                .agent = "ada",
                .input = input,
                .input_size = strlen(input),
                .output_max = 100000,
                .timeout = timeout,
        };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(exec_freep) Exec *x = NULL;

        *ret = (Ran){ 0 };
        assert_true(sd_event_new(&event) >= 0);
        ret->event = event;
        assert_int_equal(exec_start(event, &order, on_done, ret, &x), 0);
        assert_int_equal(ret->n_done, 0);
        assert_true(sd_event_loop(event) >= 0);
        assert_int_equal(ret->n_done, 1);
}

static void the_context_goes_in_and_the_answer_comes_out(_unused_ void **state) {
        Ran ran;

        run("cat; echo and; echo this >&2; echo \"$PYLON_AGENT:$PWD:$(env | wc -l)\"", "hello\n",
                        60 * SEC, &ran);
        assert_int_equal(ran.error, 0);
        assert_string_equal(ran.output, "hello\nand\nada:/:5\n"); /* and PWD of the shell */
}

static void it_gets_no_descriptor_but_three(_unused_ void **state) {
        Ran ran;

        run("ls /proc/self/fd | wc -l", "", 60 * SEC, &ran); /* the fourth is the folder */
        assert_string_equal(ran.output, "4\n");
}

static void a_long_answer_comes_whole(_unused_ void **state) {
        Ran ran;

        run("head -c 100000 /dev/zero | tr '\\0' x", "", 60 * SEC, &ran);
        assert_int_equal(ran.error, 0);
        assert_int_equal(ran.size, 100000);
}

static void who_writes_too_much_is_stopped(_unused_ void **state) {
        Ran ran;

        run("yes", "", 60 * SEC, &ran);
        assert_int_equal(ran.error, -ECHILD);
        assert_string_equal(ran.reason, "the mind wrote too much");
        run("head -c 100001 /dev/zero", "", 60 * SEC, &ran);
        assert_string_equal(ran.reason, "the mind wrote too much");
}

static void who_takes_too_long_is_stopped_with_all_of_its_own(_unused_ void **state) {
        Ran ran;

        run("sleep 1000 & sleep 1000", "", 50 * MSEC, &ran);
        assert_int_equal(ran.error, -ECHILD);
        assert_string_equal(ran.reason, "the mind took too long");
}

static void what_it_leaves_running_is_killed_and_not_waited_for(_unused_ void **state) {
        Ran ran;

        run("sleep 1000 & echo $!", "", 60 * SEC, &ran);
        assert_int_equal(ran.error, 0);
        assert_true(ran.size > 1);
}

static void errors_do_not_stop_it_however_many(_unused_ void **state) {
        Ran ran;

        run("head -c 3000000 /dev/zero | tr '\\0' 'e\\n' >&2; echo fine", "", 60 * SEC, &ran);
        assert_int_equal(ran.error, 0);
        assert_string_equal(ran.output, "fine\n");
}

static void how_it_ended_is_said(_unused_ void **state) {
        Ran ran;

        run("echo x; exit 3", "", 60 * SEC, &ran);
        assert_string_equal(ran.reason, "the mind ended with exit status 3");
        run("kill -SEGV $$", "", 60 * SEC, &ran);
        assert_string_equal(ran.reason, "the mind was ended by signal SEGV");
        run("exec /nonexistent", "", 60 * SEC, &ran);
        assert_string_equal(ran.reason, "the mind cannot be run");
}

static void letting_go_of_it_kills_it_and_calls_nobody(_unused_ void **state) {
        const char *const argv[] = { "/bin/sleep", "1000", NULL };
        const ExecOrder order = {
                .argv = (char *const *) argv,
                .agent = "ada",
                .input = "",
                .output_max = 100,
                .timeout = 60 * SEC,
        };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Ran ran = { 0 };
        Exec *x = NULL;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(exec_start(event, &order, on_done, &ran, &x), 0);
        assert_null(exec_free(x));
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(ran.n_done, 0);
}

static int block_sigchld(_unused_ void **state) {
        sigset_t set;

        (void) log_set_level("err"); /* what the minds say */
        return sigemptyset(&set) < 0 || sigaddset(&set, SIGCHLD) < 0 ||
               sigprocmask(SIG_BLOCK, &set, NULL) < 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_context_goes_in_and_the_answer_comes_out),
                cmocka_unit_test(it_gets_no_descriptor_but_three),
                cmocka_unit_test(a_long_answer_comes_whole),
                cmocka_unit_test(who_writes_too_much_is_stopped),
                cmocka_unit_test(who_takes_too_long_is_stopped_with_all_of_its_own),
                cmocka_unit_test(what_it_leaves_running_is_killed_and_not_waited_for),
                cmocka_unit_test(errors_do_not_stop_it_however_many),
                cmocka_unit_test(how_it_ended_is_said),
                cmocka_unit_test(letting_go_of_it_kills_it_and_calls_nobody),
        };

        return cmocka_run_group_tests(tests, block_sigchld, NULL);
}
