/* host/policy: what an agent may do. Settings, facts and answers are values. */
#include "basic/crypt.h"
#include "money/bolt11.h"
#include "policy.h"
#include "unit.h"

#define NOW     1700000000
#define SELF    "1111111111111111111111111111111111111111111111111111111111111111"
#define OWNER   "2222222222222222222222222222222222222222222222222222222222222222"
#define FRIEND  "3333333333333333333333333333333333333333333333333333333333333333"
#define NOBODY  "4444444444444444444444444444444444444444444444444444444444444444"
#define MENTION "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MESSAGE "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define UNKNOWN "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static const PolicySeen seen[] = {
        { MENTION, FRIEND, "mention" },
        { MESSAGE, FRIEND, "dm" },
};

static char *nobody[] = { NULL };

static AgentSettings settings(AgentAutonomy autonomy) {
        return (AgentSettings){
                .autonomy = autonomy,
                .owner_hex = (char *) OWNER,
                .allow = nobody,
                .payees = nobody,
                .recipients = nobody,
                .payment_max_msat = 50000,
                .tick_max_msat = 80000,
                .day_max_msat = 1000000,
                .approve_above_msat = -1,
                .posts_per_day = 3,
                .replies_per_day = 3,
                .messages_per_day = 3,
                .zaps_per_day = 3,
                .payments_per_day = 3,
                .reactions_per_day = 3,
                .follows_per_day = 3,
        };
}

static PolicyFacts facts(const AgentSettings *s) {
        return (PolicyFacts){
                .settings = s,
                .self_hex = SELF,
                .network = NETWORK_REGTEST,
                .now = NOW,
                .seen = seen,
                .n_seen = ELEMENTSOF(seen),
                .free_msat = 1000000,
        };
}

static char said[POLICY_REASON_MAX];
static PolicyMoney money;

static PolicyVerdict decide(const PolicyFacts *f, const char *json) {
        _cleanup_(action_freep) Action *a = NULL;
        const char *reason = "";

        if (action_parse_text(json, strlen(json), &a, &reason) < 0)
                fail_msg("%s: %s", json, reason);
        return policy_decide(f, a, &money, said);
}

#define POST      "{\"type\":\"post\",\"text\":\"good morning\"}"
#define REPLY(id) "{\"type\":\"reply\",\"to\":\"" id "\",\"text\":\"hello\"}"
#define REACT(id) "{\"type\":\"react\",\"to\":\"" id "\",\"content\":\"+\"}"
#define DM(who)   "{\"type\":\"dm\",\"to\":\"" who "\",\"text\":\"hello\"}"
#define ZAP(to)   "{\"type\":\"zap\",\"to\":\"" to "\",\"sats\":21}"
#define FOLLOW    "{\"type\":\"follow\",\"who\":\"" FRIEND "\",\"on\":true}"
#define REMEMBER  "{\"type\":\"remember\",\"text\":\"the sky is blue\"}"
#define NOTHING   "{\"type\":\"nothing\"}"

static char *pay(Network network, int64_t msat, int64_t expiry, unsigned max_sats) {
        static const uint8_t secret[32] = { [31] = 7 };
        _cleanup_free_ char *text = NULL;
        const char *reason = "";
        char *json = NULL;
        const Bolt11 b = {
                .network = network,
                .amount_msat = msat,
                .created_at = NOW - 10,
                .expiry = expiry,
                .payment_hash = { 0xab },
                .description = (char *) "a bill",
        };

        assert_int_equal(bolt11_encode(&b, secret, &text, &reason), 0);
        assert_true(asprintf(&json, "{\"type\":\"pay\",\"invoice\":\"%s\",\"max_sats\":%u}", text,
                                    max_sats) > 0);
        return json;
}

