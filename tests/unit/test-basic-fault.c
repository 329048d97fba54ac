/* basic/fault: a point strikes when, as often as and how it was asked to. */
#include "tests/unit/unit.h"

#include "basic/fault.h"

#if PYLON_FAULTS
static void a_fault_strikes_at_its_turn_with_its_error(_unused_ void **state) {
        char folder[] = "/tmp/pylon-fault-XXXXXX", path[64];

        assert_non_null(mkdtemp(folder));
        assert_int_equal(setenv("PYLON_FAULTS_ONCE", folder, 1), 0);
        assert_int_equal(setenv("PYLON_FAULTS", "a.b@2=ENOSPC c", 1), 0);

        assert_int_equal(fault("a.b"), 0);
        assert_int_equal(fault("a.b"), -ENOSPC);
        assert_int_equal(fault("a.b"), 0);
        assert_int_equal(fault("a"), 0);
        assert_int_equal(fault("c"), -EIO);

        (void) snprintf(path, sizeof(path), "%s/a.b", folder);
        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof(path), "%s/c", folder);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0);
}
#else
static void without_the_option_there_are_no_faults(_unused_ void **state) {
        assert_int_equal(setenv("PYLON_FAULTS", "a.b", 1), 0);
        assert_int_equal(fault("a.b"), 0);
}
#endif

int main(void) {
        const struct CMUnitTest tests[] = {
#if PYLON_FAULTS
                cmocka_unit_test(a_fault_strikes_at_its_turn_with_its_error),
#else
                cmocka_unit_test(without_the_option_there_are_no_faults),
#endif
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
