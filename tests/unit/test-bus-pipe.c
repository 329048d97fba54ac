/* lib/bus: long texts through descriptors, with nobody at the other end, or somebody slow. */
#include <fcntl.h>
#include <signal.h>
#include <systemd/sd-event.h>

#include "bus/pipe.h"
#include "unit.h"

#define PATIENCE 5000

typedef struct World {
        sd_event *event;
        int fds[2];
        Pipe *pipe;
        unsigned n_done;
        int error;
        char *text;
        size_t size;
} World;

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        (void) signal(SIGPIPE, SIG_IGN);
        assert_int_equal(sd_event_new(&w->event), 0);
        assert_int_equal(pipe2(w->fds, O_CLOEXEC), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        pipe_free(w->pipe);
        closep(&w->fds[0]);
        closep(&w->fds[1]);
        sd_event_unref(w->event);
        free(w->text);
        free(w);
        return 0;
}

static void on_done(int error, const char *text, size_t size, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->error = error;
        w->size = size;
        w->text = text ? strdup(text) : NULL;
        w->pipe = pipe_free(w->pipe);
}

static void turn(World *w) {
        for (int i = 0; w->n_done == 0 && i < PATIENCE; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(w->n_done, 1);
}

static char *long_text(size_t size) {
        char *text = malloc(size + 1);

        assert_non_null(text);
        for (size_t i = 0; i < size; i++)
                text[i] = (char) ('a' + i % 26);
        text[size] = '\0';
        return text;
}

static void what_comes_is_read_to_its_end(void **state) {
        World *w = *state;

        assert_int_equal(pipe_read(w->event, w->fds[0], 64, SEC, on_done, w, &w->pipe), 0);
        assert_int_equal(write(w->fds[1], "in two ", 7), 7);
        assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(write(w->fds[1], "pieces", 6), 6);
        closep(&w->fds[1]);
        turn(w);
        assert_int_equal(w->error, 0);
        assert_int_equal(w->size, 13);
        assert_string_equal(w->text, "in two pieces");
}

static void nothing_is_a_text_too(void **state) {
        World *w = *state;

        assert_int_equal(pipe_read(w->event, w->fds[0], 64, SEC, on_done, w, &w->pipe), 0);
        closep(&w->fds[1]);
        turn(w);
        assert_int_equal(w->error, 0);
        assert_string_equal(w->text, "");
}

static void too_much_is_refused(void **state) {
        World *w = *state;

        assert_int_equal(pipe_read(w->event, w->fds[0], 4, SEC, on_done, w, &w->pipe), 0);
        assert_int_equal(write(w->fds[1], "12345", 5), 5);
        turn(w);
        assert_int_equal(w->error, -EFBIG);
        assert_null(w->text);
}

static void who_says_nothing_is_not_waited_for(void **state) {
        World *w = *state;

        assert_int_equal(pipe_read(w->event, w->fds[0], 4, 10 * MSEC, on_done, w, &w->pipe), 0);
        turn(w);
        assert_int_equal(w->error, -ETIMEDOUT);
}

static void more_than_a_pipe_holds_is_written(void **state) {
        _cleanup_free_ char *text = long_text(300 * 1000), *got = malloc(300 * 1000 + 1);
        World *w = *state;
        size_t size = 0;
        ssize_t n;

        assert_non_null(got);
        assert_int_equal(fcntl(w->fds[0], F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(pipe_write(w->event, w->fds[1], text, SEC, on_done, w, &w->pipe), 0);
        closep(&w->fds[1]);
        for (int i = 0; w->n_done == 0 && i < PATIENCE; i++) {
                assert_true(sd_event_run(w->event, MSEC) >= 0);
                n = read(w->fds[0], got + size, 300 * 1000 - size);
                size += n > 0 ? (size_t) n : 0;
        }
        while ((n = read(w->fds[0], got + size, 300 * 1000 + 1 - size)) > 0)
                size += (size_t) n;
        assert_int_equal(n, 0); /* it was closed behind the text */
        assert_int_equal(w->error, 0);
        assert_int_equal(size, 300 * 1000);
        assert_memory_equal(got, text, size);
}

static void a_reader_that_left_ends_it(void **state) {
        World *w = *state;

        closep(&w->fds[0]);
        assert_int_equal(pipe_write(w->event, w->fds[1], "text", SEC, on_done, w, &w->pipe), 0);
        turn(w);
        assert_int_equal(w->error, -EPIPE);
}

static void a_reader_that_sleeps_ends_it(void **state) {
        _cleanup_free_ char *text = long_text(300 * 1000);
        World *w = *state;

        assert_int_equal(pipe_write(w->event, w->fds[1], text, 50 * MSEC, on_done, w, &w->pipe), 0);
        turn(w);
        assert_int_equal(w->error, -ETIMEDOUT);
}

static void what_is_no_pipe_is_refused(void **state) {
        _cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        World *w = *state;

        assert_int_equal(pipe_read(w->event, fd, 4, SEC, on_done, w, &w->pipe), -ENOSTR);
        assert_int_equal(pipe_write(w->event, fd, "", SEC, on_done, w, &w->pipe), -ENOSTR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_comes_is_read_to_its_end),
                TEST(nothing_is_a_text_too),
                TEST(too_much_is_refused),
                TEST(who_says_nothing_is_not_waited_for),
                TEST(more_than_a_pipe_holds_is_written),
                TEST(a_reader_that_left_ends_it),
                TEST(a_reader_that_sleeps_ends_it),
                TEST(what_is_no_pipe_is_refused),
        };

        return cmocka_run_group_tests_name("bus-pipe", tests, NULL, NULL);
}
