/* money/price: examples, and what is true of every list and every request. */
#include "money/price.h"
#include "unit.h"

#define ROUNDS 20000

/* Numbers that look like chance, and are the same in every run. */
static uint64_t next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

static int64_t some(uint64_t *seed, int64_t max) {
        return (int64_t) (next(seed) % (uint64_t) (max + 1));
}

static ConfigPrice row_of(uint64_t *seed) {
        return (ConfigPrice){
                .model = (char *) "",
                .base_msats = some(seed, 100000),
                .per_ktoken_in_msats = some(seed, 100000),
                .per_ktoken_out_msats = some(seed, 100000),
                .per_kbyte_msats = some(seed, 1000),
                .per_second_msats = some(seed, 1000000),
                .per_cpu_second_msats = some(seed, 1000000),
                .minimum_msats = some(seed, 100000) - 1,
                .maximum_msats = some(seed, 1) * some(seed, 100000000),
                .bid = (BidRule) some(seed, BID_TAKE),
        };
}

static PriceFacts facts_of(uint64_t *seed) {
        return (PriceFacts){
                .kind = 5050,
                .model = "m",
                .tokens_in = some(seed, 100000),
                .tokens_out = some(seed, 100000),
                .bytes = some(seed, 1000000),
                .duration = (usec_t) some(seed, 1000000000),
                .cpu = (usec_t) some(seed, 1000000000),
                .bid_msat = some(seed, 1) ? some(seed, 1000000000) : -1,
                .unit_msat = some(seed, 1) ? 1000 : 1,
        };
}

static PriceQuote quote(const ConfigPrice *row, const PriceFacts *f) {
        const PriceList l = { .rows = row, .n_rows = 1, .base_msat = 1000 };
        PriceQuote q;

        assert_int_equal(price_quote(&l, f, &q), 0);
        return q;
}

