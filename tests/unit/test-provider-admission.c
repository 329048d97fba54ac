/* provider/admission and verdict: one row for each verdict. */
#include "tests/unit/unit.h"

#include "admission.h"
#include "answer-relays.h"
#include "basic/codec.h"
#include "basic/text.h"
#include "nostr/nip13.h"

#define US    "9e173308f7af56211a0330c0d9e40d89a61d54dfdc9d37ccf6770c64a221ceb9"
#define OTHER "247eefca62d0313421556905822cd11f96794d31c013b880fd3c1f387baa0cf4"
#define NOW   INT64_C(1000000)

static const uint16_t kinds[] = { 5050, 5970 };

static JobRequest *request(uint16_t kind, int64_t at, const char *tags, size_t content_size) {
        static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_buffer_ Buffer b = { .max = 256 * 1024 };
        const char *reason;
        JobRequest *r = NULL;

        assert_int_equal(
                        buffer_addf(&b, "{\"kind\":%u,\"created_at\":%lld,\"tags\":[%s],\"content\":\"",
                                        kind, (long long) at, tags),
                        0);
        for (size_t i = 0; i < content_size; i++)
                assert_int_equal(buffer_add_string(&b, "x"), 0);
        assert_int_equal(buffer_add_string(&b, "\"}"), 0);
        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_parse(b.data, b.size, &d, &reason), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        assert_int_equal(job_request_parse(e, &r, &reason), 0);
        return r;
}

static Limits usual(void) {
        return (Limits){
                .pubkey_hex = US,
                .kinds = kinds,
                .n_kinds = ELEMENTSOF(kinds),
                .open = true,
                .age_max = 900,
                .queue_max = 10,
                .unpaid_max = 8,
                .per_customer_max = 5,
                .per_customer_bytes_max = 100 * 1024,
        };
}

static void each_request_gets_its_verdict(_unused_ void **state) {
        static const struct {
                uint16_t kind;
                int64_t at;
                const char *tags;
                size_t content_size;
                Verdict verdict;
        } rows[] = {
                { 5970, NOW, "", 0, VERDICT_ACCEPTED },
                { 5970, NOW, "[\"p\",\"" US "\"]", 0, VERDICT_ACCEPTED },
                { 5970, NOW, "[\"p\",\"" OTHER "\"],[\"p\",\"" US "\"]", 0, VERDICT_ACCEPTED },
                { 5970, NOW, "[\"p\",\"" OTHER "\"]", 0, VERDICT_NOT_FOR_US },
                { 5970, NOW, "[\"encrypted\"]", 0, VERDICT_NOT_FOR_US },
                { 5970, NOW, "[\"encrypted\"],[\"p\",\"" US "\"]", 0, VERDICT_SEALED },
                { 5100, NOW, "", 0, VERDICT_UNSUPPORTED_KIND },
                { 5970, NOW - 900, "", 0, VERDICT_ACCEPTED },
                { 5970, NOW - 901, "", 0, VERDICT_STALE },
                { 5970, NOW + 900, "", 0, VERDICT_ACCEPTED },
                { 5970, NOW + 901, "", 0, VERDICT_FROM_THE_FUTURE },
                { 5970, NOW, "[\"expiration\",\"1000001\"]", 0, VERDICT_ACCEPTED },
                { 5970, NOW, "[\"expiration\",\"1000000\"]", 0, VERDICT_EXPIRED },
                { 5970, NOW, "", REQUEST_SIZE_MAX, VERDICT_TOO_LARGE },
                { 5970, NOW, "[\"bid\",\"0\"]", 0, VERDICT_ACCEPTED },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(job_request_freep) JobRequest *r = request(
                                rows[i].kind, rows[i].at, rows[i].tags, rows[i].content_size);
                const Limits l = usual();

                assert_string_equal(
                                verdict_name(admission(r, &l, NOW)), verdict_name(rows[i].verdict));
        }
}

static void limits_are_kept(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, "", 0);
        Limits l = usual();

        l.n_of_customer = 4;
        l.n_queued = 9;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.n_queued = 10;
        assert_int_equal(admission(r, &l, NOW), VERDICT_QUEUE_FULL);
        l.n_of_customer = 5;
        assert_int_equal(admission(r, &l, NOW), VERDICT_OVER_QUOTA);
        l.open = false;
        assert_int_equal(admission(r, &l, NOW), VERDICT_OFFLINE);
}

