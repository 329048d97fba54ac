/* money/lnurl: places to pay to, and what their servers may answer. */
#include "tests/unit/vectors.h"

#include "basic/codec.h"
#include "money/lnurl.h"

static const char offer[] =
                "{\"tag\":\"payRequest\",\"callback\":\"https://h/cb\",\"minSendable\":1000,"
                "\"maxSendable\":100000,\"metadata\":\"[[\\\"text/plain\\\",\\\"tea\\\"]]\","
                "\"commentAllowed\":5}";

static void expect_url(const char *text, bool loopback_http, const char *url) {
        _cleanup_free_ char *got = NULL;
        const char *reason = NULL;

        assert_true(lnurl_looks_like(text));
        if (lnurl_url(text, loopback_http, &got, &reason) < 0)
                fail_msg("%s: %s", text, reason);
        assert_string_equal(got, url);
}

static void the_luds_texts_lead_to_their_urls(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("lnurl_vectors.json");
        struct json_object *row;

        ROWS_FOREACH(row, row_get(all, "bech32")) {
                _cleanup_free_ char *text = NULL;

                expect_url(row_string(row, "lnurl"), false, row_string(row, "url"));
                assert_int_equal(lnurl_encode(row_string(row, "url"), &text), 0);
                assert_int_equal(strcasecmp(text, row_string(row, "lnurl")), 0);
        }
        ROWS_FOREACH(row, row_get(all, "address"))
        expect_url(row_string(row, "address"), false, row_string(row, "url"));
}

static void every_spelling_is_understood(_unused_ void **state) {
        static const char lnurl[] = "lnurl1dp68gurn8ghj7etcv9khqmr99e3k7mf09emk2mrv944kummhdchkcmn4"
                                    "wfk8qtms09kx7mscq00ys";
        char text[512];

        expect_url(lnurl, false, "https://example.com/.well-known/lnurlp/pylon");
        (void) snprintf(text, sizeof(text), "LIGHTNING:%s", lnurl);
        expect_url(text, false, "https://example.com/.well-known/lnurlp/pylon");
        (void) snprintf(text, sizeof(text), "https://x.y/?a=b&lightning=%s&c=d", lnurl);
        expect_url(text, false, "https://example.com/.well-known/lnurlp/pylon");
        expect_url("lnurlp://example.com/a?b=c", false, "https://example.com/a?b=c");
        expect_url("lnurlp:example.com/a", false, "https://example.com/a");
        expect_url("a.b-c_d+e@example.com", false,
                        "https://example.com/.well-known/lnurlp/a.b-c_d+e");
        expect_url("x@127.0.0.1:80", true, "http://127.0.0.1:80/.well-known/lnurlp/x");
        expect_url("x@localhost:80", true, "http://localhost:80/.well-known/lnurlp/x");
        expect_url("x@127.0.0.1:80", false, "https://127.0.0.1:80/.well-known/lnurlp/x");
        expect_url("lnurlp://[::1]:80/x", true, "http://[::1]:80/x");
        expect_url("x@localhost.example.com", true,
                        "https://localhost.example.com/.well-known/lnurlp/x");
}

static void what_leads_nowhere_is_refused(_unused_ void **state) {
        static const char *const bad[] = { "", "x", "@example.com", "x@", "X@example.com",
                "a b@example.com", "x@example.com/evil", "x@example.com#f", "x@user:pass@host",
                "x@-host", "x@.host", "x@host:", "x@host:8a", "x@[::1", "x@ho st", "x@abc.onion",
                "lnurl1qqqq", "lnurlp://", "lnurlp:///path", "lnurlp://ho\nst/", "lnurlp://h/\\",
                "https://example.com/", "lnbc1pvjluez" };
        _cleanup_free_ char *plain = NULL, *elsewhere = NULL, *ftp = NULL;
        const char *reason = NULL;
        char *url;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                reason = NULL;
                if (lnurl_url(bad[i], true, &url, &reason) != -EINVAL)
                        fail_msg("taken: %s", bad[i]);
                assert_non_null(reason);
        }

        /* Without encryption only to this machine, and that only where it is allowed. */
        assert_int_equal(lnurl_encode("http://127.0.0.1/x", &plain), 0);
        assert_int_equal(lnurl_url(plain, false, &url, &reason), -EINVAL);
        assert_string_equal(reason, "its URL is without encryption");
        assert_int_equal(lnurl_encode("http://example.com/x", &elsewhere), 0);
        assert_int_equal(lnurl_url(elsewhere, true, &url, &reason), -EINVAL);
        assert_int_equal(lnurl_encode("ftp://example.com/x", &ftp), 0);
        assert_int_equal(lnurl_url(ftp, true, &url, &reason), -EINVAL);
}

