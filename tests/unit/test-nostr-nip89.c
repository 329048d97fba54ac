/* nostr/nip89: the announcement and its end. */
#include "tests/unit/unit.h"

#include "basic/json.h"
#include "basic/text.h"
#include "nostr/nip89.h"

#define KEY "9e173308f7af56211a0330c0d9e40d89a61d54dfdc9d37ccf6770c64a221ceb9"

static void an_announcement_can_be_found_by_kind_and_read(_unused_ void **state) {
        static const uint16_t kinds[] = { 5050, 5970 };
        const Announcement a = {
                .identifier = "pylon",
                .name = "My \"Pylon\"",
                .about = "",
                .kinds = kinds,
                .n_kinds = 2,
                .price_msat = 1000,
                .network = "regtest",
                .encryption = true,
        };
        _cleanup_(json_unrefp) Json *j = NULL, *content = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        const char *reason, *text, *name;
        bool encryption;

        assert_int_equal(nip89_draft(&a, 1000, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        assert_non_null(strstr(json,
                        "[\"d\",\"pylon\"],[\"k\",\"5050\"],[\"capability\",\"nip90-kind-5050\"],"
                        "[\"k\",\"5970\"],[\"capability\",\"nip90-kind-5970\"],"
                        "[\"handler\",\"compute_provider\"],"
                        "[\"price\",\"1000\",\"per-request\",\"sats\"],[\"network\",\"regtest\"]"));
        assert_int_equal(json_parse(json, strlen(json), 8, 1000, &j, &reason), 0);
        assert_int_equal(json_string(json_get(j, "content"), &text), 0);
        assert_int_equal(json_parse(text, strlen(text), 8, 1000, &content, &reason), 0);
        assert_int_equal(json_string(json_get(content, "name"), &name), 0);
        assert_string_equal(name, "My \"Pylon\"");
        assert_int_equal(json_string(json_get(content, "amount"), &name), 0);
        assert_string_equal(name, "1000");
        assert_int_equal(json_bool(json_get(content, "encryptionSupported"), &encryption), 0);
        assert_true(encryption);
}

static void models_and_parameters_are_told_as_the_registry_does(_unused_ void **state) {
        static const uint16_t kinds[] = { 5050 };
        static const char *const models[] = { "a\"b", "c" }, *const params[] = { "top_p", NULL };
        const Announcement a = {
                .identifier = "pylon-5050",
                .name = "x",
                .about = "",
                .kinds = kinds,
                .n_kinds = 1,
                .network = "regtest",
                .models = models,
                .n_models = 2,
                .params = params,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_free_ char *json = NULL;
        const char *reason, *text;

        assert_int_equal(nip89_draft(&a, 1000, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        assert_int_equal(json_parse(json, strlen(json), 8, 1000, &j, &reason), 0);
        assert_int_equal(json_string(json_get(j, "content"), &text), 0);
        assert_non_null(strstr(text,
                        "\"nip90Params\":{\"model\":{\"required\":false,\"values\":[\"a\\\"b\",\"c\"]},"
                        "\"top_p\":{\"required\":false,\"values\":[]}}}"));
}

static Event *announced(const char *tags, const char *content) {
        _cleanup_buffer_ Buffer b = { .max = 65536 };
        const char *reason;
        Event *e;

        assert_int_equal(buffer_addf(&b,
                                         "{\"id\":\"" KEY "\",\"pubkey\":\"" KEY
                                         "\",\"created_at\":7,\"kind\":31990,\"tags\":%s,"
                                         "\"content\":",
                                         tags),
                        0);
        assert_int_equal(json_write_string(&b, content, strlen(content)), 0);
        assert_int_equal(buffer_addf(&b, ",\"sig\":\"" KEY KEY "\"}"), 0);
        assert_int_equal(event_parse_trusted(b.data, b.size, &e, &reason), 0);
        return e;
}

static void what_is_announced_is_read_as_an_offer(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = announced(
                        "[[\"k\",\"5050\"],[\"price\",\"21000\",\"per-request\"],[\"network\",\"regtest\"]]",
                        "{\"encryptionSupported\":true,\"nip90Params\":{\"model\":{\"values\":[\"a\",\"b\"]}}}");
        const char *reason = NULL;
        Offer o;

        assert_int_equal(nip89_offer_read(e, 5050, &o, &reason), 0);
        assert_string_equal(o.pubkey_hex, KEY);
        assert_int_equal(o.price_msat, 21000);
        assert_string_equal(o.network, "regtest");
        assert_true(o.encryption);
        assert_string_equal(o.models[1], "b");
        nip89_offer_done(&o);
        assert_int_equal(nip89_offer_read(e, 5001, &o, &reason), -EBADMSG);
        assert_non_null(reason);
}

static void a_hostile_announcement_says_little(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_buffer_ Buffer b = { .max = 65536 };
        const char *reason;
        Offer o;

        assert_int_equal(buffer_addf(&b,
                                         "{\"encryptionSupported\":\"yes\",\"nip90Params\":"
                                         "{\"model\":{\"values\":[null,7,[],\"\",\"%0200d\"",
                                         0),
                        0);
        for (int i = 0; i < 100; i++)
                assert_int_equal(buffer_addf(&b, ",\"m%d\"", i), 0);
        assert_int_equal(buffer_add_string(&b, "]}}}"), 0);
        e = announced("[[\"k\",\"5050\"],[\"price\",\"-5\",\"per-request\"],[\"price\"],"
                      "[\"network\",\"a network with a very long name\"]]",
                        b.data);
        assert_int_equal(nip89_offer_read(e, 5050, &o, &reason), 0);
        assert_int_equal(o.price_msat, -1);
        assert_string_equal(o.network, "");
        assert_false(o.encryption);
        assert_int_equal(strv_length(o.models), NIP89_MODELS_MAX - 5);
        assert_string_equal(o.models[0], "m0");
        nip89_offer_done(&o);
}

static void a_withdrawal_names_the_addresses(_unused_ void **state) {
        static const char *const names[] = { "pylon-5050", "pylon-5970" };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;

        assert_int_equal(nip89_withdrawal_draft(KEY, names, 2, 1000, &d), 0);
        assert_int_equal(draft_json(d, &json), 0);
        assert_string_equal(json, "{\"kind\":5,\"created_at\":1000,\"tags\":[[\"a\",\"31990:" KEY
                                  ":pylon-5050\"],[\"a\",\"31990:" KEY
                                  ":pylon-5970\"],[\"k\",\"31990\"]],\"content\":\"\"}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_announcement_can_be_found_by_kind_and_read),
                cmocka_unit_test(models_and_parameters_are_told_as_the_registry_does),
                cmocka_unit_test(what_is_announced_is_read_as_an_offer),
                cmocka_unit_test(a_hostile_announcement_says_little),
                cmocka_unit_test(a_withdrawal_names_the_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
