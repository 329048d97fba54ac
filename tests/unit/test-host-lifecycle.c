/* host/lifecycle: how an agent is, by its money. */
#include "tests/unit/unit.h"

#include "lifecycle.h"

#define SAT INT64_C(1000)
#define DAY INT64_C(86400)

/* 100 sats a tick, 96 ticks a day: the predecessor's numbers. */
static LifecycleView at_balance(int64_t sats) {
        return (LifecycleView){ .balance_msat = sats * SAT,
                .cost_msat = 100 * SAT,
                .heartbeat = 900,
                .hibernate_msat = 1000 * SAT,
                .low_days = 7 };
}

static AgentLifecycle go(AgentLifecycle from, int64_t sats) {
        LifecycleView v = at_balance(sats);

        return lifecycle_next(from, &v);
}

static void money_decides_how_an_agent_is(_unused_ void **state) {
        assert_int_equal(go(AGENT_ACTIVE, 67200), AGENT_ACTIVE);
        assert_int_equal(go(AGENT_ACTIVE, 67199), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_ACTIVE, 1000), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_ACTIVE, 999), AGENT_HIBERNATING);
        assert_int_equal(go(AGENT_ACTIVE, 0), AGENT_DORMANT);
        assert_int_equal(go(AGENT_LOW_BALANCE, 0), AGENT_DORMANT);
        assert_int_equal(go(AGENT_HIBERNATING, 0), AGENT_DORMANT);
}

static void a_new_agent_waits_for_its_first_money(_unused_ void **state) {
        assert_int_equal(go(AGENT_SPAWNING, 0), AGENT_SPAWNING);
        assert_int_equal(go(AGENT_SPAWNING, 10), AGENT_SPAWNING);
        assert_int_equal(go(AGENT_SPAWNING, 2000), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_SPAWNING, 100000), AGENT_ACTIVE);
}

static void nothing_goes_back_to_spawning(_unused_ void **state) {
        for (AgentLifecycle l = AGENT_ACTIVE; l < _AGENT_LIFECYCLE_MAX; l++)
                for (int64_t sats = 0; sats < 100000; sats += 333)
                        assert_int_not_equal(go(l, sats), AGENT_SPAWNING);
}

static void a_deposit_brings_every_agent_back(_unused_ void **state) {
        assert_int_equal(go(AGENT_DORMANT, 100000), AGENT_ACTIVE);
        assert_int_equal(go(AGENT_DORMANT, 1000), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_DORMANT, 5), AGENT_HIBERNATING);
        assert_int_equal(go(AGENT_HIBERNATING, 100000), AGENT_ACTIVE);
        assert_int_equal(go(AGENT_HIBERNATING, 1100), AGENT_LOW_BALANCE);
}

static void who_is_on_a_line_does_not_go_to_and_fro(_unused_ void **state) {
        assert_int_equal(go(AGENT_LOW_BALANCE, 67200), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_LOW_BALANCE, 73899), AGENT_LOW_BALANCE);
        assert_int_equal(go(AGENT_LOW_BALANCE, 74000), AGENT_ACTIVE);
        assert_int_equal(go(AGENT_HIBERNATING, 1050), AGENT_HIBERNATING);
}

/* Whatever the balance, two evaluations in a row agree. */
static void a_state_is_stable(_unused_ void **state) {
        for (AgentLifecycle l = 0; l < _AGENT_LIFECYCLE_MAX; l++)
                for (int64_t sats = 0; sats < 100000; sats += 77) {
                        AgentLifecycle once = go(l, sats);

                        assert_int_equal(go(once, sats), once);
                }
}

static void a_tick_that_costs_more_than_the_threshold_is_the_threshold(_unused_ void **state) {
        LifecycleView v = at_balance(1500);

        v.cost_msat = 2000 * SAT;
        assert_int_equal(lifecycle_next(AGENT_ACTIVE, &v), AGENT_HIBERNATING);
}

static void who_needs_no_money_lives_without(_unused_ void **state) {
        LifecycleView v = { .heartbeat = 900, .low_days = 7 };

        for (AgentLifecycle l = 0; l < _AGENT_LIFECYCLE_MAX; l++)
                assert_int_equal(lifecycle_next(l, &v), AGENT_ACTIVE);
        v.cost_msat = 5 * SAT;
        v.balance_msat = 6 * SAT;
        assert_int_equal(lifecycle_next(AGENT_ACTIVE, &v), AGENT_LOW_BALANCE);
}

static void the_runway_follows_heartbeat_and_cost(_unused_ void **state) {
        LifecycleView v = at_balance(9600);

        assert_int_equal(lifecycle_runway(&v), DAY);
        v.heartbeat = 1800;
        assert_int_equal(lifecycle_runway(&v), 2 * DAY);
        v.cost_msat *= 2;
        assert_int_equal(lifecycle_runway(&v), DAY);
        v.cost_msat = 0;
        assert_int_equal(lifecycle_runway(&v), INT64_MAX);
        v = (LifecycleView){ .balance_msat = INT64_MAX, .cost_msat = 1, .heartbeat = 604800 };
        assert_int_equal(lifecycle_runway(&v), INT64_MAX);
        v.balance_msat = -5;
        assert_int_equal(lifecycle_runway(&v), 0);
}

static void a_longer_heartbeat_ends_low_balance(_unused_ void **state) {
        LifecycleView v = at_balance(9600);

        assert_int_equal(lifecycle_next(AGENT_ACTIVE, &v), AGENT_LOW_BALANCE);
        v.heartbeat = 9000;
        assert_int_equal(lifecycle_next(AGENT_LOW_BALANCE, &v), AGENT_ACTIVE);
}

static void the_mean_cost_follows_what_ticks_cost(_unused_ void **state) {
        int64_t mean = 0;

        mean = lifecycle_cost(mean, 800, 1);
        assert_int_equal(mean, 800);
        mean = lifecycle_cost(mean, 400, 2);
        assert_int_equal(mean, 600);
        for (int n = 3; n < 200; n++)
                mean = lifecycle_cost(mean, 1000, n);
        assert_in_range(mean, 990, 1000);
        for (int n = 0; n < 400; n++)
                mean = lifecycle_cost(mean, 0, 200);
        assert_in_range(mean, 0, 8);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(money_decides_how_an_agent_is),
                cmocka_unit_test(a_new_agent_waits_for_its_first_money),
                cmocka_unit_test(nothing_goes_back_to_spawning),
                cmocka_unit_test(a_deposit_brings_every_agent_back),
                cmocka_unit_test(who_is_on_a_line_does_not_go_to_and_fro),
                cmocka_unit_test(a_state_is_stable),
                cmocka_unit_test(a_tick_that_costs_more_than_the_threshold_is_the_threshold),
                cmocka_unit_test(who_needs_no_money_lives_without),
                cmocka_unit_test(the_runway_follows_heartbeat_and_cost),
                cmocka_unit_test(a_longer_heartbeat_ends_low_balance),
                cmocka_unit_test(the_mean_cost_follows_what_ticks_cost),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
