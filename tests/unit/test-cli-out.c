/* cli/out: JSON piece by piece. */
#include "tests/unit/unit.h"

#include "out.h"

static void objects_and_lists_have_their_commas(_unused_ void **state) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_object(&o, NULL);
        out_text(&o, "a", "x\"\n");
        out_array(&o, "list");
        out_number(&o, NULL, -1);
        out_object(&o, NULL);
        out_end(&o);
        out_array(&o, NULL);
        out_end(&o);
        out_boolean(&o, NULL, true);
        out_end(&o);
        out_null(&o, "n");
        out_raw(&o, "r", "{\"k\":1}");
        out_end(&o);
        assert_string_equal(o.buffer.data,
                        "{\"a\":\"x\\\"\\n\",\"list\":[-1,{},[],true],\"n\":null,\"r\":{\"k\":1}}");
}

static void bytes_that_are_no_text_do_not_spoil_the_document(_unused_ void **state) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_text(&o, NULL, "/tmp/\xff\xc3");
        assert_string_equal(o.buffer.data, "\"/tmp/??\"");
}

static void a_failure_is_remembered(_unused_ void **state) {
        _cleanup_(out_done) Out o = { .buffer = { .max = 4 } };

        out_object(&o, NULL);
        out_text(&o, "key", "too much");
        out_end(&o);
        assert_int_equal(out_print(&o), -ENOBUFS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(objects_and_lists_have_their_commas),
                cmocka_unit_test(bytes_that_are_no_text_do_not_spoil_the_document),
                cmocka_unit_test(a_failure_is_remembered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
