/* market/terms: what may be paid for which order. The invoices are signed here. */
#include "basic/crypt.h"
#include "market/terms.h"
#include "money/bolt11.h"
#include "unit.h"

#define NOW 1700000000

static char *invoice(Network network, int64_t msat, int64_t created_at) {
        static const uint8_t secret[32] = { [31] = 7 };
        const char *reason = "";
        char *text = NULL;
        const Bolt11 b = {
                .network = network,
                .amount_msat = msat,
                .created_at = created_at,
                .expiry = 600,
                .payment_hash = { 0xab },
                .description = (char *) "a job",
        };

        assert_int_equal(bolt11_encode(&b, secret, &text, &reason), 0);
        return text;
}

static PayTerms terms(void) {
        return (PayTerms){
                .network = NETWORK_REGTEST,
                .now = NOW,
                .asked_msat = 21000,
                .bid_msat = 21000,
                .max_msat = 21000,
                .offer_msat = 21000,
        };
}

static int check(const PayTerms *t, int64_t msat, const char **ret_reason) {
        _cleanup_free_ char *text = invoice(NETWORK_REGTEST, msat, NOW - 10);
        PayDemand d;

        return pay_terms_check(t, text, &d, ret_reason);
}

static void an_invoice_that_keeps_all_terms_may_be_paid(_unused_ void **state) {
        _cleanup_free_ char *text = invoice(NETWORK_REGTEST, 21000, NOW - 10);
        const PayTerms t = terms();
        const char *reason;
        PayDemand d;

        assert_int_equal(pay_terms_check(&t, text, &d, &reason), 0);
        assert_int_equal(d.amount_msat, 21000);
        assert_int_equal(d.expires_at, NOW + 590);
        assert_int_equal(strncmp(d.hash_hex, "ab000000", 8), 0);
}

static void each_term_is_held(_unused_ void **state) {
        const char *reason = NULL;
        PayTerms t = terms();

        t.asked_msat = 20000;
        assert_int_equal(check(&t, 21000, &reason), -EPERM);
        assert_string_equal(reason, "the invoice asks for more than its event says");
        t = terms();
        t.bid_msat = 20999;
        assert_int_equal(check(&t, 21000, &reason), -EPERM);
        assert_string_equal(reason, "the invoice asks for more than was bid");
        t = terms();
        t.max_msat = 20999;
        assert_int_equal(check(&t, 21000, &reason), -EPERM);
        assert_string_equal(reason, "the invoice asks for more than may be paid");
        t = terms();
        t.offer_msat = 20000;
        t.bid_msat = -1;
        assert_int_equal(check(&t, 21000, &reason), -EPERM);
        assert_string_equal(reason, "the invoice asks for more than the provider announced");
}

static void whole_sats_are_no_deceit(_unused_ void **state) {
        const char *reason = NULL;
        PayTerms t = terms();

        t.asked_msat = 20001;
        assert_int_equal(check(&t, 21000, &reason), 0);
        t = terms();
        t.bid_msat = -1;
        t.offer_msat = 20001;
        assert_int_equal(check(&t, 21000, &reason), 0);
}

static void who_bids_more_than_was_announced_means_it(_unused_ void **state) {
        const char *reason = NULL;
        PayTerms t = terms();

        t.offer_msat = 5000;
        assert_int_equal(check(&t, 21000, &reason), 0);
}

static void another_network_is_refused(_unused_ void **state) {
        _cleanup_free_ char *text = invoice(NETWORK_MAINNET, 21000, NOW - 10);
        const PayTerms t = terms();
        const char *reason;
        PayDemand d;

        assert_int_equal(pay_terms_check(&t, text, &d, &reason), -EINVAL);
        assert_string_equal(reason, "the invoice is of another Bitcoin network");
}

static void what_has_expired_is_not_paid(_unused_ void **state) {
        _cleanup_free_ char *text = invoice(NETWORK_REGTEST, 21000, NOW - 600);
        const PayTerms t = terms();
        const char *reason;
        PayDemand d;

        assert_int_equal(pay_terms_check(&t, text, &d, &reason), -ETIME);
}

static void an_invoice_without_amount_takes_that_of_its_event(_unused_ void **state) {
        _cleanup_free_ char *text = invoice(NETWORK_REGTEST, 0, NOW - 10);
        PayTerms t = terms();
        const char *reason;
        PayDemand d;

        assert_int_equal(pay_terms_check(&t, text, &d, &reason), 0);
        assert_int_equal(d.amount_msat, 21000);
        t.asked_msat = -1;
        assert_int_equal(pay_terms_check(&t, text, &d, &reason), -EINVAL);
}

static void what_is_no_invoice_is_refused(_unused_ void **state) {
        const char *const texts[] = { "", "lnbcrt1", "name@example.com", "lnbcrt10n1qqqq" };
        const PayTerms t = terms();

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                const char *reason = NULL;
                PayDemand d;

                assert_int_equal(pay_terms_check(&t, texts[i], &d, &reason), -EINVAL);
                assert_non_null(reason);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_invoice_that_keeps_all_terms_may_be_paid),
                cmocka_unit_test(each_term_is_held),
                cmocka_unit_test(whole_sats_are_no_deceit),
                cmocka_unit_test(who_bids_more_than_was_announced_means_it),
                cmocka_unit_test(another_network_is_refused),
                cmocka_unit_test(what_has_expired_is_not_paid),
                cmocka_unit_test(an_invoice_without_amount_takes_that_of_its_event),
                cmocka_unit_test(what_is_no_invoice_is_refused),
        };

        return crypt_setup() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
