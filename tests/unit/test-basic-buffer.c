/* basic/buffer: the maximum holds, whatever is added, dropped and taken. */
#include "tests/unit/unit.h"

#include "basic/buffer.h"

static void what_is_added_comes_out_in_order(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 64 };

        assert_int_equal(buffer_add_string(&b, "one "), 0);
        assert_int_equal(buffer_add(&b, "two ", 4), 0);
        assert_int_equal(buffer_addf(&b, "%d", 3), 0);
        assert_string_equal(b.data, "one two 3");
        assert_int_equal(b.size, 9);
}

static void the_maximum_is_never_passed_and_a_refusal_changes_nothing(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 8 };

        assert_int_equal(buffer_add_string(&b, "12345678"), 0);
        assert_int_equal(buffer_add(&b, "9", 1), -ENOBUFS);
        assert_int_equal(buffer_addf(&b, "%s", "9"), -ENOBUFS);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX), -ENOBUFS);
        assert_string_equal(b.data, "12345678");
        assert_int_equal(b.size, 8);
}

static void dropping_moves_the_rest_to_the_front(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 64 };

        assert_int_equal(buffer_add_string(&b, "headbody"), 0);
        buffer_drop(&b, 4);
        assert_string_equal(b.data, "body");
        buffer_drop(&b, 4);
        assert_int_equal(b.size, 0);
        assert_string_equal(b.data, "");
        buffer_drop(&b, 0);
}

static void a_taken_buffer_starts_anew_with_its_maximum(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 4 };
        _cleanup_free_ char *taken = NULL, *empty = NULL;
        size_t size = 99;

        assert_int_equal(buffer_add_string(&b, "abcd"), 0);
        taken = buffer_take(&b, &size);
        assert_string_equal(taken, "abcd");
        assert_int_equal(size, 4);
        assert_int_equal(b.size, 0);
        assert_int_equal(buffer_add_string(&b, "abcde"), -ENOBUFS);

        empty = buffer_take(&b, &size);
        assert_string_equal(empty, "");
        assert_int_equal(size, 0);
}

static void bytes_may_be_nul_and_nothing_may_be_added(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 16 };

        assert_int_equal(buffer_add(&b, "a\0b", 3), 0);
        assert_int_equal(buffer_add(&b, NULL, 0), 0);
        assert_int_equal(b.size, 3);
        assert_memory_equal(b.data, "a\0b\0", 4);
        buffer_clear(&b);
        assert_int_equal(b.size, 0);
        assert_string_equal(b.data, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_added_comes_out_in_order),
                cmocka_unit_test(the_maximum_is_never_passed_and_a_refusal_changes_nothing),
                cmocka_unit_test(dropping_moves_the_rest_to_the_front),
                cmocka_unit_test(a_taken_buffer_starts_anew_with_its_maximum),
                cmocka_unit_test(bytes_may_be_nul_and_nothing_may_be_added),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