static void a_supervised_agent_asks_before_others_notice(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_SUPERVISED);
        const PolicyFacts f = facts(&s);

        assert_int_equal(decide(&f, POST), POLICY_WAIT);
        assert_int_equal(decide(&f, REPLY(MENTION)), POLICY_WAIT);
        assert_int_equal(decide(&f, DM(FRIEND)), POLICY_WAIT);
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_WAIT);
        assert_int_equal(decide(&f, FOLLOW), POLICY_WAIT);
        assert_int_equal(decide(&f, DM(OWNER)), POLICY_GO);
        assert_int_equal(decide(&f, REMEMBER), POLICY_GO);
        assert_int_equal(decide(&f, NOTHING), POLICY_GO);
}

static void what_was_approved_is_done_within_the_limits(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_SUPERVISED);
        PolicyFacts f = facts(&s);

        f.approved = true;
        f.n_seen = 0; /* it was seen by a tick that is over */
        assert_int_equal(decide(&f, POST), POLICY_GO);
        assert_int_equal(decide(&f, REPLY(MENTION)), POLICY_GO);
        f.spent_msat = 70000;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_REFUSE);
}

static void only_allowed_actions_are_done(_unused_ void **state) {
        char *allow[] = { (char *) "remember", (char *) "post", NULL };
        AgentSettings s = settings(AUTONOMY_FULL);
        const PolicyFacts f = facts(&s);

        s.allow = allow;
        assert_int_equal(decide(&f, POST), POLICY_GO);
        assert_int_equal(decide(&f, NOTHING), POLICY_GO);
        assert_int_equal(decide(&f, DM(FRIEND)), POLICY_REFUSE);
        assert_string_equal(said, "\"dm\" is not among the actions it may do");
}

static void only_what_was_seen_is_answered(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        const PolicyFacts f = facts(&s);

        assert_int_equal(decide(&f, REPLY(MENTION)), POLICY_GO);
        assert_int_equal(decide(&f, REACT(MENTION)), POLICY_GO);
        assert_int_equal(decide(&f, REPLY(UNKNOWN)), POLICY_REFUSE);
        assert_string_equal(said, "no such event is among the observations");
        assert_int_equal(decide(&f, REACT(MESSAGE)), POLICY_REFUSE);
        assert_string_equal(said, "only notes can be answered; this is a dm");
}

static void a_zap_goes_to_the_author_of_what_was_seen_or_to_a_key(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_BOUNDED);
        const PolicyFacts f = facts(&s);

        assert_int_equal(decide(&f, ZAP(MENTION)), POLICY_GO);
        assert_string_equal(money.payee, FRIEND);
        assert_int_equal(money.msat, 21000);
        assert_int_equal(decide(&f, ZAP(NOBODY)), POLICY_GO);
        assert_string_equal(money.payee, NOBODY);
        assert_int_equal(decide(&f, ZAP(SELF)), POLICY_REFUSE);
        assert_string_equal(said, "that is the agent itself");
}

static void lists_of_recipients_and_payees_are_held(_unused_ void **state) {
        char *list[] = { (char *) FRIEND, NULL };
        AgentSettings s = settings(AUTONOMY_FULL);
        const PolicyFacts f = facts(&s);

        s.recipients = list;
        assert_int_equal(decide(&f, DM(FRIEND)), POLICY_GO);
        assert_int_equal(decide(&f, DM(OWNER)), POLICY_GO);
        assert_int_equal(decide(&f, DM(NOBODY)), POLICY_REFUSE);
        assert_string_equal(said, "this recipient is not on the owner's list");
        s.recipients = nobody;
        s.payees = list;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_GO);
        assert_int_equal(decide(&f, ZAP(NOBODY)), POLICY_REFUSE);
        assert_string_equal(said, "this payee is not on the owner's list");
}