static void patterns_fit_as_people_expect(_unused_ void **state) {
        assert_true(price_model_fits("*", ""));
        assert_true(price_model_fits("*", "llama3.2"));
        assert_true(price_model_fits("llama*", "Llama3.2:3b"));
        assert_true(price_model_fits("*:70b", "llama3:8b:70b"));
        assert_true(price_model_fits("l?ama*b", "llama3b"));
        assert_true(price_model_fits("", ""));
        assert_false(price_model_fits("", "x"));
        assert_false(price_model_fits("llama", "llama3"));
        assert_false(price_model_fits("?", ""));
        assert_false(price_model_fits("*:70b", "llama3:8b"));
        /* what makes a naive matcher work for years */
        assert_false(price_model_fits("*a*a*a*a*a*a*a*a*a*a*b",
                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void the_first_row_that_fits_is_the_one(_unused_ void **state) {
        const ConfigPrice rows[] = {
                { .kind = 5050, .model = (char *) "big*", .base_msats = 9, .minimum_msats = 0 },
                { .kind = 5050, .model = (char *) "", .base_msats = 5, .minimum_msats = 0 },
                { .kind = 0, .model = (char *) "*", .base_msats = 3, .minimum_msats = 0 },
        };
        PriceList l = { .rows = rows, .n_rows = 3, .base_msat = 1000 };

        assert_ptr_equal(price_find(&l, 5050, "big-one"), rows);
        assert_ptr_equal(price_find(&l, 5050, "small"), rows + 1);
        assert_ptr_equal(price_find(&l, 5050, NULL), rows + 1);
        assert_ptr_equal(price_find(&l, 5970, ""), rows + 2);
        l.n_rows = 2;
        assert_null(price_find(&l, 5970, ""));
}

static void what_no_row_fits_costs_the_least_price(_unused_ void **state) {
        const PriceList l = { .base_msat = 1234 };
        PriceFacts f = { .kind = 5970, .bid_msat = -1 };
        PriceQuote q;

        assert_int_equal(price_quote(&l, &f, &q), 0);
        assert_int_equal(q.msat, 1234);
        assert_null(q.row);
        f.bid_msat = 1233;
        assert_int_equal(price_quote(&l, &f, &q), 0);
        assert_true(q.too_cheap);
        f.bid_msat = 1234;
        f.unit_msat = 1000;
        assert_int_equal(price_quote(&l, &f, &q), 0);
        assert_int_equal(q.msat, 2000);
        assert_true(q.too_cheap);
}

static void each_part_is_rounded_up(_unused_ void **state) {
        const ConfigPrice row = {
                .base_msats = 10,
                .per_ktoken_in_msats = 1,
                .per_ktoken_out_msats = 2000,
                .per_kbyte_msats = 1,
                .per_second_msats = 1,
                .per_cpu_second_msats = 7,
                .bid = BID_ACCEPT,
        };
        const PriceFacts f = {
                .tokens_in = 1,  /* 1 */
                .tokens_out = 3, /* 6 */
                .bytes = 1001,   /* 2 */
                .duration = 1,   /* 1 */
                .cpu = 2 * SEC,  /* 14 */
                .bid_msat = 5,
        };

        assert_int_equal(quote(&row, &f).msat, 34);
        assert_false(quote(&row, &f).too_cheap);
}

static void a_bid_is_what_the_rule_says(_unused_ void **state) {
        ConfigPrice row = { .base_msats = 1000, .bid = BID_REQUIRE };
        PriceFacts f = { .bid_msat = 999 };

        assert_true(quote(&row, &f).too_cheap);
        assert_int_equal(quote(&row, &f).msat, 1000);
        f.bid_msat = 5000;
        assert_int_equal(quote(&row, &f).msat, 1000);
        row.bid = BID_TAKE;
        assert_int_equal(quote(&row, &f).msat, 5000);
        row.maximum_msats = 3000;
        assert_int_equal(quote(&row, &f).msat, 3000);
        row.maximum_msats = 500; /* less than the price: the price */
        assert_int_equal(quote(&row, &f).msat, 1000);
        row.maximum_msats = 0;
        f.bid_msat = 5999;
        f.unit_msat = 1000;
        assert_int_equal(quote(&row, &f).msat, 5000);
        f.bid_msat = -1;
        assert_int_equal(quote(&row, &f).msat, 1000);
}

static void what_is_free_stays_free(_unused_ void **state) {
        const ConfigPrice row = { .bid = BID_TAKE };
        const PriceFacts f = { .tokens_in = 100, .bid_msat = 5000, .unit_msat = 1000 };

        assert_int_equal(quote(&row, &f).msat, 0);
        assert_false(quote(&row, &f).too_cheap);
}

static void nothing_overflows(_unused_ void **state) {
        const ConfigPrice row = { .per_ktoken_in_msats = PRICE_MAX };
        const PriceList l = { .rows = &row, .n_rows = 1 };
        PriceFacts f = { .tokens_in = INT64_MAX, .bid_msat = -1 };
        PriceQuote q;

        assert_int_equal(price_quote(&l, &f, &q), -EOVERFLOW);
        f.tokens_in = 1000;
        assert_int_equal(price_quote(&l, &f, &q), 0);
        assert_int_equal(q.msat, PRICE_MAX);
        f.tokens_in = 1001;
        assert_int_equal(price_quote(&l, &f, &q), -EOVERFLOW);
        f.tokens_in = -1;
        assert_int_equal(price_quote(&l, &f, &q), -EINVAL);
}

/* More work is never cheaper, the least price holds, units are whole, no bid is exceeded. */
static void a_quote_keeps_its_promises_for_every_list(_unused_ void **state) {
        uint64_t seed = 0x9e3779b97f4a7c15;

        for (int i = 0; i < ROUNDS; i++) {
                ConfigPrice row = row_of(&seed);
                PriceFacts f = facts_of(&seed), more = f, none = f;
                PriceQuote q = quote(&row, &f);

                assert_true(q.msat >= 0 && q.msat <= PRICE_MAX);
                assert_int_equal(q.msat % f.unit_msat, 0);
                assert_true(q.msat >= (row.minimum_msats >= 0 ? row.minimum_msats : 1000));
                assert_true(f.bid_msat < 0 || row.bid == BID_ACCEPT || q.too_cheap ||
                                q.msat <= f.bid_msat);
                none.bid_msat = -1;
                if (row.bid != BID_TAKE)
                        assert_int_equal(quote(&row, &none).msat, q.msat);
                more.tokens_out += some(&seed, 1000);
                more.duration += (usec_t) some(&seed, 1000);
                more.bytes += some(&seed, 1000);
                more.bid_msat = none.bid_msat;
                assert_true(quote(&row, &more).msat >= quote(&row, &none).msat);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patterns_fit_as_people_expect),
                cmocka_unit_test(the_first_row_that_fits_is_the_one),
                cmocka_unit_test(what_no_row_fits_costs_the_least_price),
                cmocka_unit_test(each_part_is_rounded_up),
                cmocka_unit_test(a_bid_is_what_the_rule_says),
                cmocka_unit_test(what_is_free_stays_free),
                cmocka_unit_test(nothing_overflows),
                cmocka_unit_test(a_quote_keeps_its_promises_for_every_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
