/* provider/answer, partial: what of a model's words becomes the result, and what is said of it
 * before. */
#include "tests/unit/unit.h"

#include "answer.h"
#include "partial.h"

static char plain[] = "text/plain", json[] = "application/json";
static const TextTask text_task = { .output = plain }, json_task = { .output = json, .json = true };

static const char *answer_to(const TextTask *t, const char *content, size_t max, Answer *ret) {
        const char *reason = "no reason";

        answer_done(ret);
        return answer_make(t, content, strlen(content), max, ret, &reason) < 0 ? reason
                                                                               : ret->text.data;
}

static void words_are_taken_as_they_are_but_clean(_unused_ void **state) {
        Answer a = {};

        assert_string_equal(answer_to(&text_task, "\n Paris.\n\n", 100, &a), "Paris.");
        assert_string_equal(answer_to(&text_task, "a\x1b[0m\tb\x7f\n\xc3\xa4", 100, &a),
                        "a[0m\tb\n\xc3\xa4");
        assert_string_equal(a.output, "text/plain");
        assert_null(a.note);
        assert_string_equal(answer_to(&text_task, " \n", 100, &a), "The model gave no answer.");
        assert_string_equal(
                        answer_to(&text_task, "\x01\x02", 100, &a), "The model gave no answer.");
        assert_string_equal(
                        answer_to(&text_task, "\xff", 100, &a), "The model's answer is no text.");
        answer_done(&a);
}

static void what_is_too_long_is_cut_between_characters(_unused_ void **state) {
        Answer a = {};

        assert_string_equal(answer_to(&text_task, "abc\xc3\xa4\xc3\xb6", 6, &a), "abc\xc3\xa4");
        assert_string_equal(a.note, "The answer was cut off, because relays take no larger one.");
        assert_string_equal(
                        answer_to(&text_task, "a\n\"b\" c", 6, &a), "a\n\"b"); /* as JSON has it */
        assert_string_equal(answer_to(&json_task, "[1,2,3,4]", 6, &a),
                        "The answer is larger than relays take.");
        assert_string_equal(answer_to(&json_task, "[1,2,3,", 6, &a),
                        "The answer is larger than relays take.");
        assert_int_equal(answer_size_max(48 * 1024, false), 48 * 1024);
        assert_int_equal(answer_size_max(48 * 1024, true), 32 * 1024);
        answer_done(&a);
}

static void json_is_found_among_words(_unused_ void **state) {
        Answer a = {};

        assert_string_equal(answer_to(&json_task, "{\"a\":1}", 100, &a), "{\"a\":1}");
        assert_string_equal(answer_to(&json_task, "Sure!\n```json\n{\"a\":1}\n```\nBye", 100, &a),
                        "{\"a\":1}");
        assert_string_equal(a.output, "application/json");
        assert_null(a.note);
        assert_string_equal(answer_to(&json_task, "I cannot.", 100, &a), "I cannot.");
        assert_string_equal(a.output, "text/plain");
        assert_string_equal(a.note, "The model did not answer in JSON.");
        assert_string_equal(answer_to(&json_task, "```json\n{\"a\":", 100, &a), "```json\n{\"a\":");
        assert_string_equal(a.output, "text/plain");
        answer_done(&a);
}

typedef struct Heard {
        unsigned n;
        size_t bytes, last;
} Heard;

static void on_said(_unused_ const char *text, size_t size, void *userdata) {
        Heard *h = userdata;

        h->n++;
        h->bytes += size;
        h->last = size;
}

static void a_part_is_said_after_a_pause_and_holds_everything(_unused_ void **state) {
        sd_event *e = NULL;
        Partial p = {};
        Heard h = {};

        assert_int_equal(sd_event_new(&e), 0);
        partial_init(&p, e, 100, 20 * MSEC, on_said, &h);
        assert_int_equal(partial_add(&p, "one ", 4), 0);
        assert_int_equal(partial_add(&p, "two ", 4), 0);
        assert_int_equal(h.n, 0);
        while (h.n == 0)
                assert_true(sd_event_run(e, 5 * SEC) > 0);
        assert_int_equal(h.last, 8);
        assert_int_equal(partial_add(&p, "three", 5), 0);
        while (h.n == 1)
                assert_true(sd_event_run(e, 5 * SEC) > 0);
        assert_int_equal(h.last, 13);
        partial_clear(&p);
        assert_int_equal(partial_add(&p, "again", 5), 0);
        while (h.n == 2)
                assert_true(sd_event_run(e, 5 * SEC) > 0);
        assert_int_equal(h.last, 5);
        partial_done(&p);
        sd_event_unref(e);
}

static void without_a_pause_nothing_is_said(_unused_ void **state) {
        sd_event *e = NULL;
        Partial p = {};
        Heard h = {};

        assert_int_equal(sd_event_new(&e), 0);
        partial_init(&p, e, 10, 0, on_said, &h);
        assert_int_equal(partial_add(&p, "hello", 5), 0);
        assert_int_equal(partial_add(&p, "world!", 6), -ENOBUFS);
        assert_int_equal(sd_event_run(e, 0), 0);
        assert_int_equal(h.n, 0);
        assert_string_equal(p.text.data, "hello");
        partial_done(&p);
        sd_event_unref(e);
}

/* An answer of 48 KB that comes byte by byte, and slowly, must not be said 48,000 times. */
static void all_parts_together_are_bounded(_unused_ void **state) {
        size_t said = 0, n = 0, bytes = 0;

        for (size_t size = 1; size <= 48 * 1024; size++)
                if (partial_is_worth(said, size)) {
                        said = size;
                        bytes += size;
                        n++;
                }
        assert_true(n < 200);
        assert_true(bytes < 20 * 48 * 1024);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_are_taken_as_they_are_but_clean),
                cmocka_unit_test(what_is_too_long_is_cut_between_characters),
                cmocka_unit_test(json_is_found_among_words),
                cmocka_unit_test(a_part_is_said_after_a_pause_and_holds_everything),
                cmocka_unit_test(without_a_pause_nothing_is_said),
                cmocka_unit_test(all_parts_together_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