static void rates_count_what_was_done_and_full_autonomy_has_none(_unused_ void **state) {
        AgentSettings s = settings(AUTONOMY_BOUNDED);
        PolicyFacts f = facts(&s);

        f.done[ACTION_POST] = 2;
        assert_int_equal(decide(&f, POST), POLICY_GO);
        f.done[ACTION_POST] = 3;
        assert_int_equal(decide(&f, POST), POLICY_REFUSE);
        assert_string_equal(said, "the limit is 3 posts a day");
        assert_int_equal(decide(&f, DM(FRIEND)), POLICY_GO);
        s.autonomy = AUTONOMY_FULL;
        assert_int_equal(decide(&f, POST), POLICY_GO);
}

static void money_is_limited_for_a_payment_a_tick_and_a_day(_unused_ void **state) {
        AgentSettings s = settings(AUTONOMY_FULL);
        PolicyFacts f = facts(&s);

        s.payment_max_msat = 20999;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_REFUSE);
        assert_string_equal(said, "the limit of one payment is 20.999 sat");
        s.payment_max_msat = -1;
        f.spent_msat = 60000;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_REFUSE);
        assert_string_equal(said, "the limit of one tick is 80 sat");
        f.spent_msat = 59000;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_GO);
        s.day_max_msat = 79999;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_REFUSE);
        f.free_msat = 20999;
        s.day_max_msat = -1;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_REFUSE);
        assert_string_equal(said, "there is not so much money");
}

static void large_amounts_wait_for_the_owner(_unused_ void **state) {
        AgentSettings s = settings(AUTONOMY_FULL);
        PolicyFacts f = facts(&s);

        s.approve_above_msat = 20000;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_WAIT);
        f.approved = true;
        assert_int_equal(decide(&f, ZAP(FRIEND)), POLICY_GO);
}