static void the_unpaid_leave_room_for_who_pays(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, "", 0);
        Limits l = usual();

        l.n_unpaid = 7;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.n_unpaid = 8;
        assert_int_equal(admission(r, &l, NOW), VERDICT_QUEUE_FULL);
}

static void a_customer_has_so_many_bytes(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, "", 1000);
        Limits l = usual();
        size_t size;

        (void) event_json(r->event, &size);
        l.bytes_of_customer = l.per_customer_bytes_max - size;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.bytes_of_customer++;
        assert_int_equal(admission(r, &l, NOW), VERDICT_OVER_QUOTA);
}

/* The key of every request of this test, another one, and both. */
#define HIS "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"

static KeySet set_of(const char *a, const char *b) {
        char *texts[] = { (char *) a, (char *) b, NULL };
        const char *culprit;
        KeySet s = {};

        assert_int_equal(keyset_parse(&s, texts, &culprit), 0);
        return s;
}

static void keys_are_let_in_and_kept_out(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, "", 0);
        KeySet his = set_of(HIS, OTHER), others = set_of(OTHER, NULL), none = {};
        Limits l = usual();

        l.allow = l.deny = l.agents = &none;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.deny = &his;
        assert_int_equal(admission(r, &l, NOW), VERDICT_DENIED);
        l.deny = &others;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.allow = &others;
        assert_int_equal(admission(r, &l, NOW), VERDICT_DENIED);
        l.allow = &his;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.trusted = &none;
        assert_int_equal(admission(r, &l, NOW), VERDICT_NOT_TRUSTED);
        l.trusted = &others;
        assert_int_equal(admission(r, &l, NOW), VERDICT_NOT_TRUSTED);
        l.trusted = &his;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        keyset_done(&his);
        keyset_done(&others);
}

static void an_own_agent_has_no_limit_but_the_queue(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, "", 0);
        KeySet his = set_of(HIS, NULL), none = {};
        Limits l = usual();

        l.agents = &his;
        l.trusted = &none;
        l.min_pow = 64;
        l.n_of_customer = l.n_unpaid = 1000;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.n_queued = 10;
        assert_int_equal(admission(r, &l, NOW), VERDICT_QUEUE_FULL);
        keyset_done(&his);
}

static void a_request_needs_the_work_that_is_asked_for(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        Limits l = usual();

        l.min_pow = 1;
        for (int64_t at = NOW; !r; at--) { /* any second one has a bit by luck: that is none */
                r = request(5970, at, "", 0);
                if (nip13_difficulty(event_id(r->event)) == 0)
                        r = job_request_free(r);
        }
        assert_int_equal(admission(r, &l, NOW), VERDICT_NO_POW);
        r = job_request_free(r);
        for (int64_t at = NOW; !r; at--) {
                r = request(5970, at, "[\"nonce\",\"7\",\"1\"]", 0);
                if (nip13_difficulty(event_id(r->event)) == 0)
                        r = job_request_free(r);
        }
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
        l.min_pow = 2;
        assert_int_equal(admission(r, &l, NOW), VERDICT_NO_POW);
}

static void what_was_let_in_before_a_restart_stays_in(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, 5, "", 0);
        KeySet none = {};
        Limits l = usual();

        l.known = true;
        l.age_max = INT64_MAX;
        l.trusted = &none;
        l.open = false;
        l.n_of_customer = l.n_queued = l.n_unpaid = 1000;
        l.bytes_of_customer = UINT64_MAX / 2;
        l.min_pow = 64;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
}

static void a_key_that_is_none_is_left_out(_unused_ void **state) {
        static char bad[] = "npub1bad", good[] = HIS, *texts[] = { bad, good, good, NULL };
        const char *culprit;
        uint8_t key[32];
        KeySet s = {};

        assert_int_equal(keyset_parse(&s, texts, &culprit), -EINVAL);
        assert_ptr_equal(culprit, bad);
        assert_int_equal(s.n, 1);
        assert_int_equal(hex_decode(good, key, sizeof(key)), 0);
        assert_true(keyset_has(&s, key));
        key[31] ^= 1;
        assert_false(keyset_has(&s, key));
        for (unsigned i = 0; i < 1000; i++) {
                key[0] = (uint8_t) (i % 256);
                key[1] = (uint8_t) (i / 256 * 7);
                assert_int_equal(keyset_add(&s, key), 0);
                if (i % 10 == 0)
                        keyset_sort(&s);
        }
        keyset_sort(&s);
        assert_int_equal(s.n, 1001);
        keyset_done(&s);
}

