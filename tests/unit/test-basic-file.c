/* basic/file: whole files, replaced at once, and the lock that names its holder. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/file.h"

typedef struct Place {
        char folder[64], file[96];
} Place;

static int make_place(void **state) {
        Place *p = new0(Place, 1);

        if (!p)
                return -1;
        (void) snprintf(p->folder, sizeof(p->folder), "%s", "/tmp/pylon-test-file-XXXXXX");
        if (!mkdtemp(p->folder))
                return -1;
        (void) snprintf(p->file, sizeof(p->file), "%s/file", p->folder);
        *state = p;
        return 0;
}

static int remove_place(void **state) {
        Place *p = *state;
        char command[96];
        pid_t pid = fork();

        (void) snprintf(command, sizeof(command), "%s", p->folder);
        if (pid == 0) {
                (void) execlp("rm", "rm", "-r", command, NULL);
                _exit(1);
        }
        (void) waitpid(pid, NULL, 0);
        free(p);
        return 0;
}

static void what_was_written_is_read_and_only_the_owner_may(void **state) {
        const Place *p = *state;
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;

        assert_int_equal(write_atomic(p->file, "one\0two", 7), 0);
        assert_int_equal(read_whole(p->file, 7, &text, &size), 0);
        assert_int_equal(size, 7);
        assert_memory_equal(text, "one\0two", 8);
        assert_int_equal(stat(p->file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_file_above_the_limit_or_of_another_kind_is_refused(void **state) {
        const Place *p = *state;
        char *text = NULL;
        char fifo[128];

        assert_int_equal(write_atomic(p->file, "12345678", 8), 0);
        assert_int_equal(read_whole(p->file, 7, &text, NULL), -EFBIG);
        assert_int_equal(read_whole(p->folder, 7, &text, NULL), -EISDIR);
        (void) snprintf(fifo, sizeof(fifo), "%s/fifo", p->folder);
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(read_whole(fifo, 7, &text, NULL), -EBADF);
        assert_int_equal(read_whole("/nowhere/file", 7, &text, NULL), -ENOENT);
        assert_null(text);
}

static void a_file_is_replaced_but_a_new_one_never_replaces(void **state) {
        const Place *p = *state;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(write_new(p->file, "first", 5), 0);
        assert_int_equal(write_new(p->file, "second", 6), -EEXIST);
        assert_int_equal(write_atomic(p->file, "third", 5), 0);
        assert_int_equal(read_whole(p->file, 100, &text, NULL), 0);
        assert_string_equal(text, "third");
}

static void folders_are_made_with_their_parents(void **state) {
        const Place *p = *state;
        char path[128], below[160];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/a/b/c", p->folder);
        assert_int_equal(mkdir_p(path), 0);
        assert_int_equal(mkdir_p(path), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(write_atomic(p->file, "", 0), 0);
        (void) snprintf(below, sizeof(below), "%s/below", p->file);
        assert_int_equal(mkdir_p(below), -ENOTDIR);
}

static void a_lock_is_held_once_and_names_its_holder(void **state) {
        const Place *p = *state;
        _cleanup_close_ int first = -EBADF, second = -EBADF;
        pid_t holder = 0;

        assert_int_equal(lock_file(p->file, &first, NULL), 0);
        assert_int_equal(lock_file(p->file, &second, &holder), -EAGAIN);
        assert_int_equal(holder, getpid());
        (void) close(TAKE_FD(first));
        assert_int_equal(lock_file(p->file, &second, &holder), 0);
}

static void a_probe_tells_whether_a_lock_is_held_without_taking_it(void **state) {
        const Place *p = *state;
        _cleanup_close_ int fd = -EBADF, again = -EBADF;
        pid_t holder = 0;

        assert_int_equal(lock_probe(p->file, &holder), 0);
        assert_int_equal(write_atomic(p->file, "1\n", 2), 0); /* process 1 lives, and has no lock */
        assert_int_equal(lock_probe(p->file, &holder), 0);
        assert_int_equal(lock_file(p->file, &fd, NULL), 0);
        assert_int_equal(lock_probe(p->file, &holder), 1);
        assert_int_equal(holder, getpid());
        (void) close(TAKE_FD(fd));
        assert_int_equal(lock_file(p->file, &again, NULL), 0);
}

static void a_lock_on_a_file_that_was_removed_is_not_the_lock_of_the_new_one(void **state) {
        const Place *p = *state;
        _cleanup_close_ int old = -EBADF, new = -EBADF;

        assert_int_equal(lock_file(p->file, &old, NULL), 0);
        assert_int_equal(unlink(p->file), 0);
        assert_int_equal(lock_file(p->file, &new, NULL), 0);
        assert_int_equal(lock_probe(p->file, NULL), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_was_written_is_read_and_only_the_owner_may,
                                make_place, remove_place),
                cmocka_unit_test_setup_teardown(
                                a_file_above_the_limit_or_of_another_kind_is_refused, make_place,
                                remove_place),
                cmocka_unit_test_setup_teardown(a_file_is_replaced_but_a_new_one_never_replaces,
                                make_place, remove_place),
                cmocka_unit_test_setup_teardown(
                                folders_are_made_with_their_parents, make_place, remove_place),
                cmocka_unit_test_setup_teardown(
                                a_lock_is_held_once_and_names_its_holder, make_place, remove_place),
                cmocka_unit_test_setup_teardown(
                                a_probe_tells_whether_a_lock_is_held_without_taking_it, make_place,
                                remove_place),
                cmocka_unit_test_setup_teardown(
                                a_lock_on_a_file_that_was_removed_is_not_the_lock_of_the_new_one,
                                make_place, remove_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
