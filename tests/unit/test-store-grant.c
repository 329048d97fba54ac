/* store/table-grant: each limit, each window, and what a person decides. */
#include "tests/unit/books-world.h"

/* Grants. */

static int granted(World *w, const char *id, unsigned hash, int64_t msat) {
        Intent i = an_intent(w, id, "agent:alice", hash, msat);

        i.grant = "g";
        return add(w, &i);
}

static void a_grant_that_is_misspelled_is_none(void **state) {
        World *w = *state;

        assert_int_equal(grant(w, "{\"per_day\":1}"), -EINVAL);
        assert_int_equal(grant(w, "{\"per_day_msat\":-1}"), -EINVAL);
        assert_int_equal(grant(w, "{\"per_day_msat\":1.5}"), -EINVAL);
        assert_int_equal(grant(w, "{\"per_day_msat\":\"1\"}"), -EINVAL);
        assert_int_equal(grant(w, "{\"payees\":[1]}"), -EINVAL);
        assert_int_equal(grant(w, "{\"payees\":\"x\"}"), -EINVAL);
        assert_int_equal(grant(w, "[]"), -EINVAL);
        assert_int_equal(grant(w, "{"), -EINVAL);
        assert_int_equal(granted(w, "p", 1, 1), -ENOBUFS);
        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(granted(w, "p", 1, 1), -ENOENT);
        assert_int_equal(grant_set(w->books->grants, "g", "held", "{}", &w->o), 0);
        assert_int_equal(w->o.verdict, -EINVAL);
}

static void each_limit_of_a_grant_holds(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000000), 0);
        assert_int_equal(grant(w, "{\"per_payment_msat\":100}"), 0);
        assert_int_equal(granted(w, "a", 1, 91), -EDQUOT); /* with its fee */
        assert_int_equal(granted(w, "a", 1, 90), 0);
        assert_int_equal(grant(w, "{\"fee_max_msat\":9}"), 0);
        assert_int_equal(granted(w, "b", 2, 90), -EDQUOT);
        assert_int_equal(grant(w, "{\"total_msat\":200}"), 0);
        assert_int_equal(granted(w, "b", 2, 91), -EDQUOT);
        assert_int_equal(granted(w, "b", 2, 90), 0);
        assert_int_equal(granted(w, "c", 3, 1), -EDQUOT);
        assert_int_equal(move(w, "a", "failed", 0), 0); /* gives back what it held */
        assert_int_equal(granted(w, "c", 3, 90), 0);
        assert_int_equal(grant(w, "{\"payees\":[\"nobody\"]}"), 0);
        assert_int_equal(granted(w, "e", 5, 1), -EACCES);
        assert_int_equal(grant(w, "{\"payees\":[\"nobody\",\"payee\"]}"), 0);
        assert_int_equal(granted(w, "e", 5, 1), 0);
        assert_int_equal(grant(w, "{\"expires_at\":1800000000}"), 0);
        assert_int_equal(granted(w, "f", 6, 1), -EACCES);
        assert_int_equal(grant_revoke(w->books->grants, "g", &w->o), 0);
        assert_int_equal(granted(w, "f", 6, 1), -EACCES);
}

static void a_tick_has_its_own_limit(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000000), 0);
        assert_int_equal(grant(w, "{\"per_tick_msat\":110}"), 0);
        assert_int_equal(grant_begin_tick(w->books->grants, "g", "tick-1", &w->o), 0);
        assert_int_equal(w->o.verdict, 0);
        assert_int_equal(granted(w, "a", 1, 100), 0);
        assert_int_equal(granted(w, "b", 2, 1), -EDQUOT);
        assert_int_equal(grant_begin_tick(w->books->grants, "g", "tick-1", &w->o), 0);
        assert_int_equal(w->o.verdict, 1);
        assert_int_equal(granted(w, "b", 2, 1), -EDQUOT);
        assert_int_equal(grant_begin_tick(w->books->grants, "g", "tick-2", &w->o), 0);
        assert_int_equal(granted(w, "b", 2, 100), 0);
        assert_int_equal(move(w, "a", "failed", 0),
                        0); /* of the tick before: gives nothing to this */
        assert_int_equal(granted(w, "c", 3, 1), -EDQUOT);
}