static void an_invoice_is_read_before_it_is_paid(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        const PolicyFacts f = facts(&s);
        const struct {
                Network network;
                int64_t msat, expiry;
                unsigned max_sats;
                PolicyVerdict verdict;
                const char *reason;
        } rows[] = {
                { NETWORK_REGTEST, 21000, 600, 21, POLICY_GO, "" },
                { NETWORK_REGTEST, 21000, 600, 20, POLICY_REFUSE,
                                "the invoice asks for more than max_sats" },
                { NETWORK_REGTEST, 51000, 600, 100, POLICY_REFUSE,
                                "the limit of one payment is 50 sat" },
                { NETWORK_MAINNET, 21000, 600, 21, POLICY_REFUSE,
                                "the invoice is of another Bitcoin network" },
                { NETWORK_REGTEST, 0, 600, 21, POLICY_REFUSE, "the invoice says no amount" },
                { NETWORK_REGTEST, 21000, 5, 21, POLICY_REFUSE, "the invoice has expired" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *json = pay(
                                rows[i].network, rows[i].msat, rows[i].expiry, rows[i].max_sats);
                _cleanup_(action_freep) Action *a = NULL;
                const char *reason = "";

                if (action_parse_text(json, strlen(json), &a, &reason) < 0)
                        continue; /* refused before it came here */
                assert_int_equal(policy_decide(&f, a, &money, said), rows[i].verdict);
                assert_string_equal(said, rows[i].reason);
        }
}

static void a_strangers_invoice_waits_for_the_owner_unless_he_named_payees(_unused_ void **state) {
        _cleanup_free_ char *json = pay(NETWORK_REGTEST, 21000, 600, 21);
        char *list[] = { NULL, NULL };
        AgentSettings s = settings(AUTONOMY_BOUNDED);
        const PolicyFacts f = facts(&s);
        char payee[sizeof(money.payee)];

        assert_int_equal(decide(&f, json), POLICY_WAIT);
        memcpy(payee, money.payee, sizeof(payee));
        list[0] = payee;
        s.payees = list;
        assert_int_equal(decide(&f, json), POLICY_GO);
        list[0] = (char *) FRIEND;
        assert_int_equal(decide(&f, json), POLICY_REFUSE);
}

static void a_secret_key_is_never_published(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        const PolicyFacts f = facts(&s);

        assert_int_equal(
                        decide(&f, "{\"type\":\"post\",\"text\":\"mine is nsec1vl029mgpspedva04g90vltkh"
                                   "6fvh240zqtv9k0t9af8935ke9laqsnlfe5!\"}"),
                        POLICY_REFUSE);
        assert_string_equal(said, "a secret key is in it");
        assert_int_equal(decide(&f, "{\"type\":\"post\",\"text\":\"never tell nsec1 to anybody\"}"),
                        POLICY_GO);
}

static void quiet_hours_are_for_the_others_sleep(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        PolicyFacts f = facts(&s);

        f.quiet = true;
        assert_int_equal(decide(&f, POST), POLICY_REFUSE);
        assert_string_equal(said, "these are its quiet hours");
        assert_int_equal(decide(&f, REMEMBER), POLICY_GO);
        assert_int_equal(decide(&f, DM(OWNER)), POLICY_GO);
}

static void spans_of_the_day_may_pass_midnight(_unused_ void **state) {
        char *hours[] = { (char *) "22:00-07:00", (char *) "12:30-13:00", NULL };
        char *wrong[] = { (char *) "25:00-07:00", (char *) "1200-1300", (char *) "",
                (char *) "12:00-12:60", (char *) "12:00-13:00 ", NULL };

        assert_true(policy_is_quiet(hours, 23 * 60));
        assert_true(policy_is_quiet(hours, 0));
        assert_true(policy_is_quiet(hours, 6 * 60 + 59));
        assert_false(policy_is_quiet(hours, 7 * 60));
        assert_true(policy_is_quiet(hours, 12 * 60 + 30));
        assert_false(policy_is_quiet(hours, 13 * 60));
        assert_false(policy_is_quiet(hours, 21 * 60 + 59));
        for (unsigned minute = 0; minute < 1440; minute++)
                assert_false(policy_is_quiet(wrong, minute));
        assert_false(policy_is_quiet(NULL, 0));
}

static void a_dry_run_says_what_would_be_done(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        PolicyFacts f = facts(&s);

        f.dry = true;
        assert_int_equal(decide(&f, POST), POLICY_REFUSE);
        assert_string_equal(said, "dry run");
        assert_int_equal(decide(&f, REPLY(UNKNOWN)), POLICY_REFUSE);
        assert_string_equal(said, "no such event is among the observations");
}

static void who_has_much_under_way_finishes_it_first(_unused_ void **state) {
        const AgentSettings s = settings(AUTONOMY_FULL);
        PolicyFacts f = facts(&s);

        f.n_open = POLICY_OPEN_MAX;
        assert_int_equal(decide(&f, POST), POLICY_REFUSE);
        assert_int_equal(decide(&f, REMEMBER), POLICY_GO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_supervised_agent_asks_before_others_notice),
                cmocka_unit_test(what_was_approved_is_done_within_the_limits),
                cmocka_unit_test(only_allowed_actions_are_done),
                cmocka_unit_test(only_what_was_seen_is_answered),
                cmocka_unit_test(a_zap_goes_to_the_author_of_what_was_seen_or_to_a_key),
                cmocka_unit_test(lists_of_recipients_and_payees_are_held),
                cmocka_unit_test(rates_count_what_was_done_and_full_autonomy_has_none),
                cmocka_unit_test(money_is_limited_for_a_payment_a_tick_and_a_day),
                cmocka_unit_test(large_amounts_wait_for_the_owner),
                cmocka_unit_test(an_invoice_is_read_before_it_is_paid),
                cmocka_unit_test(a_strangers_invoice_waits_for_the_owner_unless_he_named_payees),
                cmocka_unit_test(a_secret_key_is_never_published),
                cmocka_unit_test(quiet_hours_are_for_the_others_sleep),
                cmocka_unit_test(spans_of_the_day_may_pass_midnight),
                cmocka_unit_test(a_dry_run_says_what_would_be_done),
                cmocka_unit_test(who_has_much_under_way_finishes_it_first),
        };

        if (crypt_setup() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
