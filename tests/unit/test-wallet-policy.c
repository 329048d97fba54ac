/* wallet/policy: the host serves its agents and the owner, and nobody else serves anybody. */
#include "tests/unit/unit.h"

#include "policy.h"

static const char *const accounts[] = { "owner", "provider", "held", "refunds", "fees", "outside",
        "wallet:lnd", "agent:ada", "agent:bob", "agent:", "", "nwc:x" };

static bool is_agent(const char *account) {
        return startswith(account, "agent:") && !streq(account, "agent:");
}

static void the_host_pays_for_the_owner_and_for_agents(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(accounts); i++) {
                const char *a = accounts[i];

                assert_int_equal(policy_may(PEER_HOST, WALLET_SPEND, a, ""),
                                is_agent(a) || streq(a, "owner"));
                assert_int_equal(policy_may(PEER_HOST, WALLET_RECEIVE, a, ""), is_agent(a));
                assert_int_equal(policy_may(PEER_HOST, WALLET_TICK, a, ""), is_agent(a));
        }
}

static void the_host_moves_money_to_agents_and_back_and_not_among_them(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(accounts); i++)
                for (size_t k = 0; k < ELEMENTSOF(accounts); k++) {
                        const char *from = accounts[i], *to = accounts[k];
                        bool house_from = streq(from, "owner") || streq(from, "provider");
                        bool house_to = streq(to, "owner") || streq(to, "provider");

                        assert_int_equal(policy_may(PEER_HOST, WALLET_TRANSFER, from, to),
                                        (house_from && is_agent(to)) ||
                                                        (is_agent(from) && house_to));
                }
}

static void the_hosts_grants_are_agents_on_their_own_accounts(_unused_ void **state) {
        assert_true(policy_may(PEER_HOST, WALLET_GRANT, "agent:ada", "agent:ada"));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "agent:ada", "agent:bob"));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "agent:ada", "owner"));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "agent:ada", ""));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "nwc:x", "nwc:x"));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "nwc:x", "agent:ada"));
        assert_false(policy_may(PEER_HOST, WALLET_GRANT, "agent:", "agent:"));
}

static void nobody_else_moves_anything(_unused_ void **state) {
        static const PeerRole others[] = { PEER_STORE, PEER_SIGNER, PEER_RELAY, PEER_WALLET,
                PEER_PROVIDER };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                for (WalletAct act = 0; act < _WALLET_ACT_MAX; act++)
                        for (size_t k = 0; k < ELEMENTSOF(accounts); k++) {
                                assert_false(policy_may(others[i], act, accounts[k], ""));
                                assert_false(policy_may(others[i], act, accounts[k], "owner"));
                                assert_false(policy_may(others[i], act, accounts[k], accounts[k]));
                        }
        assert_false(policy_may(PEER_HOST, WALLET_DECIDE, "owner", ""));
        assert_false(policy_may(PEER_HOST, WALLET_DECIDE, "agent:ada", ""));
}

static void people_decide_but_spend_no_customers_money(_unused_ void **state) {
        static const PeerRole people[] = { PEER_PERSON, PEER_OWNER };
        static const char *const theirs[] = { "held", "fees", "outside", "wallet:lnd" };

        for (size_t i = 0; i < ELEMENTSOF(people); i++) {
                assert_true(policy_may(people[i], WALLET_DECIDE, "owner", ""));
                assert_true(policy_may(people[i], WALLET_SPEND, "agent:ada", ""));
                assert_true(policy_may(people[i], WALLET_TRANSFER, "owner", "outside"));
                for (size_t k = 0; k < ELEMENTSOF(theirs); k++)
                        assert_false(policy_may(people[i], WALLET_SPEND, theirs[k], ""));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_host_pays_for_the_owner_and_for_agents),
                cmocka_unit_test(the_host_moves_money_to_agents_and_back_and_not_among_them),
                cmocka_unit_test(the_hosts_grants_are_agents_on_their_own_accounts),
                cmocka_unit_test(nobody_else_moves_anything),
                cmocka_unit_test(people_decide_but_spend_no_customers_money),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
