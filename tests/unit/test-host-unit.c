/* host/unit: without a manager there is nothing to do, and that is said later, once. What systemd
 * does is in tests/integration/test_units.py. */
#include "tests/unit/unit.h"

#include "src/host/unit.h"

typedef struct World {
        sd_event *event;
        Units *units;
        unsigned n_done;
        int error;
} World;

static void on_done(int error, _unused_ const char *reason, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->error = error;
}

static void begin(World *w) {
        *w = (World){ .error = 1 };
        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(units_new(w->event, SCOPE_PRIVATE, &w->units), 0);
}

static void end(World *w) {
        w->units = units_free(w->units);
        w->event = sd_event_unref(w->event);
}

static void run(World *w) {
        while (sd_event_run(w->event, 0) > 0)
                ;
}

static void the_supervisor_has_done_it_already(_unused_ void **state) {
        UnitCall *call = NULL;
        World w;

        begin(&w);
        assert_int_equal(units_start(w.units, "ada", on_done, &w, &call), 0);
        assert_non_null(call);
        assert_int_equal(w.n_done, 0);
        run(&w);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.error, 0);
        assert_null(call);
        assert_int_equal(units_stop(w.units, "ada", on_done, &w, NULL), 0);
        run(&w);
        assert_int_equal(w.n_done, 2);
        end(&w);
}

static void who_lets_go_hears_nothing(_unused_ void **state) {
        UnitCall *call = NULL;
        World w;

        begin(&w);
        assert_int_equal(units_start(w.units, "ada", on_done, &w, &call), 0);
        assert_int_equal(units_start(w.units, "bob", on_done, &w, NULL), 0);
        assert_null(unit_call_free(call));
        assert_null(call);
        w.units = units_free(w.units);
        run(&w);
        assert_int_equal(w.n_done, 0);
        end(&w);
}

static void what_is_no_agents_name_is_no_unit(_unused_ void **state) {
        static const char *const bad[] = { "", "Ada", "../ada", "a@b", "a b", ".a", "a/b",
                "a23456789012345678901234567890123" };
        World w;

        begin(&w);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(units_start(w.units, bad[i], on_done, &w, NULL), -EINVAL);
        run(&w);
        assert_int_equal(w.n_done, 0);
        end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_supervisor_has_done_it_already),
                cmocka_unit_test(who_lets_go_hears_nothing),
                cmocka_unit_test(what_is_no_agents_name_is_no_unit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