static void money_is_looked_at_last(_unused_ void **state) {
        _cleanup_(job_request_freep)
                        JobRequest *no_bid = request(5970, NOW, "", 0),
                                   *low = request(5970, NOW, "[\"bid\",\"999\"]", 0),
                                   *enough = request(5970, NOW, "[\"bid\",\"1000\"]", 0);
        Limits l = usual();

        l.price_msat = 1000;
        assert_int_equal(admission(no_bid, &l, NOW), VERDICT_NO_WALLET);
        l.wallet = true;
        assert_int_equal(admission(no_bid, &l, NOW), VERDICT_ACCEPTED);
        assert_int_equal(admission(low, &l, NOW), VERDICT_TOO_CHEAP);
        assert_int_equal(admission(enough, &l, NOW), VERDICT_ACCEPTED);
}

static void an_old_job_is_taken_up_where_age_does_not_count(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request(5970, 5, "", 0);
        Limits l = usual();

        l.age_max = INT64_MAX;
        assert_int_equal(admission(r, &l, NOW), VERDICT_ACCEPTED);
}

static void assert_answered_at(const char *tag, const char *expected) {
        static char ours[] = "ws://127.0.0.1:7447", *configured[] = { ours, NULL };
        _cleanup_(job_request_freep) JobRequest *r = request(5970, NOW, tag, 0);
        _cleanup_strv_ char **relays = NULL;
        char text[1024] = "";

        assert_int_equal(answer_relays(r, "wss://from.example.com", configured, &relays), 0);
        STRV_FOREACH (relay, relays) {
                (void) strncat(text, *relay, sizeof(text) - strlen(text) - 2);
                (void) strncat(text, " ", 2);
        }
        assert_string_equal(text, expected);
}

static void a_stranger_does_not_choose_freely_where_we_go(_unused_ void **state) {
        assert_answered_at("[\"t\",\"x\"]", "");
        assert_answered_at("[\"relays\",\"wss://A.example.com:443/\"]",
                        "wss://a.example.com wss://from.example.com ");
        assert_answered_at("[\"relays\",\"wss://from.example.com\",\"ws://127.0.0.1:7447/\"]",
                        "wss://from.example.com ws://127.0.0.1:7447 ");
        assert_answered_at(
                        "[\"relays\",\"ws://a.example.com\",\"wss://10.0.0.1\",\"wss://localhost\","
                        "\"wss://[::1]\",\"ws://127.0.0.1:22\",\"wss://a b\"]",
                        "");
        assert_answered_at(
                        "[\"relays\",\"wss://a.io\",\"wss://b.io\",\"wss://c.io\",\"wss://d.io\",\"wss://e.io\"]",
                        "wss://a.io wss://b.io wss://c.io wss://d.io wss://from.example.com ");
}

static void every_verdict_has_a_name_and_a_sentence(_unused_ void **state) {
        for (Verdict v = 0; v < _VERDICT_MAX; v++) {
                const char *text = verdict_text(v);

                assert_non_null(verdict_name(v));
                assert_int_equal(text[strlen(text) - 1], '.');
        }
        assert_true(verdict_is_silent(VERDICT_NOT_FOR_US));
        assert_false(verdict_is_silent(VERDICT_TOO_HARD));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_request_gets_its_verdict),
                cmocka_unit_test(limits_are_kept),
                cmocka_unit_test(the_unpaid_leave_room_for_who_pays),
                cmocka_unit_test(a_customer_has_so_many_bytes),
                cmocka_unit_test(keys_are_let_in_and_kept_out),
                cmocka_unit_test(an_own_agent_has_no_limit_but_the_queue),
                cmocka_unit_test(a_request_needs_the_work_that_is_asked_for),
                cmocka_unit_test(what_was_let_in_before_a_restart_stays_in),
                cmocka_unit_test(a_key_that_is_none_is_left_out),
                cmocka_unit_test(money_is_looked_at_last),
                cmocka_unit_test(an_old_job_is_taken_up_where_age_does_not_count),
                cmocka_unit_test(a_stranger_does_not_choose_freely_where_we_go),
                cmocka_unit_test(every_verdict_has_a_name_and_a_sentence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
