/* money/msat: exact both ways. */
#include "tests/unit/unit.h"

#include "money/msat.h"

static void amounts_are_read_exactly(_unused_ void **state) {
        static const struct {
                const char *text;
                int64_t msat;
        } rows[] = {
                { "0", 0 },
                { "21", 21000 },
                { "21 sat", 21000 },
                { "21sats", 21000 },
                { "1500 msat", 1500 },
                { "1.5 sat", 1500 },
                { "0.001", 1 },
                { "1.500000 sat", 1500 },
                { "0.00000000001 btc", 1 },
                { "0.5 BTC", INT64_C(50000000000) },
                { "21000000 btc", MSAT_MAX },
                { "2100000000000000000 msat", MSAT_MAX },
                { "7.0 msat", 7 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *reason = NULL;
                int64_t msat = -1;

                if (msat_parse(rows[i].text, &msat, &reason) < 0)
                        fail_msg("%s: %s", rows[i].text, reason);
                assert_int_equal(msat, rows[i].msat);
        }
}

static void what_is_no_amount_is_refused(_unused_ void **state) {
        static const char *const bad[] = { "", " ", "-1", "+1", "1.", ".5", "1,000", "1e3", "sat",
                "1 satt", "1 sat ", "0.0001 sat", "0.5 msat", "0.000000000001 btc",
                "21000000.00000000001 btc", "99999999999999999999999", "1 2", "1..2", "0x10" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *reason = NULL;
                int64_t msat;

                if (msat_parse(bad[i], &msat, &reason) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
                assert_non_null(reason);
        }
}

static void amounts_are_written_exactly(_unused_ void **state) {
        static const struct {
                int64_t msat;
                const char *text;
        } rows[] = {
                { 0, "0 sat" },
                { 1, "0.001 sat" },
                { 21000, "21 sat" },
                { 1500, "1.5 sat" },
                { 1050, "1.05 sat" },
                { -1500, "-1.5 sat" },
                { -1, "-0.001 sat" },
                { INT64_MIN, "-9223372036854775.808 sat" },
                { MSAT_MAX, "2100000000000000 sat" },
        };
        char text[MSAT_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_string_equal(msat_text(rows[i].msat, text), rows[i].text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(amounts_are_read_exactly),
                cmocka_unit_test(what_is_no_amount_is_refused),
                cmocka_unit_test(amounts_are_written_exactly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