static void a_zap_asks_as_the_fixture_does(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("fixtures_computed.json");
        struct json_object *zap = row_get(all, "zap");
        const char *answer = row_string(zap, "lnurlp_response"), *reason = NULL;
        LnurlAsk ask = {
                .msat = 21000,
                .zap_request = row_string(zap, "zap_request_json"),
                .lnurl = row_string(zap, "lnurl"),
        };
        _cleanup_bolt11_ Bolt11 b = { 0 };
        _cleanup_lnurl_pay_ LnurlPay p = { 0 };
        _cleanup_free_ char *url = NULL;
        uint8_t key[32];

        assert_int_equal(lnurl_pay_parse(answer, strlen(answer), &p, &reason), 0);
        assert_string_equal(p.description, "Pylon");
        assert_int_equal(p.min_msat, 1000);
        assert_int_equal(p.max_msat, 100000000);
        assert_int_equal(p.comment_max, 144);
        assert_true(p.allows_nostr);
        assert_int_equal(hex_decode(row_string(row_get(zap, "zap_receipt"), "pubkey"), key, 32), 0);
        assert_memory_equal(p.nostr_pubkey, key, 32);

        assert_int_equal(lnurl_callback_url(&p, &ask, &url, &reason), 0);
        assert_string_equal(url, row_string(zap, "callback_url"));

        assert_int_equal(bolt11_decode(row_string(zap, "invoice"), &b, &reason), 0);
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_MAINNET, &reason), 0);
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_REGTEST, &reason), -EBADMSG);
        assert_string_equal(reason, "its invoice is of another network");
        /* A plain description will do for a payment, but no zap is believed with one. */
        b.description = strdup("tea");
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_MAINNET, &reason), -EBADMSG);
        ask.zap_request = NULL;
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_MAINNET, &reason), 0);
        free(TAKE_PTR(b.description));
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_MAINNET, &reason), -EBADMSG);
        assert_string_equal(reason, "its invoice is about something else");
        ask.msat++;
        assert_int_equal(lnurl_invoice_check(&b, &p, &ask, NETWORK_MAINNET, &reason), -EBADMSG);
        assert_string_equal(reason, "its invoice is about another amount");
}

static void expect_ask(const LnurlPay *p, int64_t msat, const char *comment, int error,
                const char *expected) {
        LnurlAsk ask = { .msat = msat, .comment = comment };
        _cleanup_free_ char *url = NULL;
        const char *reason = NULL;

        assert_int_equal(lnurl_callback_url(p, &ask, &url, &reason), error);
        assert_string_equal(error < 0 ? reason : url, expected);
}

static void what_is_asked_keeps_the_servers_limits(_unused_ void **state) {
        _cleanup_lnurl_pay_ LnurlPay p = { 0 };
        const char *reason = NULL;

        assert_int_equal(lnurl_pay_parse(offer, strlen(offer), &p, &reason), 0);
        assert_false(p.allows_nostr);
        expect_ask(&p, 1000, NULL, 0, "https://h/cb?amount=1000");
        expect_ask(&p, 100000, "a & ü", 0, "https://h/cb?amount=100000&comment=a%20%26%20%C3%BC");
        expect_ask(&p, 999, NULL, -ERANGE, "the server takes more than that only");
        expect_ask(&p, 100001, NULL, -ERANGE, "the server takes less than that only");
        expect_ask(&p, 1000, "too long", -EINVAL, "the comment is longer than the server takes");
        p.comment_max = 0;
        expect_ask(&p, 1000, "x", -EINVAL, "the server takes no comment");
        free(p.callback);
        p.callback = strdup("https://h/cb?id=1");
        expect_ask(&p, 1000, NULL, 0, "https://h/cb?id=1&amount=1000");
}

