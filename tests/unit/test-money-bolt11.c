/* money/bolt11: the BOLT's own invoices, LND's, real ones, and what we write ourselves. */
#include "tests/unit/vectors.h"

#include "basic/codec.h"
#include "money/bolt11.h"

static void expect_hex(struct json_object *d, const char *key, const uint8_t *got, size_t size) {
        uint8_t expected[VECTOR_BYTES_MAX];

        if (!json_object_object_get_ex(d, key, NULL))
                return;
        assert_int_equal(row_bytes(d, key, expected), size);
        assert_memory_equal(got, expected, size);
}

static void expect_number(struct json_object *d, const char *key, int64_t got, int64_t usual) {
        struct json_object *field;

        if (json_object_object_get_ex(d, key, &field) && field)
                assert_int_equal(json_object_get_int64(field), got);
        else
                assert_int_equal(got, usual);
}

static void expect_features(struct json_object *d, const Bolt11 *b) {
        struct json_object *list, *bit;

        if (!json_object_object_get_ex(d, "features", &list)) {
                assert_int_equal(b->n_features, 0);
                return;
        }
        assert_int_equal(json_object_array_length(list), b->n_features);
        ROWS_FOREACH(bit, list)
        assert_int_equal(json_object_get_int(bit), b->features[_i]);
}

static void expect_hop(struct json_object *row, const Bolt11Hop *hop) {
        char scid[64];

        expect_hex(row, "pubkey", hop->pubkey, 33);
        (void) snprintf(scid, sizeof(scid), "%ux%ux%u", (unsigned) (hop->channel >> 40),
                        (unsigned) (hop->channel >> 16 & 0xffffff),
                        (unsigned) (hop->channel & 0xffff));
        assert_string_equal(row_string(row, "scid"), scid);
        expect_number(row, "fee_base_msat", hop->fee_base_msat, 0);
        expect_number(row, "fee_ppm", hop->fee_ppm, 0);
        expect_number(row, "cltv_delta", hop->cltv_delta, 0);
}

static void expect_routes(struct json_object *d, const Bolt11 *b) {
        struct json_object *routes = row_get(d, "hops"), *route;

        assert_int_equal(json_object_array_length(routes), b->n_routes);
        for (size_t i = 0; i < b->n_routes; i++) {
                route = json_object_array_get_idx(routes, i);
                assert_int_equal(json_object_array_length(route), b->routes[i].n_hops);
                for (size_t k = 0; k < b->routes[i].n_hops; k++)
                        expect_hop(json_object_array_get_idx(route, k), b->routes[i].hops + k);
        }
}

static void expect_decoded(struct json_object *d, const Bolt11 *b) {
        static const char *const prefixes[] = { "bc", "tb", "tbs", "bcrt" };
        struct json_object *text;

        assert_string_equal(row_string(d, "network"), prefixes[b->network]);
        expect_number(d, "amount_msat", b->amount_msat, 0);
        expect_number(d, "timestamp", b->created_at, -1);
        expect_number(d, "expiry", b->expiry, 3600);
        expect_number(d, "min_final_cltv", b->min_final_cltv, 18);
        expect_hex(d, "payment_hash", b->payment_hash, 32);
        expect_hex(d, "payment_secret", b->payment_secret, 32);
        expect_hex(d, "description_hash", b->description_hash, 32);
        expect_hex(d, "payee_recovered", b->payee, 33);
        expect_hex(d, "payee_field", b->payee, 33);
        expect_hex(d, "metadata", b->metadata, b->metadata_size);
        expect_hex(d, "signature", b->signature, 64);
        assert_int_equal(row_int(d, "recid"), b->signature[64]);
        expect_features(d, b);
        expect_routes(d, b);
        assert_int_equal(json_object_array_length(row_get(d, "fallbacks")), b->n_fallbacks);
        if (json_object_object_get_ex(d, "description", &text))
                assert_string_equal(json_object_get_string(text), b->description);
        else
                assert_null(b->description);
}

static void decode(const char *text, Bolt11 *ret) {
        const char *reason = NULL;

        if (bolt11_decode(text, ret, &reason) < 0)
                fail_msg("%s: %s", text, reason);
}

static void expect_refused(const char *text, const char *expected) {
        const char *reason = NULL;
        Bolt11 b;

        if (bolt11_decode(text, &b, &reason) != -EINVAL)
                fail_msg("taken: %s", text);
        assert_non_null(reason);
        if (expected)
                assert_string_equal(reason, expected);
}

