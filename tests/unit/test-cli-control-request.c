/* cli/control-request: the very bytes of the original Pylon's control.sock. */
#include "tests/unit/unit.h"

#include "control-request.h"

static void assert_request(const char *line, ControlRequest expected) {
        ControlRequest request = _CONTROL_MAX;
        const char *reason;

        assert_int_equal(control_request_parse(line, strlen(line), &request, &reason), 0);
        assert_int_equal(request, expected);
}

static void requests_come_as_a_name_or_as_an_object_with_null(_unused_ void **state) {
        assert_request("\"Ping\"", CONTROL_PING);
        assert_request("{\"Ping\":null}", CONTROL_PING);
        assert_request(" \"Status\" ", CONTROL_STATUS);
        assert_request("{\"Status\":null}", CONTROL_STATUS);
        assert_request("\"Shutdown\"", CONTROL_SHUTDOWN);
        assert_request("\"Services\"", CONTROL_SERVICES);
}

static void anything_else_is_refused_with_a_reason(_unused_ void **state) {
        static const char *const lines[] = { "", "Ping", "\"ping\"", "\"Ping\" x", "{}", "[]",
                "null", "1", "{\"Ping\":1}", "{\"Ping\":null,\"Status\":null}",
                "{\"command\":\"Status\"}", "\"Pi\\u0000ng\"", "[[[[[[\"Ping\"]]]]]]" };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                ControlRequest request;
                const char *reason = NULL;

                assert_int_equal(control_request_parse(
                                                 lines[i], strlen(lines[i]), &request, &reason),
                                -EBADMSG);
                assert_non_null(reason);
        }
}

static void a_status_is_one_line_as_the_original_wrote_it(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 1024 };
        ControlStatus s = { .running = true,
                .uptime_secs = 12,
                .provider_active = true,
                .jobs_completed = 3,
                .earnings_msats = 4000 };

        assert_int_equal(control_write_status(&s, &b), 0);
        assert_string_equal(b.data,
                        "{\"Status\":{\"running\":true,\"uptime_secs\":12,\"provider_active\":true,"
                        "\"host_active\":false,\"jobs_completed\":3,\"earnings_msats\":4000}}\n");
}

static void an_error_is_escaped(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 1024 };

        assert_int_equal(control_write_error("no \"x\"", &b), 0);
        assert_string_equal(b.data, "{\"Error\":\"no \\\"x\\\"\"}\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_come_as_a_name_or_as_an_object_with_null),
                cmocka_unit_test(anything_else_is_refused_with_a_reason),
                cmocka_unit_test(a_status_is_one_line_as_the_original_wrote_it),
                cmocka_unit_test(an_error_is_escaped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
