/* market/zap: a receipt and its invoice together. */
#include "tests/unit/vectors.h"

#include "market/zap.h"

#include "basic/crypt.h"

typedef struct World {
        struct json_object *all, *row;
        Event *receipt;
        uint8_t recipient[32];
        ZapFor whom;
} World;

static void world_done(World *w) {
        event_unref(w->receipt);
        (void) json_object_put(w->all);
}
#define _cleanup_world_ _cleanup_(world_done)

static void fixture(World *w) {
        const char *text, *reason = NULL;

        w->all = vectors_json("fixtures_computed.json");
        w->row = row_get(w->all, "zap");
        text = json_object_to_json_string_ext(
                        row_get(w->row, "zap_receipt"), JSON_C_TO_STRING_NOSLASHESCAPE);
        assert_int_equal(event_parse(text, strlen(text), &w->receipt, &reason), 0);
        assert_int_equal(hex_decode(event_tag_value(w->receipt, "p"), w->recipient, 32), 0);
        w->whom = (ZapFor){
                .recipient = w->recipient,
                .lnurl = row_string(w->row, "lnurl"),
                .network = NETWORK_MAINNET,
        };
}

static void the_fixtures_zap_is_read(_unused_ void **state) {
        _cleanup_zap_read_ Zap z = { 0 };
        _cleanup_world_ World w = { 0 };
        const char *reason = NULL;

        fixture(&w);
        if (zap_read(w.receipt, &w.whom, &z, &reason) < 0)
                fail_msg("%s", reason);
        assert_int_equal(z.msat, 21000);
        assert_string_equal(z.comment, "Zap!");
        assert_string_equal(z.event, event_tag_value(w.receipt, "e"));
        assert_string_equal(z.sender, event_tag_value(w.receipt, "P"));
        assert_string_equal(z.server, event_pubkey_hex(w.receipt));
        assert_int_equal(z.at, event_created_at(w.receipt));
        assert_int_equal(strlen(z.hash), 64);
        assert_int_equal(z.proven, event_tag_value(w.receipt, "preimage") != NULL);
}

static void expect_refused(Event *receipt, const ZapFor *whom, const char *expected) {
        const char *reason = NULL;
        Zap z;

        assert_int_equal(zap_read(receipt, whom, &z, &reason), -EBADMSG);
        assert_string_equal(reason, expected);
}

static void a_zap_of_others_is_refused(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        uint8_t other[32] = { 1 };
        ZapFor whom;

        fixture(&w);
        whom = w.whom;
        whom.network = NETWORK_REGTEST;
        expect_refused(w.receipt, &whom, "its invoice is of another network");
        whom = w.whom;
        whom.recipient = other;
        expect_refused(w.receipt, &whom, "it is for somebody else");
        whom = w.whom;
        whom.lnurl = "lnurl1other";
        expect_refused(w.receipt, &whom, "its request was for another address");
}

/* A receipt of anybody's around the fixture's request and this invoice. */
static Event *receipt_with(World *w, const char *bolt11, const char *preimage) {
        static const uint8_t server[32] = { [31] = 5 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        Event *e = NULL;

        assert_int_equal(keypair_new(server, &k), 0);
        assert_int_equal(draft_new(NIP57_RECEIPT_KIND, 1, &d), 0);
        assert_int_equal(draft_tag(d, "p", event_tag_value(w->receipt, "p"), NULL), 0);
        assert_int_equal(draft_tag(d, "e", event_tag_value(w->receipt, "e"), NULL), 0);
        assert_int_equal(draft_tag(d, "bolt11", bolt11, NULL), 0);
        assert_int_equal(draft_tag(d, "description", row_string(w->row, "zap_request_json"), NULL),
                        0);
        if (preimage)
                assert_int_equal(draft_tag(d, "preimage", preimage, NULL), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

static char *invoice(World *w, int64_t msat, bool other) {
        static const uint8_t secret[32] = { [31] = 9 }, preimage[32] = { 42 };
        const char *request = row_string(w->row, "zap_request_json"), *reason;
        Bolt11 b = { .network = NETWORK_MAINNET,
                .created_at = 1,
                .payment_secret = { 1 },
                .amount_msat = msat };
        char *text = NULL;

        assert_int_equal(sha256(preimage, 32, b.payment_hash), 0);
        assert_int_equal(sha256(request, strlen(request), b.description_hash), 0);
        b.description_hash[0] ^= other;
        assert_int_equal(bolt11_encode(&b, secret, &text, &reason), 0);
        return text;
}

static void the_invoice_must_be_for_the_request(_unused_ void **state) {
        _cleanup_free_ char *good = NULL, *dear = NULL, *open = NULL, *other = NULL;
        _cleanup_(event_unrefp) Event *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL;
        _cleanup_zap_read_ Zap z = { 0 };
        _cleanup_world_ World w = { 0 };
        const char *reason = NULL;

        fixture(&w);
        good = invoice(&w, 21000, false);
        dear = invoice(&w, 22000, false);
        open = invoice(&w, 0, false);
        other = invoice(&w, 21000, true);
        a = receipt_with(&w, dear, NULL);
        expect_refused(a, &w.whom, "its invoice is about another amount");
        b = receipt_with(&w, open, NULL);
        expect_refused(b, &w.whom, "its invoice names no amount");
        c = receipt_with(&w, other, NULL);
        expect_refused(c, &w.whom, "its invoice is about something else");
        d = receipt_with(&w, "lnbc1", NULL);
        assert_int_equal(zap_read(d, &w.whom, &z, &reason), -EBADMSG);
        e = receipt_with(&w, good, "2a");
        assert_int_equal(zap_read(e, &w.whom, &z, &reason), 0);
        assert_false(z.proven);
}

static void the_preimage_proves_the_payment_where_it_fits(_unused_ void **state) {
        static const char truth[] =
                        "2a00000000000000000000000000000000000000000000000000000000000000";
        static const char lie[] =
                        "2b00000000000000000000000000000000000000000000000000000000000000";
        _cleanup_(event_unrefp) Event *proven = NULL, *lied = NULL;
        _cleanup_zap_read_ Zap z = { 0 }, y = { 0 };
        _cleanup_world_ World w = { 0 };
        _cleanup_free_ char *good = NULL;
        const char *reason = NULL;

        fixture(&w);
        good = invoice(&w, 21000, false);
        proven = receipt_with(&w, good, truth);
        assert_int_equal(zap_read(proven, &w.whom, &z, &reason), 0);
        assert_true(z.proven);
        lied = receipt_with(&w, good, lie);
        assert_int_equal(zap_read(lied, &w.whom, &y, &reason), 0);
        assert_false(y.proven);
        assert_string_equal(z.hash, y.hash);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fixtures_zap_is_read),
                cmocka_unit_test(a_zap_of_others_is_refused),
                cmocka_unit_test(the_invoice_must_be_for_the_request),
                cmocka_unit_test(the_preimage_proves_the_payment_where_it_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