static void expect_same_hop(const Bolt11Hop *a, const Bolt11Hop *b) {
        assert_memory_equal(a->pubkey, b->pubkey, 33);
        assert_int_equal(a->channel, b->channel);
        assert_int_equal(a->fee_base_msat, b->fee_base_msat);
        assert_int_equal(a->fee_ppm, b->fee_ppm);
        assert_int_equal(a->cltv_delta, b->cltv_delta);
}

/* Same facts, whatever the order of their fields. */
static void expect_same(const Bolt11 *a, const Bolt11 *b) {
        assert_int_equal(a->network, b->network);
        assert_int_equal(a->amount_msat, b->amount_msat);
        assert_int_equal(a->created_at, b->created_at);
        assert_int_equal(a->expiry, b->expiry);
        assert_int_equal(a->min_final_cltv, b->min_final_cltv);
        assert_memory_equal(a->payment_hash, b->payment_hash, 32);
        assert_memory_equal(a->payment_secret, b->payment_secret, 32);
        assert_memory_equal(a->payee, b->payee, 33);
        assert_int_equal(!a->description, !b->description);
        if (a->description)
                assert_string_equal(a->description, b->description);
        assert_memory_equal(a->description_hash, b->description_hash, 32);
        assert_int_equal(a->n_features, b->n_features);
        for (size_t i = 0; i < a->n_features; i++)
                assert_int_equal(a->features[i], b->features[i]);
        assert_int_equal(a->n_routes, b->n_routes);
        for (size_t i = 0; i < a->n_routes; i++) {
                assert_int_equal(a->routes[i].n_hops, b->routes[i].n_hops);
                for (size_t k = 0; k < a->routes[i].n_hops; k++)
                        expect_same_hop(a->routes[i].hops + k, b->routes[i].hops + k);
        }
        assert_int_equal(a->n_fallbacks, b->n_fallbacks);
        for (size_t i = 0; i < a->n_fallbacks; i++) {
                assert_int_equal(a->fallbacks[i].version, b->fallbacks[i].version);
                assert_int_equal(a->fallbacks[i].size, b->fallbacks[i].size);
                assert_memory_equal(a->fallbacks[i].program, b->fallbacks[i].program, 40);
        }
        assert_int_equal(a->metadata_size, b->metadata_size);
        if (a->metadata_size > 0)
                assert_memory_equal(a->metadata, b->metadata, a->metadata_size);
}

static void the_bolts_invoices_mean_what_it_says(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bolt11_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "valid")) {
                _cleanup_bolt11_ Bolt11 b = { 0 };

                decode(row_string(row, "invoice"), &b);
                expect_decoded(row_get(row, "decoded"), &b);
        }
}

static void what_the_bolt_calls_invalid_is_refused(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bolt11_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "invalid"))
        expect_refused(row_string(row, "string"), NULL);
}

/* Ours, written again with the BOLT's key: the same facts; and where the order of the fields is the
 * same, the same text. */
static void the_bolts_invoices_can_be_written_again(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bolt11_vectors.json");
        uint8_t secret[VECTOR_BYTES_MAX];
        struct json_object *row;
        unsigned n_same = 0;

        (void) row_bytes(all, "priv_key", secret);
        ROWS_FOREACH(row, row_get(all, "valid")) {
                _cleanup_bolt11_ Bolt11 b = { 0 }, again = { 0 };
                _cleanup_free_ char *text = NULL;
                const char *reason = NULL, *invoice = row_string(row, "invoice");

                decode(invoice, &b);
                if (bolt11_encode(&b, secret, &text, &reason) < 0)
                        fail_msg("%s: %s", invoice, reason);
                decode(text, &again);
                if (memcmp(b.payee, again.payee, 33) == 0)
                        expect_same(&b, &again);
                n_same += streq(text, invoice);
        }
        print_message("# %u of the BOLT's invoices come out letter by letter\n", n_same);
        assert_true(n_same >= 6);
}

static void real_invoices_are_understood(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bolt11_real_world.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "invoices")) {
                _cleanup_bolt11_ Bolt11 b = { 0 };

                decode(row_string(row, "invoice"), &b);
                expect_decoded(row_get(row, "decoded"), &b);
        }
}

static void what_lnd_refuses_we_refuse(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("bolt11_extra_lnd.json");
        struct json_object *row;
        unsigned n_refused = 0;

        ROWS_FOREACH(row, row_get(all, "rows")) {
                _cleanup_bolt11_ Bolt11 b = { 0 };
                const char *reason = NULL;
                bool taken = bolt11_decode(row_string(row, "invoice"), &b, &reason) >= 0;
                bool lnd = json_object_get_boolean(row_get(row, "lnd_valid"));
                bool lax = json_object_get_boolean(row_get(row, "lax_reference_decoder_accepts"));

                n_refused += !taken;
                if (taken && !lnd && !lax)
                        fail_msg("taken: %s", row_string(row, "invoice"));
        }
        assert_true(n_refused > 0);
}

