/* cli/log-file: one file, moved aside when it is full. */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "basic/file.h"
#include "log-file.h"

static void a_full_log_is_moved_aside_and_no_line_is_torn(_unused_ void **state) {
        char folder[] = "/tmp/pylon-test-log-XXXXXX", path[64], old[64];
        _cleanup_free_ char *now = NULL, *before = NULL;
        LogFile *l = NULL;
        struct stat st;
        int saved = dup(STDERR_FILENO);

        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/log", folder);
        (void) snprintf(old, sizeof(old), "%s/log.1", folder);
        assert_int_equal(log_file_new(path, 20, &l), 0);
        log_file_write(l, "first line\n", 11);
        log_file_write(l, "second\n", 7);
        log_file_write(l, "third line\n", 11);
        (void) dprintf(STDERR_FILENO, "ours\n");
        log_file_free(l);
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        (void) close(saved);

        assert_int_equal(read_whole(old, 100, &before, NULL), 0);
        assert_string_equal(before, "first line\nsecond\n");
        assert_int_equal(read_whole(path, 100, &now, NULL), 0);
        assert_string_equal(now, "third line\nours\n");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        (void) unlink(path);
        (void) unlink(old);
        (void) rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_full_log_is_moved_aside_and_no_line_is_torn),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
