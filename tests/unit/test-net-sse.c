/* net/sse: every stream of the table, cut into two at every byte and fed byte by byte, gives the
 * same events. The expected text: TYPE|ID|DATA; for each event. */
#include "tests/unit/unit.h"

#include "net/sse.h"

#define S(text) text, sizeof(text) - 1

static const struct {
        const char *about, *stream;
        size_t size;
        const char *events;
} streams[] = {
        { "one line", S("data: hello\n\n"), "message||hello;" },
        { "lines are joined", S("data: a\ndata: b\ndata\ndata:\n\n"), "message||a\nb\n\n;" },
        { "only one blank is taken off", S("data:  a\ndata:b\n\n"), "message|| a\nb;" },
        { "CR", S("data: a\rdata: b\r\rdata: c\r\r"), "message||a\nb;message||c;" },
        { "CRLF", S("data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"), "message||a\nb;message||c;" },
        { "all three", S("data: a\r\ndata: b\n\rdata: c\r\n\n"), "message||a\nb;message||c;" },
        { "LF CR is two ends", S("data: a\n\rdata: b\n\r"), "message||a;message||b;" },
        { "types last for one event", S("event: x\ndata: 1\n\ndata: 2\n\n"), "x||1;message||2;" },
        { "the last type counts", S("event: x\nevent: y\ndata: 1\n\n"), "y||1;" },
        { "an empty type is none", S("event: x\nevent\ndata: 1\n\n"), "message||1;" },
        { "without data no event", S("event: x\n\ndata: 1\n\n"), "message||1;" },
        { "empty data is data", S("data\n\ndata:\n\n"), "message||;message||;" },
        { "ids stay", S("id: 7\ndata: 1\n\ndata: 2\n\nid\ndata: 3\n\n"),
                        "message|7|1;message|7|2;message||3;" },
        { "an id alone counts", S("id: 7\n\ndata: 1\n\n"), "message|7|1;" },
        { "an id with NUL does not", S("id: 7\nid: 8\0009\ndata: 1\n\n"), "message|7|1;" },
        { "comments", S(": hello\n:\ndata: 1\n: between\n\n:last\n\n"), "message||1;" },
        { "unknown fields", S("dat: 0\ndata2: 0\nDATA: 0\n data: 0\ndata: 1\n\n"), "message||1;" },
        { "a byte order mark",
                        S("\xef\xbb\xbf"
                          "data: 1\n\n"),
                        "message||1;" },
        { "one is enough",
                        S("\xef\xbb\xbf\xef\xbb\xbf"
                          "data: 0\ndata: 1\n\n"),
                        "message||1;" },
        { "and only in front",
                        S("\n\xef\xbb\xbf"
                          "data: 0\ndata: 1\n\n"),
                        "message||1;" },
        { "what does not end is none", S("data: 1\n\ndata: 2\n"), "message||1;" },
        { "colons in values", S("data: a:b\ndata::c\n\n"), "message||a:b\n:c;" },
        { "beyond ASCII", S("data: \xc3\xa4\xe2\x82\xac\n\n"), "message||\xc3\xa4\xe2\x82\xac;" },
        { "nothing", S(""), "" },
        { "only ends", S("\n\r\n\r\n\n"), "" },
        { "a model's", S("data: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
                        "message||{\"choices\":[]};message||[DONE];" },
};

static int feed(Sse *s, const char *bytes, size_t size, Buffer *ret) {
        const SseEvent *event;
        int r;

        while ((r = sse_read(s, &bytes, &size, &event)) > 0) {
                assert_int_equal(event->data[event->size], 0);
                assert_int_equal(buffer_addf(ret, "%s|%s|", event->type, event->id), 0);
                assert_int_equal(buffer_add(ret, event->data, event->size), 0);
                assert_int_equal(buffer_add_string(ret, ";"), 0);
        }
        if (r == 0)
                assert_int_equal(size, 0);
        return r;
}

/* A copy of its own for each piece, so that the sanitizer sees one byte too many. */
static void feed_copy(Sse *s, const char *bytes, size_t size, Buffer *ret) {
        _cleanup_free_ char *copy = malloc(size > 0 ? size : 1);

        assert_non_null(copy);
        if (size > 0)
                memcpy(copy, bytes, size);
        assert_int_equal(feed(s, copy, size, ret), 0);
}

static void every_stream_gives_its_events_wherever_it_is_cut(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(streams); i++)
                for (size_t cut = 0; cut <= streams[i].size; cut++) {
                        _cleanup_buffer_ Buffer text;
                        _cleanup_sse_ Sse s;

                        buffer_init(&text, 4096);
                        sse_init(&s, 256, 256);
                        assert_int_equal(buffer_add(&text, "", 0), 0);
                        feed_copy(&s, streams[i].stream, cut, &text);
                        feed_copy(&s, streams[i].stream + cut, streams[i].size - cut, &text);
                        if (!streq(text.data, streams[i].events))
                                fail_msg("%s, cut at %zu: %s", streams[i].about, cut, text.data);
                }
}

