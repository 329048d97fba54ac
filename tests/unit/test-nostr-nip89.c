/* nostr/nip89: the announcement and its end. */
#include "tests/unit/unit.h"

#include "basic/json.h"
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
                cmocka_unit_test(a_withdrawal_names_the_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
