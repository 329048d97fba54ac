/* market/choose: whom to buy from, as one decision without a clock. */
#include "market/choose.h"
#include "unit.h"

#define NOW  1700000000
#define DAY  (24 * 3600)
#define ANN  "1111111111111111111111111111111111111111111111111111111111111111"
#define BOB  "2222222222222222222222222222222222222222222222222222222222222222"
#define CARL "3333333333333333333333333333333333333333333333333333333333333333"

static Offer offer(const char *who, int64_t msat) {
        Offer o = { .price_msat = msat, .network = "regtest" };

        memcpy(o.pubkey_hex, who, HEX32_MAX);
        return o;
}

static Wishes wishes(void) {
        return (Wishes){ .network = NETWORK_REGTEST, .now = NOW, .model = "", .max_msat = 50000 };
}

static void note(Records *r, const char *who, bool good, int64_t at, int64_t took, int64_t cost) {
        assert_int_equal(records_note(r, &(RecordNote){ who, good, at, took, cost }), 0);
}

static const char *chosen(const Offer *offers, size_t n, const Records *r, const Wishes *w) {
        const char *reason = NULL;
        const Offer *o = choose(offers, n, r, w, &reason);

        assert_non_null(reason);
        return o ? o->pubkey_hex : reason;
}

static void of_unknown_ones_the_cheapest_is_chosen(_unused_ void **state) {
        const Offer offers[] = { offer(ANN, 21000), offer(BOB, 4000), offer(CARL, -1) };
        const Wishes w = wishes();
        Records r;

        records_init(&r);
        assert_string_equal(chosen(offers, 3, &r, &w), BOB);
        assert_string_equal(chosen(offers, 0, &r, &w), "nobody sells this");
        records_done(&r);
}

static void who_is_quick_and_reliable_may_cost_more(_unused_ void **state) {
        const Offer offers[] = { offer(ANN, 8000), offer(BOB, 4000) };
        const Wishes w = wishes();
        Records r;

        records_init(&r);
        for (int i = 0; i < 5; i++) {
                note(&r, ANN, true, NOW - 60, 800, 8000);
                note(&r, BOB, true, NOW - 60, 9000, 4000);
        }
        assert_string_equal(chosen(offers, 2, &r, &w), ANN);
        records_done(&r);
}

static void what_was_paid_counts_more_than_what_was_announced(_unused_ void **state) {
        const Offer offers[] = { offer(ANN, 1), offer(BOB, 4000) };
        const Wishes w = wishes();
        Records r;

        records_init(&r);
        note(&r, ANN, true, NOW - 60, 1000, 40000);
        note(&r, BOB, true, NOW - 60, 1000, 4000);
        assert_string_equal(chosen(offers, 2, &r, &w), BOB);
        records_done(&r);
}

static void who_fails_several_times_in_a_row_is_left_alone_for_a_while(_unused_ void **state) {
        const Offer offers[] = { offer(ANN, 1000), offer(BOB, 40000) };
        Wishes w = wishes();
        Records r;

        records_init(&r);
        note(&r, BOB, true, NOW - 2 * DAY, 30000, 40000);
        note(&r, ANN, false, NOW, -1, -1);
        assert_false(record_is_banned(records_get(&r, ANN), NOW));
        note(&r, ANN, false, NOW, -1, -1);
        note(&r, ANN, false, NOW, -1, -1);
        assert_true(record_is_banned(records_get(&r, ANN), NOW));
        assert_string_equal(chosen(offers, 2, &r, &w), BOB);
        assert_string_equal(chosen(offers, 1, &r, &w),
                        "everybody who sells this has failed several times lately");
        w.now += 600;
        assert_string_equal(chosen(offers, 1, &r, &w), ANN);
        note(&r, ANN, true, w.now, 100, 1000);
        note(&r, ANN, false, w.now, -1, -1);
        note(&r, ANN, false, w.now, -1, -1);
        assert_false(record_is_banned(records_get(&r, ANN), w.now));
        records_done(&r);
}

static void after_the_first_try_those_come_who_have_delivered(_unused_ void **state) {
        const Offer offers[] = { offer(ANN, 0), offer(BOB, 0), offer(CARL, 30000) };
        const char *tried[] = { ANN, NULL };
        Wishes w = wishes();
        Records r;

        records_init(&r);
        note(&r, CARL, true, NOW - 60, 20000, 30000);
        assert_string_equal(chosen(offers, 3, &r, &w), ANN);
        w.tried = tried;
        assert_string_equal(chosen(offers, 3, &r, &w), BOB);
        w.again = true;
        assert_string_equal(chosen(offers, 3, &r, &w), CARL);
        records_done(&r);
}

static void model_price_network_and_list_exclude(_unused_ void **state) {
        char *models[] = { (char *) "llama", NULL };
        const char *allowed[] = { BOB, NULL }, *tried[] = { ANN, BOB, NULL };
        Offer offers[] = { offer(ANN, 1000), offer(BOB, 60000) };
        Wishes w = wishes();
        Records r;

        records_init(&r);
        offers[0].models = models;
        w.model = "qwen";
        w.max_msat = -1;
        assert_string_equal(chosen(offers, 2, &r, &w), BOB);
        w.model = "llama";
        assert_string_equal(chosen(offers, 2, &r, &w), ANN);
        w.allowed = allowed;
        w.max_msat = 50000;
        assert_string_equal(chosen(offers, 2, &r, &w), "everybody asks for more than may be paid");
        w.allowed = NULL;
        w.tried = tried;
        assert_string_equal(chosen(offers, 1, &r, &w), "nobody else sells this");
        w.tried = NULL;
        w.network = NETWORK_MAINNET;
        assert_string_equal(chosen(offers, 2, &r, &w), "nobody sells this on this Bitcoin network");
        offers[0].network[0] = '\0';
        assert_string_equal(chosen(offers, 2, &r, &w), ANN);
        records_done(&r);
}

static void nothing_overflows_and_nobody_is_known_without_end(_unused_ void **state) {
        Offer offers[] = { offer(ANN, INT64_MAX), offer(BOB, INT64_MAX - 1) };
        Wishes w = wishes();
        char who[HEX32_MAX];
        Records r;

        records_init(&r);
        w.max_msat = -1;
        w.now = INT64_MAX / 2;
        for (int i = 0; i < 2000; i++)
                note(&r, ANN, false, NOW, INT64_MAX, INT64_MAX);
        note(&r, BOB, true, w.now, INT64_MAX, INT64_MAX);
        note(&r, BOB, false, -5, -1, -1);
        assert_string_equal(chosen(offers, 2, &r, &w), ANN);
        assert_int_equal(records_note(&r, &(RecordNote){ "short", true, NOW, 1, 1 }), -ENOBUFS);
        for (int i = 0; i < 5000; i++) {
                (void) snprintf(who, sizeof(who), "%064x", i);
                (void) records_note(&r, &(RecordNote){ who, true, NOW, 1, 1 });
        }
        assert_null(records_get(&r, who));
        records_done(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(of_unknown_ones_the_cheapest_is_chosen),
                cmocka_unit_test(who_is_quick_and_reliable_may_cost_more),
                cmocka_unit_test(what_was_paid_counts_more_than_what_was_announced),
                cmocka_unit_test(who_fails_several_times_in_a_row_is_left_alone_for_a_while),
                cmocka_unit_test(after_the_first_try_those_come_who_have_delivered),
                cmocka_unit_test(model_price_network_and_list_exclude),
                cmocka_unit_test(nothing_overflows_and_nobody_is_known_without_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