static void windows_end_but_not_for_the_unknown_nor_for_a_clock_set_back(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000000), 0);
        assert_int_equal(grant(w, "{\"per_hour_msat\":220,\"per_day_msat\":440}"), 0);
        assert_int_equal(granted(w, "a", 1, 100), 0);
        assert_int_equal(granted(w, "b", 2, 100), 0);
        assert_int_equal(granted(w, "c", 3, 1), -EDQUOT);
        assert_int_equal(move(w, "a", "sent", 0), 0);
        assert_int_equal(move(w, "a", "settled", 10), 0);
        assert_int_equal(move(w, "b", "sent", 0), 0);
        assert_int_equal(move(w, "b", "unknown", 0), 0);

        ledger_set_clock(w->books->ledger, NOW + 3660);
        assert_int_equal(granted(w, "c", 3, 100), 0); /* a has left the hour, b has not */
        assert_int_equal(granted(w, "e", 5, 1), -EDQUOT);
        ledger_set_clock(w->books->ledger, NOW + 7320);
        assert_int_equal(move(w, "b", "failed", 0), 0);
        assert_int_equal(move(w, "c", "sent", 0), 0);
        assert_int_equal(move(w, "c", "settled", 10), 0);
        assert_int_equal(granted(w, "e", 5, 200), 0);
        assert_int_equal(granted(w, "f", 6, 100), -EDQUOT);
        assert_string_equal(w->o.text, "the grant's limit per hour is used up");

        ledger_set_clock(w->books->ledger, NOW - 86400 * 365); /* set back: the hour goes on */
        assert_int_equal(granted(w, "f", 6, 100), -EDQUOT);
        assert_int_equal(move(w, "e", "sent", 0), 0);
        assert_int_equal(move(w, "e", "settled", 0), 0);
        ledger_set_clock(w->books->ledger, NOW + 7320 + 3661);
        assert_int_equal(granted(w, "f", 6, 100), -EDQUOT);
        assert_string_equal(w->o.text, "the grant's limit per day is used up");
        ledger_set_clock(w->books->ledger, NOW + 7320 + 86400 + 900);
        assert_int_equal(granted(w, "f", 6, 100), 0);
}

static void what_is_much_waits_for_a_person(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(grant(w, "{\"approve_above_msat\":100}"), 0);
        assert_int_equal(granted(w, "a", 1, 90), 0);
        assert_string_equal(w->o.text, "new");
        assert_int_equal(granted(w, "b", 2, 91), 0);
        assert_string_equal(w->o.text, "waiting");
        assert_int_equal(reserved(w, "agent:alice"), 201);
        assert_int_equal(move(w, "b", "sent", 0), -EINVAL);
        assert_int_equal(payment_approve(w->books->payments, "b", true, "fine", &w->o), 0);
        assert_int_equal(w->o.verdict, 0);
        assert_int_equal(payment_approve(w->books->payments, "b", false, "no", &w->o), 0);
        assert_int_equal(w->o.verdict, 1);
        assert_string_equal(w->o.text, "new");
        assert_int_equal(move(w, "b", "sent", 0), 0);
        assert_int_equal(granted(w, "c", 3, 91), 0);
        assert_int_equal(payment_approve(w->books->payments, "c", false, "no", &w->o), 0);
        assert_int_equal(w->o.verdict, 0);
        assert_int_equal(reserved(w, "agent:alice"), 201);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_grant_that_is_misspelled_is_none),
                TEST(each_limit_of_a_grant_holds),
                TEST(a_tick_has_its_own_limit),
                TEST(windows_end_but_not_for_the_unknown_nor_for_a_clock_set_back),
                TEST(what_is_much_waits_for_a_person),
        };

        return cmocka_run_group_tests_name("store-grant", tests, NULL, NULL);
}