static char *write_one(Bolt11 *b) {
        static const uint8_t secret[32] = { [31] = 7 };
        const char *reason = NULL;
        char *text = NULL;

        if (bolt11_encode(b, secret, &text, &reason) < 0)
                fail_msg("%s", reason);
        return text;
}

static Bolt11 plain(void) {
        return (Bolt11){
                .network = NETWORK_REGTEST,
                .created_at = 1700000000,
                .payment_hash = { 1 },
                .payment_secret = { 2 },
                .description = strdup("x"),
        };
}

static void amounts_take_their_shortest_form(_unused_ void **state) {
        static const struct {
                int64_t msat;
                const char *begins;
        } rows[] = {
                { 0, "lnbcrt1" },
                { 1, "lnbcrt10p1" },
                { 10, "lnbcrt100p1" },
                { 100, "lnbcrt1n1" },
                { 1000, "lnbcrt10n1" },
                { 21000, "lnbcrt210n1" },
                { 100000, "lnbcrt1u1" },
                { 123456789, "lnbcrt1234567890p1" },
                { 100000000, "lnbcrt1m1" },
                { INT64_C(100000000000), "lnbcrt11" },
                { BOLT11_AMOUNT_MAX, "lnbcrt210000001" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_bolt11_ Bolt11 b = plain(), again = { 0 };
                _cleanup_free_ char *text = NULL;

                b.amount_msat = rows[i].msat;
                text = write_one(&b);
                assert_non_null(startswith(text, rows[i].begins));
                decode(text, &again);
                assert_int_equal(again.amount_msat, rows[i].msat);
                assert_int_equal(again.network, NETWORK_REGTEST);
        }
}

static void each_network_has_its_prefix(_unused_ void **state) {
        static const char *const begins[] = { "lnbc1", "lntb1", "lntbs1", "lnbcrt1" };

        for (Network n = 0; n < _NETWORK_MAX; n++) {
                _cleanup_bolt11_ Bolt11 b = plain(), again = { 0 };
                _cleanup_free_ char *text = NULL;

                b.network = n;
                text = write_one(&b);
                assert_non_null(startswith(text, begins[n]));
                decode(text, &again);
                assert_int_equal(again.network, n);
        }
}

static void everything_an_invoice_can_say_comes_back(_unused_ void **state) {
        static const uint8_t secret[32] = { [31] = 1 };
        uint16_t features[] = { 8, 14, 17, 99, BOLT11_FEATURE_MAX - 1 };
        Bolt11Hop hops[2] = { { .pubkey = { 2, 1 }, .channel = 0x0102030405060708, .fee_ppm = 7 },
                { .pubkey = { 3, 9 }, .fee_base_msat = UINT32_MAX, .cltv_delta = 65535 } };
        Bolt11Route routes[] = { { hops, 2 }, { hops, 1 } };
        Bolt11Fallback fallbacks[] = { { .version = 17, .program = { 5 }, .size = 20 },
                { .version = 0, .program = { 6 }, .size = 32 } };
        uint8_t metadata[3] = { 1, 2, 3 };
        _cleanup_bolt11_ Bolt11 again = { 0 };
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;
        Bolt11 b = {
                .network = NETWORK_SIGNET,
                .amount_msat = 2100,
                .created_at = (INT64_C(1) << 35) - 1,
                .expiry = (INT64_C(1) << 60) - 1,
                .min_final_cltv = 144,
                .description_hash = { 9 },
                .has_payee = true,
                .features = features,
                .n_features = ELEMENTSOF(features),
                .routes = routes,
                .n_routes = 2,
                .fallbacks = fallbacks,
                .n_fallbacks = 2,
                .metadata = metadata,
                .metadata_size = sizeof(metadata),
                .has_metadata = true,
        };

        /* The generator itself is the key of the secret 1. */
        assert_int_equal(hex_decode("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f8"
                                    "1798",
                                         b.payee, 33),
                        0);
        assert_int_equal(bolt11_encode(&b, secret, &text, &reason), 0);
        decode(text, &again);
        expect_same(&b, &again);
        assert_true(again.has_payee);
        assert_true(bolt11_has_feature(&again, BOLT11_BASIC_MPP));
        assert_false(bolt11_has_feature(&again, BOLT11_ROUTE_BLINDING));
}

static void a_payee_who_did_not_sign_is_refused(_unused_ void **state) {
        _cleanup_bolt11_ Bolt11 b = plain();
        _cleanup_free_ char *text = NULL;

        b.has_payee = true;
        b.payee[0] = 2;
        b.payee[32] = 1;
        text = write_one(&b);
        expect_refused(text, "its signature is not good");
}

static void misspelt_invoices_are_refused(_unused_ void **state) {
        static const struct {
                const char *text, *reason;
        } rows[] = {
                { "", "it is misspelt" },
                { "lnbcrt1", "it is misspelt" },
                { "lightning:", "it is misspelt" },
                { "LIGHTNING:lnbc", "it is misspelt" },
        };
        _cleanup_bolt11_ Bolt11 b = plain(), again = { 0 };
        _cleanup_free_ char *text = write_one(&b), *longer = new0(char, BOLT11_MAX + 2);
        char *p;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                expect_refused(rows[i].text, rows[i].reason);
        memset(longer, 'q', BOLT11_MAX + 1);
        expect_refused(longer, "it is too long");

        /* One letter of another case, or another letter at any place. */
        decode(text, &again);
        for (p = text; *p; p++) {
                char was = *p;

                *p = was == 'q' ? 'p' : 'q';
                expect_refused(text, NULL);
                *p = was;
        }
        *--p = 'Q';
        expect_refused(text, "it is misspelt");
}

static void amounts_that_are_none_are_refused(_unused_ void **state) {
        static const char *const bad[] = { "lnbcrt0", "lnbcrt01", "lnbcrt1x", "lnbcrt1pp",
                "lnbcrt1p", "lnbcrt11p", "lnbcrt21000001", "lnbcrt9999999999999999999999999",
                "lnbcrtm", "lnbc1u1u", "lnxx1", "lnb", "ln", "bc", "lnbc-1" };
        uint8_t words[120] = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text = NULL;

                assert_int_equal(bech32_encode_words(bad[i], words, sizeof(words), &text), 0);
                expect_refused(text, NULL);
        }
}

