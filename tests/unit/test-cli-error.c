/* cli/error: the names of errors, their exit codes and hints, and what reaches the terminal. */
#include "tests/unit/unit.h"

#include "bus/names.h"
#include "cli.h"
#include "question.h"

static void every_error_of_the_bus_has_a_row(_unused_ void **state) {
        static const char *const names[] = { BUS_ERROR_NOT_ALLOWED, BUS_ERROR_NO_SUCH_JOB,
                BUS_ERROR_AMBIGUOUS, BUS_ERROR_NO_KEY, BUS_ERROR_KEY_EXISTS, BUS_ERROR_BAD_INPUT,
                BUS_ERROR_NOT_REACHABLE, BUS_ERROR_DAMAGED, BUS_ERROR_BUSY, BUS_ERROR_NO_WALLET };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_string_equal(error_name(names[i]), startswith(names[i], BUS_ERROR));
}

static void names_of_others_become_ours(_unused_ void **state) {
        assert_string_equal(error_name("org.freedesktop.DBus.Error.AccessDenied"), "NotAllowed");
        assert_string_equal(error_name("org.freedesktop.DBus.Error.NoReply"), "TimedOut");
        assert_string_equal(error_name("com.example.Whatever"), "NotReachable");
        assert_string_equal(error_name(BUS_ERROR "FromTheFuture"), "Failed");
        assert_string_equal(error_name(""), "NotReachable");
}

static void a_name_outlives_the_message_it_came_in(_unused_ void **state) {
        char *name = strdup(BUS_ERROR_NO_KEY);
        const char *known = error_name(name);

        free(name);
        assert_string_equal(known, "NoKey");
}

static void exit_codes_and_hints_belong_to_names(_unused_ void **state) {
        assert_int_equal(error_exit_code("NoKey"), EXIT_CONFIG);
        assert_non_null(strstr(error_hint("NoKey"), "pylon init"));
        assert_int_equal(error_exit_code("NotRunning"), EXIT_UNAVAILABLE);
        assert_int_equal(error_exit_code("unheard of"), EXIT_FAILURE);
        assert_null(error_hint("unheard of"));
}

static void nothing_that_steers_a_terminal_is_printed(_unused_ void **state) {
        char escape[] = "a\x1b[2Jb\nc\x7f",
             c1[] = "x\xc2\x9b"
                    "2Jy",
             umlaut[] = "\xc3\xa4", broken[] = "a\xff\xc3";

        assert_string_equal(printable(escape), "a?[2Jb c?");
        assert_string_equal(printable(c1), "x??2Jy");
        assert_string_equal(printable(umlaut), "\xc3\xa4");
        assert_string_equal(printable(broken), "a??");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_error_of_the_bus_has_a_row),
                cmocka_unit_test(names_of_others_become_ours),
                cmocka_unit_test(a_name_outlives_the_message_it_came_in),
                cmocka_unit_test(exit_codes_and_hints_belong_to_names),
                cmocka_unit_test(nothing_that_steers_a_terminal_is_printed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