static void every_stream_gives_its_events_byte_by_byte(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
                _cleanup_buffer_ Buffer text;
                _cleanup_sse_ Sse s;

                buffer_init(&text, 4096);
                sse_init(&s, 256, 256);
                assert_int_equal(buffer_add(&text, "", 0), 0);
                for (size_t at = 0; at < streams[i].size; at++)
                        feed_copy(&s, streams[i].stream + at, 1, &text);
                assert_string_equal(text.data, streams[i].events);
        }
}

static usec_t retry_of(const char *line) {
        _cleanup_buffer_ Buffer text;
        _cleanup_sse_ Sse s;

        buffer_init(&text, 4096);
        sse_init(&s, 256, 256);
        assert_int_equal(feed(&s, line, strlen(line), &text), 0);
        return s.retry;
}

static void the_pause_before_a_retry_is_digits_and_has_a_ceiling(_unused_ void **state) {
        assert_int_equal(retry_of("retry: 1500\n"), 1500 * MSEC);
        assert_int_equal(retry_of("retry:0\n"), 0);
        assert_int_equal(retry_of("retry: 99999999999999999999999999\n"), HOUR);
        assert_true(retry_of("retry\n") == UINT64_MAX);
        assert_true(retry_of("retry: -1\n") == UINT64_MAX);
        assert_true(retry_of("retry: 1s\n") == UINT64_MAX);
        assert_true(retry_of("retry: 1500") == UINT64_MAX);
}

static void a_line_larger_than_its_limit_ends_the_stream(_unused_ void **state) {
        _cleanup_buffer_ Buffer text;
        _cleanup_sse_ Sse s;

        buffer_init(&text, 4096);
        sse_init(&s, 16, 256);
        assert_int_equal(feed(&s, "data: 0123456789\n\n", 18, &text), 0);
        assert_int_equal(feed(&s, "data: 0123456789", 16, &text), 0);
        assert_int_equal(feed(&s, "a\n", 2, &text), -EMSGSIZE);
        assert_string_equal(text.data, "message||0123456789;");
}

static void an_event_larger_than_its_limit_ends_the_stream(_unused_ void **state) {
        _cleanup_buffer_ Buffer text;
        _cleanup_sse_ Sse s;

        buffer_init(&text, 4096);
        sse_init(&s, 64, 9);
        assert_int_equal(feed(&s, "data: 0123\ndata: 5678\n\n", 23, &text), 0);
        assert_int_equal(feed(&s, "data: 0123\ndata: 56789\n", 23, &text), -EMSGSIZE);
        assert_string_equal(text.data, "message||0123\n5678;");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_stream_gives_its_events_wherever_it_is_cut),
                cmocka_unit_test(every_stream_gives_its_events_byte_by_byte),
                cmocka_unit_test(the_pause_before_a_retry_is_digits_and_has_a_ceiling),
                cmocka_unit_test(a_line_larger_than_its_limit_ends_the_stream),
                cmocka_unit_test(an_event_larger_than_its_limit_ends_the_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
