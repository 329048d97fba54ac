/* signer/policy: the table says what the architecture says. */
#include "tests/unit/unit.h"

#include "policy.h"

static void the_provider_signs_its_own_kinds_with_its_own_key(_unused_ void **state) {
        static const uint16_t allowed[] = { 0, 5, 6000, 6970, 6999, 7000, 10002, 31990 };
        static const uint16_t refused[] = { 1, 4, 5000, 5999, 7001, 9734, 22242, 31989, 65535 };

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                assert_true(policy_may_sign(PEER_PROVIDER, "provider", allowed[i]));
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                assert_false(policy_may_sign(PEER_PROVIDER, "provider", refused[i]));
        assert_false(policy_may_use(PEER_PROVIDER, "buyer"));
        assert_false(policy_may_use(PEER_PROVIDER, "agent:ada"));
        assert_false(policy_may_use(PEER_PROVIDER, "provider2"));
}

static void the_relay_only_logs_in_with_any_key(_unused_ void **state) {
        static const char *const keys[] = { "provider", "buyer", "agent:ada" };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                for (unsigned kind = 0; kind <= UINT16_MAX; kind++)
                        assert_int_equal(policy_may_sign(PEER_RELAY, keys[i], (uint16_t) kind),
                                        kind == 22242);
        assert_false(policy_may_encrypt(PEER_RELAY, "provider"));
}

static void the_host_buys_and_speaks_for_agents(_unused_ void **state) {
        assert_true(policy_may_sign(PEER_HOST, "buyer", 5970));
        assert_true(policy_may_sign(PEER_HOST, "buyer", 5));
        assert_false(policy_may_sign(PEER_HOST, "buyer", 1));
        assert_false(policy_may_sign(PEER_HOST, "buyer", 6970));
        assert_true(policy_may_sign(PEER_HOST, "agent:ada", 0));
        assert_true(policy_may_sign(PEER_HOST, "agent:ada", 65535));
        assert_false(policy_may_sign(PEER_HOST, "agent:ada", 22242));
        assert_true(policy_may_encrypt(PEER_HOST, "agent:ada"));
        assert_false(policy_may_use(PEER_HOST, "provider"));
}

static void messages_are_wrapped_for_agents_alone(_unused_ void **state) {
        for (PeerRole role = 0; role < _PEER_ROLE_MAX; role++) {
                assert_int_equal(policy_may_wrap(role, "agent:ada", 14), role == PEER_HOST);
                assert_false(policy_may_wrap(role, "agent:ada", 1));
                assert_false(policy_may_wrap(role, "buyer", 14));
                assert_false(policy_may_wrap(role, "provider", 14));
                assert_false(policy_may_wrap(role, "wallet", 14));
        }
}

static void the_owner_manages_and_the_host_the_keys_of_agents(_unused_ void **state) {
        for (PeerRole role = 0; role < _PEER_ROLE_MAX; role++) {
                assert_int_equal(policy_may_manage(role, "*"), role == PEER_OWNER);
                assert_int_equal(policy_may_manage(role, "provider"), role == PEER_OWNER);
                assert_int_equal(policy_may_manage(role, "agent:ada"),
                                role == PEER_OWNER || role == PEER_HOST);
        }
        assert_true(policy_may_use(PEER_OWNER, "provider"));
        for (unsigned kind = 0; kind <= UINT16_MAX; kind++)
                assert_false(policy_may_sign(PEER_OWNER, "provider", (uint16_t) kind));
        assert_false(policy_may_encrypt(PEER_OWNER, "provider"));
}

static void words_are_exported_for_the_owner_and_of_agents_only(_unused_ void **state) {
        assert_true(policy_may_export(PEER_OWNER, "agent:ada"));
        assert_false(policy_may_export(PEER_OWNER, "provider"));
        assert_false(policy_may_export(PEER_HOST, "agent:ada"));
        assert_false(policy_may_export(PEER_PERSON, "agent:ada"));
}

static void the_wallet_answers_with_its_own_key(_unused_ void **state) {
        static const uint16_t allowed[] = { 9734, 13194, 23195, 23196, 23197 };
        static const uint16_t refused[] = { 0, 1, 5, 5000, 6970, 7000, 9735, 22242, 23194, 23198 };

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++)
                assert_true(policy_may_sign(PEER_WALLET, "wallet", allowed[i]));
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                assert_false(policy_may_sign(PEER_WALLET, "wallet", refused[i]));
        assert_true(policy_may_encrypt(PEER_WALLET, "wallet"));
        assert_false(policy_may_use(PEER_WALLET, "provider"));
        assert_false(policy_may_use(PEER_WALLET, "buyer"));
        assert_false(policy_may_use(PEER_WALLET, "agent:ada"));
        assert_false(policy_may_use(PEER_PROVIDER, "wallet"));
        assert_false(policy_may_use(PEER_HOST, "wallet"));
}

static void everybody_else_may_nothing(_unused_ void **state) {
        static const PeerRole others[] = { PEER_PERSON, PEER_STORE, PEER_SIGNER, PEER_WALLET };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                assert_false(policy_may_use(others[i], "provider"));
                assert_false(policy_may_sign(others[i], "provider", 7000));
                assert_false(policy_may_encrypt(others[i], "provider"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_provider_signs_its_own_kinds_with_its_own_key),
                cmocka_unit_test(the_relay_only_logs_in_with_any_key),
                cmocka_unit_test(the_host_buys_and_speaks_for_agents),
                cmocka_unit_test(messages_are_wrapped_for_agents_alone),
                cmocka_unit_test(the_owner_manages_and_the_host_the_keys_of_agents),
                cmocka_unit_test(words_are_exported_for_the_owner_and_of_agents_only),
                cmocka_unit_test(the_wallet_answers_with_its_own_key),
                cmocka_unit_test(everybody_else_may_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
