/* nostr/nip57: the fixture's zap, and every way in which a receipt may be another's. */
#include "tests/unit/vectors.h"

#include "money/bolt11.h"
#include "nostr/nip57.h"

typedef struct Zap {
        struct json_object *all, *zap;
        Event *request, *receipt;
        uint8_t server[32], recipient[32];
        ZapExpected expected;
} Zap;

static void zap_done(Zap *z) {
        event_unref(z->request);
        event_unref(z->receipt);
        (void) json_object_put(z->all);
}
#define _cleanup_zap_ _cleanup_(zap_done)

static Event *event_of(struct json_object *row) {
        const char *text = json_object_to_json_string_ext(row, JSON_C_TO_STRING_NOSLASHESCAPE);
        const char *reason = NULL;
        Event *e = NULL;

        if (event_parse(text, strlen(text), &e, &reason) < 0)
                fail_msg("%s", reason);
        return e;
}

static void fixture(Zap *z) {
        z->all = vectors_json("fixtures_computed.json");
        z->zap = row_get(z->all, "zap");
        z->request = event_of(row_get(z->zap, "zap_request"));
        z->receipt = event_of(row_get(z->zap, "zap_receipt"));
        memcpy(z->server, event_pubkey(z->receipt), 32);
        assert_int_equal(hex_decode(event_tag_value(z->receipt, "p"), z->recipient, 32), 0);
        z->expected = (ZapExpected){
                .server = z->server,
                .recipient = z->recipient,
                .event_hex = event_tag_value(z->receipt, "e"),
                .lnurl = row_string(z->zap, "lnurl"),
        };
}

static void the_fixtures_receipt_is_good(_unused_ void **state) {
        _cleanup_zap_ Zap z = { 0 };
        _cleanup_zap_receipt_ ZapReceipt r = { 0 };
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason = NULL;

        fixture(&z);
        if (zap_receipt_parse(z.receipt, &z.expected, &r, &reason) < 0)
                fail_msg("%s", reason);
        assert_int_equal(r.msat, 21000);
        assert_string_equal(event_pubkey_hex(r.request), event_pubkey_hex(z.request));
        assert_int_equal(bolt11_decode(r.bolt11, &b, &reason), 0);
        assert_int_equal(b.amount_msat, r.msat);
        assert_true(bolt11_describes(&b, r.request_json, strlen(r.request_json)));
}

static void a_request_is_the_fixtures(_unused_ void **state) {
        static const char *const relays[] = { "wss://relay.example.com", "wss://relay2.example.com",
                NULL };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_zap_ Zap z = { 0 };
        uint8_t id[32];
        const char *reason = NULL;

        fixture(&z);
        assert_int_equal(zap_request_draft(&(ZapRequest){ .recipient_hex = event_tag_value(
                                                                          z.request, "p"),
                                                           .event_hex = event_tag_value(
                                                                           z.request, "e"),
                                                           .kind = "6050",
                                                           .relays = relays,
                                                           .msat = 21000,
                                                           .lnurl = row_string(z.zap, "lnurl"),
                                                           .comment = "Zap!" },
                                         1760000040, &d),
                        0);
        assert_int_equal(draft_id(d, event_pubkey(z.request), id), 0);
        assert_memory_equal(id, event_id(z.request), 32);
        assert_int_equal(zap_request_check(z.request, 21000, &reason), 0);
        assert_int_equal(zap_request_check(z.request, 20000, &reason), -EBADMSG);
        assert_string_equal(reason, "its request names another amount");
        assert_int_equal(zap_request_check(z.receipt, 21000, &reason), -EBADMSG);
}

static void expect_refused(const Event *receipt, const ZapExpected *x, const char *expected) {
        const char *reason = NULL;
        ZapReceipt r;

        assert_int_equal(zap_receipt_parse(receipt, x, &r, &reason), -EBADMSG);
        assert_string_equal(reason, expected);
}

static void a_receipt_of_others_is_refused(_unused_ void **state) {
        static const uint8_t other[32] = { 1 };
        _cleanup_zap_ Zap z = { 0 };
        ZapExpected x;

        fixture(&z);
        x = z.expected;
        x.server = other;
        expect_refused(z.receipt, &x, "it is not from the recipient's server");
        x = z.expected;
        x.recipient = other;
        expect_refused(z.receipt, &x, "it is for somebody else");
        x = z.expected;
        x.event_hex = event_id_hex(z.receipt);
        expect_refused(z.receipt, &x, "it is for another event");
        x = z.expected;
        x.lnurl = "lnurl1other";
        expect_refused(z.receipt, &x, "its request was for another address");
        expect_refused(z.request, &z.expected, "it is of the wrong kind");
}

/* A receipt of the right server around this request. */
static Event *receipt_with(const char *request, const char *p, const char *e, const char *sender) {
        static const uint8_t server[32] = { [31] = 5 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        Event *receipt = NULL;

        assert_int_equal(keypair_new(server, &k), 0);
        assert_int_equal(draft_new(NIP57_RECEIPT_KIND, 1, &d), 0);
        assert_int_equal(draft_tag(d, "p", p, NULL), 0);
        assert_int_equal(draft_tag(d, "e", e, NULL), 0);
        assert_int_equal(draft_tag(d, "P", sender, NULL), 0);
        assert_int_equal(draft_tag(d, "bolt11", "lnbc1", NULL), 0);
        assert_int_equal(draft_tag(d, "description", request, NULL), 0);
        assert_int_equal(draft_sign(d, k, zeros, &receipt), 0);
        return receipt;
}

static void a_request_that_was_changed_is_refused(_unused_ void **state) {
        static const uint8_t secret[32] = { [31] = 5 };
        _cleanup_(event_unrefp) Event *good = NULL, *forged = NULL, *other = NULL, *liar = NULL;
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_free_ char *changed = NULL;
        _cleanup_zap_ Zap z = { 0 };
        const char *json, *p, *e, *reason = NULL;
        ZapReceipt r;

        fixture(&z);
        assert_int_equal(keypair_new(secret, &k), 0);
        z.expected.server = keypair_pubkey(k);
        json = row_string(z.zap, "zap_request_json");
        p = event_tag_value(z.request, "p");
        e = event_tag_value(z.request, "e");
        good = receipt_with(json, p, e, event_pubkey_hex(z.request));
        assert_int_equal(zap_receipt_parse(good, &z.expected, &r, &reason), 0);
        zap_receipt_done(&r);

        changed = strdup(json);
        *strstr(changed, "21000") = '9';
        forged = receipt_with(changed, p, e, event_pubkey_hex(z.request));
        expect_refused(forged, &z.expected, "its request is no event");
        z.expected.event_hex = NULL;
        other = receipt_with(json, p, event_id_hex(z.receipt), event_pubkey_hex(z.request));
        expect_refused(other, &z.expected, "its request is about something else");
        liar = receipt_with(json, p, e, event_pubkey_hex(good));
        expect_refused(liar, &z.expected, "it names another sender than its request");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fixtures_receipt_is_good),
                cmocka_unit_test(a_request_is_the_fixtures),
                cmocka_unit_test(a_receipt_of_others_is_refused),
                cmocka_unit_test(a_request_that_was_changed_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
