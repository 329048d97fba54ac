/* basic/log: what a line on stderr looks like, and that strangers cannot break out of it. */
#include "tests/unit/unit.h"

#include "basic/log.h"

#include <fcntl.h>

/* What was logged since, from the file which takes the place of stderr. */
typedef struct Capture {
        int saved, fd;
        char text[8192];
} Capture;

static void capture_begin(Capture *c) {
        (void) fflush(stderr);
        c->saved = dup(STDERR_FILENO);
        c->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_true(c->saved >= 0 && c->fd >= 0);
        assert_true(dup2(c->fd, STDERR_FILENO) >= 0);
}

static const char *capture_end(Capture *c) {
        ssize_t n;

        (void) fflush(stderr);
        assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
        n = pread(c->fd, c->text, sizeof(c->text) - 1, 0);
        assert_true(n >= 0);
        c->text[n] = 0;
        (void) close(c->fd);
        (void) close(c->saved);
        return c->text;
}

static void a_line_has_a_time_a_name_a_level_and_the_error(_unused_ void **state) {
        Capture c;
        const char *line;

        log_open("pylon-test");
        assert_int_equal(log_set_level("info"), 0);
        capture_begin(&c);
        assert_int_equal(log_error_errno(-EACCES, "The file could not be read: %m"), -EACCES);
        line = capture_end(&c);
        assert_int_equal(strcspn(line, "Z"), strlen("2026-11-20T00:00:00.000"));
        assert_string_equal(strchr(line, 'Z'),
                        "Z pylon-test err: The file could not be read: Permission denied\n");
}

static void what_is_below_the_level_is_not_written(_unused_ void **state) {
        Capture c;

        assert_int_equal(log_set_level("notice"), 0);
        capture_begin(&c);
        log_info("not this");
        log_debug("nor this");
        log_event(LOG_INFO, LOG_ID_ONLINE, NULL, "nor %s", "that");
        assert_string_equal(capture_end(&c), "");
}

static void an_unknown_level_is_refused(_unused_ void **state) {
        assert_int_equal(log_set_level("loud"), -EINVAL);
        assert_int_equal(log_set_level("debug"), 0);
        assert_true(log_enabled(LOG_DEBUG));
}

static void control_characters_of_strangers_do_not_reach_the_terminal(_unused_ void **state) {
        Capture c;
        const char *line;

        capture_begin(&c);
        log_notice("relay said %s", "a\nfake line\033[2J\177");
        line = capture_end(&c);
        assert_non_null(strstr(line, "notice: relay said a?fake line?[2J?\n"));
}

static void a_line_has_an_end_however_long_the_text(_unused_ void **state) {
        char text[6000];
        Capture c;
        const char *line;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        capture_begin(&c);
        log_event(LOG_NOTICE, LOG_ID_ONLINE, LOG_FIELDS("PYLON_TEXT", text), "%s", text);
        line = capture_end(&c);
        assert_true(strlen(line) < 2200);
        assert_int_equal(line[strlen(line) - 1], '\n');
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_line_has_a_time_a_name_a_level_and_the_error),
                cmocka_unit_test(what_is_below_the_level_is_not_written),
                cmocka_unit_test(an_unknown_level_is_refused),
                cmocka_unit_test(control_characters_of_strangers_do_not_reach_the_terminal),
                cmocka_unit_test(a_line_has_an_end_however_long_the_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
