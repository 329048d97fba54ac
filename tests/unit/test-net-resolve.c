/* net/resolve: names become addresses without the loop waiting. */
#include "tests/unit/unit.h"

#include "net/resolve.h"

typedef struct Asked {
        sd_event *event;
        Resolve *q;
        int error, calls;
        char first[64];
        bool free_inside;
} Asked;

static void on_done(_unused_ Resolve *q, int error, _unused_ const char *reason,
                char *const *addresses, void *userdata) {
        Asked *a = userdata;

        a->calls++;
        a->error = error;
        if (a->free_inside)
                a->q = resolve_free(a->q);
        if (error == 0)
                strncpy(a->first, addresses[0], sizeof(a->first) - 1);
        (void) sd_event_exit(a->event, 0);
}

static void ask(Asked *a, const char *name) {
        assert_true(sd_event_new(&a->event) >= 0);
        assert_int_equal(resolve_name(a->event, name, on_done, a, &a->q), 0);
        assert_int_equal(a->calls, 0);
        assert_int_equal(sd_event_loop(a->event), 0);
        assert_int_equal(a->calls, 1);
        a->q = resolve_free(a->q);
        sd_event_unref(a->event);
}

static void numeric_addresses_answer_themselves(_unused_ void **state) {
        Asked a = {}, b = { .free_inside = true };

        ask(&a, "192.0.2.1");
        assert_int_equal(a.error, 0);
        assert_string_equal(a.first, "192.0.2.1");
        ask(&b, "::1");
        assert_string_equal(b.first, "::1");
}

static void localhost_needs_no_resolver(_unused_ void **state) {
        Asked a = {};

        ask(&a, "localhost");
        assert_string_equal(a.first, "127.0.0.1");
}

/* ".invalid" never exists (RFC 6761), whatever network this machine has. */
static void a_name_without_an_address_is_an_error(_unused_ void **state) {
        Asked a = { .free_inside = true };

        ask(&a, "nothing.invalid");
        assert_int_equal(a.error, -EHOSTUNREACH);
}

static void a_question_can_be_given_up(_unused_ void **state) {
        Asked a = {};

        assert_true(sd_event_new(&a.event) >= 0);
        assert_int_equal(resolve_name(a.event, "nothing.invalid", on_done, &a, &a.q), 0);
        a.q = resolve_free(a.q);
        assert_int_equal(sd_event_run(a.event, 0), 0);
        assert_int_equal(a.calls, 0);
        sd_event_unref(a.event);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(numeric_addresses_answer_themselves),
                cmocka_unit_test(localhost_needs_no_resolver),
                cmocka_unit_test(a_name_without_an_address_is_an_error),
                cmocka_unit_test(a_question_can_be_given_up),
        };

        return cmocka_run_group_tests_name("net/resolve", tests, NULL, NULL);
}