static void offers_that_make_no_sense_are_refused(_unused_ void **state) {
#define OFFER(tag, callback, min, max, metadata)                                  \
        "{\"tag\":\"" tag "\",\"callback\":\"" callback "\",\"minSendable\":" min \
        ",\"maxSendable\":" max ",\"metadata\":\"" metadata "\"}"
#define TEA "[[\\\"text/plain\\\",\\\"tea\\\"]]"
        static const char *const bad[] = { "", "[]", "{}", "<html>", "{\"tag\":\"payRequest\"}",
                OFFER("withdrawRequest", "https://h/", "1", "2", TEA),
                OFFER("payRequest", "file:///etc/passwd", "1", "2", TEA),
                OFFER("payRequest", "http://h/", "1", "2", TEA),
                OFFER("payRequest", "https://h/#x", "1", "2", TEA),
                OFFER("payRequest", "https://h/", "0", "2", TEA),
                OFFER("payRequest", "https://h/", "3", "2", TEA),
                OFFER("payRequest", "https://h/", "-1", "2", TEA),
                OFFER("payRequest", "https://h/", "1.5", "2", TEA),
                OFFER("payRequest", "https://h/", "\\\"1\\\"", "2", TEA),
                OFFER("payRequest", "https://h/", "1", "99999999999999999999", TEA),
                OFFER("payRequest", "https://h/", "1", "2", ""),
                OFFER("payRequest", "https://h/", "1", "2", "{}"),
                OFFER("payRequest", "https://h/", "1", "2", "[]"),
                OFFER("payRequest", "https://h/", "1", "2", "[[\\\"text/plain\\\"]]"),
                OFFER("payRequest", "https://h/", "1", "2",
                                "[[\\\"text/plain\\\",\\\"a\\\"],[\\\"text/plain\\\",\\\"b\\\"]]"),
                OFFER("payRequest", "https://h/", "1", "2", "[1]") };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const char *reason = NULL;
                LnurlPay p;

                if (lnurl_pay_parse(bad[i], strlen(bad[i]), &p, &reason) != -EBADMSG)
                        fail_msg("taken: %s", bad[i]);
                assert_non_null(reason);
        }
}

static void a_refusal_is_told_in_the_servers_words(_unused_ void **state) {
        char words[LNURL_REFUSAL_SIZE], longer[1024];
        const char *json = "{\"status\":\"ERROR\",\"reason\":\"no\\nsuch\\u001b[1m user\"}";

        assert_true(lnurl_refused(json, strlen(json), words));
        assert_string_equal(words, "no such [1m user");
        json = "{\"status\":\"error\"}";
        assert_true(lnurl_refused(json, strlen(json), words));
        assert_string_equal(words, "");
        assert_false(lnurl_refused(offer, strlen(offer), words));
        assert_false(lnurl_refused("{", 1, words));

        (void) snprintf(longer, sizeof(longer), "{\"status\":\"ERROR\",\"reason\":\"%0500d\"}", 0);
        assert_true(lnurl_refused(longer, strlen(longer), words));
        assert_int_equal(strlen(words), LNURL_REFUSAL_SIZE - 1);
}

static void an_invoice_is_taken_out_of_its_answer(_unused_ void **state) {
        const char *json = "{\"pr\":\"lnbc1x\",\"routes\":[],\"verify\":\"https://h/v\"}",
                   *reason = NULL;
        LnurlInvoice i = { 0 };

        assert_int_equal(lnurl_invoice_parse(json, strlen(json), &i, &reason), 0);
        assert_string_equal(i.bolt11, "lnbc1x");
        assert_string_equal(i.verify, "https://h/v");
        lnurl_invoice_done(&i);
        json = "{\"pr\":\"lnbc1x\",\"verify\":\"gopher://h\"}";
        assert_int_equal(lnurl_invoice_parse(json, strlen(json), &i, &reason), 0);
        assert_null(i.verify);
        lnurl_invoice_done(&i);
        json = "{\"pr\":5}";
        assert_int_equal(lnurl_invoice_parse(json, strlen(json), &i, &reason), -EBADMSG);
}

static void a_settled_one_says_so(_unused_ void **state) {
        const char *json = "{\"status\":\"OK\",\"settled\":true,\"preimage\":\"00e79e85e831c1d107946"
                           "45b86d51b170495fe5eac47e33fc73abf0194219e5a\",\"pr\":\"x\"}",
                   *reason = NULL;
        LnurlVerify v = { 0 };

        assert_int_equal(lnurl_verify_parse(json, strlen(json), &v, &reason), 0);
        assert_true(v.settled && v.has_preimage && v.preimage[1] == 0xe7);
        json = "{\"status\":\"OK\",\"settled\":false,\"preimage\":null}";
        assert_int_equal(lnurl_verify_parse(json, strlen(json), &v, &reason), 0);
        assert_false(v.settled || v.has_preimage);
        json = "{\"settled\":\"true\"}";
        assert_int_equal(lnurl_verify_parse(json, strlen(json), &v, &reason), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_luds_texts_lead_to_their_urls),
                cmocka_unit_test(every_spelling_is_understood),
                cmocka_unit_test(what_leads_nowhere_is_refused),
                cmocka_unit_test(a_zap_asks_as_the_fixture_does),
                cmocka_unit_test(what_is_asked_keeps_the_servers_limits),
                cmocka_unit_test(offers_that_make_no_sense_are_refused),
                cmocka_unit_test(a_refusal_is_told_in_the_servers_words),
                cmocka_unit_test(an_invoice_is_taken_out_of_its_answer),
                cmocka_unit_test(a_settled_one_says_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
