/* cli/table: columns of text, whoever wrote it. */
#include "tests/unit/unit.h"

#include <locale.h>

#include "basic/file.h"
#include "table.h"

/* What table_print() writes, caught in a file. */
static char *printed(const Table *t) {
        char path[] = "/tmp/pylon-test-table-XXXXXX", *text = NULL;
        int fd = mkstemp(path), saved;

        assert_true(fd >= 0);
        (void) fflush(stdout);
        saved = dup(STDOUT_FILENO);
        assert_true(dup2(fd, STDOUT_FILENO) >= 0);
        table_print(t);
        (void) fflush(stdout);
        assert_true(dup2(saved, STDOUT_FILENO) >= 0);
        (void) close(saved);
        (void) close(fd);
        assert_int_equal(read_whole(path, 4096, &text, NULL), 0);
        (void) unlink(path);
        return text;
}

static void columns_are_as_wide_as_their_widest_cell(_unused_ void **state) {
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(table_new(3, &t), 0);
        for (const char *const *s = (const char *const[]){ "A", "B", "C", "long", "", "last",
                             NULL };
                        *s; s++)
                assert_int_equal(table_add(t, *s), 0);
        text = printed(t);
        assert_string_equal(text, "A     B  C\nlong     last\n");
}

static void width_is_counted_in_cells_and_not_in_bytes(_unused_ void **state) {
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("\xc3\xa4\xc3\xb6"), 2);
        assert_int_equal(text_width("\xe4\xbd\xa0"), 2);
        assert_int_equal(text_width(""), 0);
}

static void texts_of_strangers_stay_in_their_cell(_unused_ void **state) {
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(table_new(2, &t), 0);
        assert_int_equal(table_add(t, "a\nb"), 0);
        assert_int_equal(table_addf(t, "%s", "\x1b[31mred"), 0);
        text = printed(t);
        assert_string_equal(text, "a b  ?[31mred\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
                cmocka_unit_test(width_is_counted_in_cells_and_not_in_bytes),
                cmocka_unit_test(texts_of_strangers_stay_in_their_cell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