static void an_invoice_knows_what_it_is_about(_unused_ void **state) {
        _cleanup_bolt11_ Bolt11 b = plain(), hashed = { 0 };

        assert_true(bolt11_describes(&b, "x", 1));
        assert_false(bolt11_describes(&b, "y", 1));
        assert_int_equal(hex_decode("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48"
                                    "81",
                                         hashed.description_hash, 32),
                        0);
        assert_true(bolt11_describes(&hashed, "x", 1));
        assert_false(bolt11_describes(&hashed, "X", 1));
        b.expiry = 60;
        assert_int_equal(bolt11_expires_at(&b), 1700000060);
}

static void what_cannot_be_written_is_said(_unused_ void **state) {
        static const uint8_t secret[32] = { [31] = 1 }, none[32] = { 0 };
        uint16_t unordered[] = { 14, 8 };
        const char *reason = NULL;
        char *text, longer[BOLT11_DESCRIPTION_MAX + 2];

        for (unsigned i = 0; i < 8; i++) {
                _cleanup_free_ char *description = strdup("x");
                Bolt11 b = { .network = NETWORK_REGTEST, .description = description };

                memset(longer, 'x', sizeof(longer) - 1);
                longer[sizeof(longer) - 1] = 0;
                b.amount_msat = i == 0 ? -1 : i == 1 ? BOLT11_AMOUNT_MAX + 1 : 1;
                b.created_at = i == 2 ? -1 : i == 3 ? INT64_C(1) << 35 : 1;
                b.expiry = i == 4 ? -1 : 1;
                b.description = i == 5 ? longer : description;
                b.features = unordered;
                b.n_features = i == 6 ? 2 : 0;
                reason = NULL;
                assert_int_equal(
                                bolt11_encode(&b, i == 7 ? none : secret, &text, &reason), -EINVAL);
                assert_non_null(reason);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_bolts_invoices_mean_what_it_says),
                cmocka_unit_test(what_the_bolt_calls_invalid_is_refused),
                cmocka_unit_test(the_bolts_invoices_can_be_written_again),
                cmocka_unit_test(real_invoices_are_understood),
                cmocka_unit_test(what_lnd_refuses_we_refuse),
                cmocka_unit_test(amounts_take_their_shortest_form),
                cmocka_unit_test(each_network_has_its_prefix),
                cmocka_unit_test(everything_an_invoice_can_say_comes_back),
                cmocka_unit_test(a_payee_who_did_not_sign_is_refused),
                cmocka_unit_test(misspelt_invoices_are_refused),
                cmocka_unit_test(amounts_that_are_none_are_refused),
                cmocka_unit_test(an_invoice_knows_what_it_is_about),
                cmocka_unit_test(what_cannot_be_written_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
