/* lib/market/proof: a provider's work on kind 5970 is taken only when it is what was ordered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "market/proof.h"
#include "nostr/nip13.h"

#define BITS 8
#define ORDERED \
        "{\"kind\":1,\"created_at\":1700000000,\"tags\":[[\"t\",\"x\"]],\"content\":\"hello\"}"
#define CUSTOMER "4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"

static Event *request(const char *input) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const uint8_t zeros[32] = { 0 };
        uint8_t secret[32];
        Event *e;

        memset(secret, 0x11, sizeof(secret)); /* of CUSTOMER */
        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_new(JOB_KIND_POW, 1700000000, &d), 0);
        assert_int_equal(draft_tag(d, "i", input, "text", NULL), 0);
        assert_int_equal(draft_tag(d, "param", "pow", "8", NULL), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

/* What an honest miner answers to another order. */
static char *mine(const char *draft, const char *author, unsigned bits) {
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *reason;
        char *text;

        assert_int_equal(draft_parse(draft, strlen(draft), &d, &reason), 0);
        assert_int_equal(nip13_miner_new(d, author, bits, 0, &m), 0);
        assert_int_equal(nip13_miner_step(m, 1000000), 1);
        assert_int_equal(nip13_miner_event(m, &text), 0);
        return text;
}

static int check(const char *content, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = request(ORDERED);

        *reterr = "";
        return proof_check(e, content, strlen(content), reterr);
}

static void expect_refusal(const char *content, const char *why) {
        const char *reason;

        assert_int_equal(check(content, &reason), -EBADMSG);
        assert_string_equal(reason, why);
}

static void the_ordered_event_with_enough_work_is_taken(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = request(ORDERED);
        _cleanup_free_ char *mined = mine(ORDERED, event_pubkey_hex(e), BITS);
        const char *reason;

        assert_string_equal(event_pubkey_hex(e), CUSTOMER);
        assert_int_equal(check(mined, &reason), 0);
}

static void too_little_work_is_refused(_unused_ void **state) {
        /* The order itself with a nonce nobody searched for. */
        expect_refusal("{\"pubkey\":\"" CUSTOMER
                       "\",\"kind\":1,\"created_at\":1700000000,\"tags\":[[\"t\",\"x\"],"
                       "[\"nonce\",\"1\",\"8\"]],\"content\":\"hello\"}",
                        "the mined event has too little work in it");
}

static void another_content_is_refused(_unused_ void **state) {
        _cleanup_free_ char *mined =
                        mine("{\"kind\":1,\"created_at\":1700000000,\"tags\":[[\"t\",\"x\"]],"
                             "\"content\":\"buy my coin\"}",
                                        CUSTOMER, BITS);

        expect_refusal(mined, "the mined event is another one than was ordered");
}

static void another_kind_is_refused(_unused_ void **state) {
        _cleanup_free_ char *mined =
                        mine("{\"kind\":3,\"created_at\":1700000000,\"tags\":[[\"t\",\"x\"]],"
                             "\"content\":\"hello\"}",
                                        CUSTOMER, BITS);

        expect_refusal(mined, "the mined event is another one than was ordered");
}

static void other_tags_are_refused(_unused_ void **state) {
        _cleanup_free_ char *changed =
                        mine("{\"kind\":1,\"created_at\":1700000000,\"tags\":[[\"t\",\"y\"]],"
                             "\"content\":\"hello\"}",
                                        CUSTOMER, BITS);
        _cleanup_free_ char *added =
                        mine("{\"kind\":1,\"created_at\":1700000000,\"tags\":[[\"t\",\"x\"],"
                             "[\"p\",\"someone\"]],\"content\":\"hello\"}",
                                        CUSTOMER, BITS);

        expect_refusal(changed, "the tags of the mined event are not those that were ordered");
        expect_refusal(added, "the mined event is another one than was ordered");
}

static void another_author_is_refused(_unused_ void **state) {
        _cleanup_free_ char *mined = mine(ORDERED,
                        "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d", BITS);

        expect_refusal(mined, "the mined event has another author");
}

static void what_is_no_event_is_refused(_unused_ void **state) {
        static const char *const texts[] = { "", "{", "null", "[]", "{}", "\"text\"",
                "{\"kind\":1}", "{\"kind\":1,\"created_at\":1,\"tags\":[[]],\"content\":\"\"}" };
        const char *reason;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(check(texts[i], &reason), -EBADMSG);
}

static int setup(_unused_ void **state) {
        return crypt_setup();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_ordered_event_with_enough_work_is_taken),
                cmocka_unit_test(too_little_work_is_refused),
                cmocka_unit_test(another_content_is_refused),
                cmocka_unit_test(another_kind_is_refused),
                cmocka_unit_test(other_tags_are_refused),
                cmocka_unit_test(another_author_is_refused),
                cmocka_unit_test(what_is_no_event_is_refused),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
