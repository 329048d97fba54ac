/* basic/map: against a plain array that does the same, and its limits. */
#include "tests/unit/unit.h"

#include "basic/map.h"

#define KEYS 512

static void a_key_is_found_until_it_is_removed(_unused_ void **state) {
        Map m;
        int one = 1;

        map_init(&m, 4);
        assert_null(map_get_string(&m, "a"));
        assert_null(map_remove_string(&m, "a"));
        assert_int_equal(map_put_string(&m, "a", &one), 0);
        assert_ptr_equal(map_get_string(&m, "a"), &one);
        assert_null(map_get_string(&m, "ab"));
        assert_null(map_get(&m, "a\0", 2));
        assert_ptr_equal(map_remove_string(&m, "a"), &one);
        assert_null(map_get_string(&m, "a"));
        map_done(&m);
}

static void a_second_value_for_a_key_is_refused(_unused_ void **state) {
        int one = 1, two = 2;
        Map m;

        map_init(&m, 4);
        assert_int_equal(map_put_string(&m, "a", &one), 0);
        assert_int_equal(map_put_string(&m, "a", &two), -EEXIST);
        assert_ptr_equal(map_get_string(&m, "a"), &one);
        map_done(&m);
}

static void the_maximum_holds_and_a_known_key_is_still_known_as_such(_unused_ void **state) {
        int one = 1;
        Map m;

        map_init(&m, 2);
        assert_int_equal(map_put_string(&m, "a", &one), 0);
        assert_int_equal(map_put_string(&m, "b", &one), 0);
        assert_int_equal(map_put_string(&m, "c", &one), -ENOBUFS);
        assert_int_equal(map_put_string(&m, "a", &one), -EEXIST);
        assert_ptr_equal(map_remove_string(&m, "a"), &one);
        assert_int_equal(map_put_string(&m, "c", &one), 0);
        map_done(&m);
}

/* A small generator with a fixed seed: each run does the same. */
static uint32_t next_number(uint32_t *seed) {
        *seed = *seed * 1664525 + 1013904223;
        return *seed >> 8;
}

static void compare(const Map *m, uint16_t *const values[KEYS], const uint16_t keys[KEYS]) {
        const uint16_t *value;
        size_t n = 0, walked = 0;

        for (size_t i = 0; i < KEYS; i++) {
                assert_ptr_equal(map_get(m, keys + i, sizeof(keys[i])), values[i]);
                n += !!values[i];
        }
        assert_int_equal(map_size(m), n);
        MAP_FOREACH (value, m) {
                assert_ptr_equal(values[*value], value);
                walked++;
        }
        assert_int_equal(walked, n);
}

/* At most 3/4 of the slots are free of a neighbour: with hundreds of keys coming and going there
 * are runs of collisions, and holes in their midst. */
static void random_puts_and_removals_agree_with_a_plain_array(_unused_ void **state) {
        uint16_t keys[KEYS], *values[KEYS] = { 0 };
        uint32_t seed = 7;
        Map m;

        map_init(&m, KEYS);
        for (size_t i = 0; i < KEYS; i++)
                keys[i] = (uint16_t) i;

        for (int step = 0; step < 40000; step++) {
                size_t i = next_number(&seed) % KEYS;
                bool put = next_number(&seed) % 100 < (step / 10000 % 2 == 0 ? 60u : 40u);

                if (put) {
                        assert_int_equal(map_put(&m, keys + i, sizeof(keys[i]), keys + i),
                                        values[i] ? -EEXIST : 0);
                        values[i] = keys + i;
                } else {
                        assert_ptr_equal(map_remove(&m, keys + i, sizeof(keys[i])), values[i]);
                        values[i] = NULL;
                }
                if (step % 1000 == 0)
                        compare(&m, values, keys);
        }
        compare(&m, values, keys);
        map_done(&m);
        assert_int_equal(map_size(&m), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_key_is_found_until_it_is_removed),
                cmocka_unit_test(a_second_value_for_a_key_is_refused),
                cmocka_unit_test(the_maximum_holds_and_a_known_key_is_still_known_as_such),
                cmocka_unit_test(random_puts_and_removals_agree_with_a_plain_array),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
