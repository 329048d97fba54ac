/* basic/secret: holds what it is given, is left out of core dumps, and a child does not see it. */
#include "tests/unit/unit.h"

#include <sys/wait.h>

#include "basic/secret.h"

static void a_secret_holds_text_and_can_be_cut(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *s = NULL;

        assert_int_equal(secret_copy("abandon about", 13, &s), 0);
        assert_string_equal(secret_text(s), "abandon about");
        assert_int_equal(secret_size(s), 13);
        secret_truncate(s, 7);
        assert_string_equal(secret_text(s), "abandon");
        assert_memory_equal(secret_data(s) + 7, "\0\0\0\0\0\0", 6);
        assert_int_equal(secret_size(s), 7);
}

static void a_forked_child_finds_nothing(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *s = NULL;
        const char *text;
        int status = 0;
        pid_t pid;

        assert_int_equal(secret_copy("zoo", 3, &s), 0);
        text = secret_text(s);
        pid = fork();
        if (pid == 0)
                _exit(text[0] == 0 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_string_equal(text, "zoo");
}

static void the_pages_are_marked_not_to_be_dumped(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *s = NULL;
        char line[512], start[32];
        bool here = false, marked = false;
        FILE *f;

        assert_int_equal(secret_new(1, &s), 0);
        (void) snprintf(start, sizeof(start), "%zx-",
                        (size_t) (uintptr_t) secret_data(s) &
                                        ~(size_t) (sysconf(_SC_PAGESIZE) - 1));
        f = fopen("/proc/self/smaps", "re");
        if (!f)
                skip();
        while (f && fgets(line, sizeof(line), f)) {
                if (strstr(line, "rw-p") || strstr(line, "r--p") || strstr(line, "r-xp"))
                        here = startswith(line, start) != NULL;
                if (here && startswith(line, "VmFlags:"))
                        marked = strstr(line, " dd") != NULL;
        }
        (void) fclose(f);
        assert_true(marked);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_secret_holds_text_and_can_be_cut),
                cmocka_unit_test(a_forked_child_finds_nothing),
                cmocka_unit_test(the_pages_are_marked_not_to_be_dumped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
