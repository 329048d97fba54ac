/* provider/input, input-text, html: what is said of inputs before they are fetched, and after. */
#include "tests/unit/request.h"

#include "basic/text.h"
#include "input-text.h"
#include "input.h"

#define HEX "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

static const char *verdict_of(const char *url, InputRules rules) {
        const JobInput i = { .data = url, .type = INPUT_URL, .relay = "", .marker = "" };
        const char *reason = NULL;

        return input_check(&i, &rules, &reason) < 0 ? reason : "good";
}

static void only_public_urls_are_fetched(_unused_ void **state) {
        static const InputRules rules = { .urls = true };
        static const char *const good[] = { "https://example.com", "https://example.com/a?b#c",
                "HTTPS://Example.COM:8443/x", "https://93.184.216.34/x", "https://a.example/@b",
                "https://[2606:2800:220:1:248:1893:25c8:1946]/" };
        static const char *const private[] = { "https://localhost/", "https://127.0.0.1/",
                "https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/",
                "https://10.0.0.7/x", "https://192.168.1.1:8080/", "https://[::1]/",
                "https://[::ffff:127.0.0.1]/", "https://[fd00::1]/",
                "https://169.254.169.254/latest/meta-data", "https://router/", "https://a.local/",
                "https://a.internal", "https://0/", "https://100.64.0.1/" };
        static const char *const bad[] = { "https://", "https:///x", "https://a@example.com/",
                "https://user:pass@example.com/", "https://exa mple.com/",
                "https://ex\xc3\xa4mple.com/" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_string_equal(verdict_of(good[i], rules), "good");
        for (size_t i = 0; i < ELEMENTSOF(private); i++)
                assert_string_equal(verdict_of(private[i], rules),
                                "The URL does not lead to a public address.");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_string_equal(verdict_of(bad[i], rules),
                                "The input is not a URL that can be fetched.");
        assert_string_equal(verdict_of("file:///etc/passwd", rules),
                        "The input is not a URL that begins with https://.");
        assert_string_equal(verdict_of("http://example.com", rules),
                        "Only URLs that begin with https:// are fetched.");
        assert_string_equal(verdict_of("https://example.com", (InputRules){}),
                        "This provider does not fetch URLs.");
}

static void the_rules_may_allow_more(_unused_ void **state) {
        static const InputRules rules = { .urls = true, .http = true, .private = true };

        assert_string_equal(verdict_of("http://127.0.0.1:8080/x", rules), "good");
        assert_string_equal(verdict_of("http://example.com/x", rules), "good");
}

static void pictures_and_sound_are_no_texts(_unused_ void **state) {
        static const InputRules rules = { .urls = true };
        static const char *const media[] = { "https://www.youtube.com/watch?v=J8LONr-6VmM",
                "https://youtu.be/x", "https://example.com/a.MP4",
                "https://example.com/a.jpg?x=1" };

        for (size_t i = 0; i < ELEMENTSOF(media); i++)
                assert_string_equal(verdict_of(media[i], rules),
                                "The URL is not of a text, and this provider reads texts only.");
        assert_string_equal(verdict_of("https://notyoutube.com/", rules), "good");
        assert_string_equal(verdict_of("https://example.com/?next=a.mp4", rules), "good");
}

static void events_are_named_in_several_ways(_unused_ void **state) {
        static const struct {
                const char *data, *filter;
        } names[] = {
                { HEX, "{\"ids\":[\"" HEX "\"]}" },
                { "note1pu0z60ztdf583pu6hjkjclksqznv8u6fp6mfl8sdrewh5pktnc8s8xq8xn", NULL },
                { "npub1pu0z60ztdf583pu6hjkjclksqznv8u6fp6mfl8sdrewh5pktnc8s8xq8xn", NULL },
                { "hello", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const JobInput input = {
                        .data = names[i].data,
                        .type = INPUT_EVENT,
                        .relay = "wss://relay.example.com",
                        .marker = "",
                };
                _cleanup_free_ char *filter = NULL;
                const char *reason = NULL;
                InputEvent e;

                if (!names[i].filter) {
                        assert_int_equal(input_event_read(&input, &e, &reason), -EBADMSG);
                        assert_string_equal(reason, "The input names no event.");
                        continue;
                }
                assert_int_equal(input_event_read(&input, &e, &reason), 0);
                assert_int_equal(input_event_filter(&e, &filter), 0);
                assert_string_equal(filter, names[i].filter);
                assert_string_equal(e.relays[0], "wss://relay.example.com");
                input_event_done(&e);
        }
}

/* A real request (kind 5902) names an address. */
static void an_address_names_an_event_but_no_job(_unused_ void **state) {
        JobInput input = {
                .data = "naddr1qqphxetrqy88wumn8ghj7mn0wvhxcmmv9upzqxaa0l0k36h4cx2ydsa27cannh223ce4"
                        "fz7fda4aywdyzfxc7g57qvzqqqrhvvndvnfe",
                .type = INPUT_EVENT,
                .relay = "",
                .marker = "",
        };
        _cleanup_free_ char *filter = NULL;
        const char *reason = NULL;
        InputEvent e;

        assert_int_equal(input_event_read(&input, &e, &reason), 0);
        assert_int_equal(input_event_filter(&e, &filter), 0);
        assert_string_equal(filter,
                        "{\"kinds\":[30563],\"authors\":[\"1bbd7fdf68eaf5c19446c3aaf63b39dd4a8e3354"
                        "8bc96f6bd239a4124d8f229e\"],\"#d\":[\"sec\"]}");
        assert_string_equal(e.relays[0], "wss://nos.lol/");
        input_event_done(&e);
        input.type = INPUT_JOB;
        assert_int_equal(input_event_read(&input, &e, &reason), -EBADMSG);
        assert_string_equal(reason, "The input names no job.");
}

static const char *text_of(const char *type, const char *body, size_t size, Buffer *b) {
        const char *reason = "no reason";

        buffer_clear(b);
        return input_text(type, body, size, b, &reason) < 0 ? reason : b->data ?: "";
}

static void texts_are_texts_and_clean(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        static const char *const types[] = { "text/plain", "text/markdown; charset=utf-8",
                "application/json", "Application/LD+JSON", NULL, "application/octet-stream" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                assert_string_equal(text_of(types[i], "a\tb\r\nc\x01\x7f", 8, &b), "a\tb\nc");
        assert_string_equal(text_of("text/plain",
                                            "\xef\xbb\xbf"
                                            "x",
                                            4, &b),
                        "x");
        assert_string_equal(text_of("text/plain; charset=ISO-8859-1", "\xe4", 1, &b), "\xc3\xa4");
        assert_string_equal(text_of("text/plain", "\xe4", 1, &b),
                        "What the URL leads to is not a text in UTF-8.");
        assert_string_equal(text_of(NULL, "a\0b", 3, &b),
                        "What the URL leads to is not a text in UTF-8.");
        assert_string_equal(
                        text_of("image/png", "x", 1, &b), "What the URL leads to is not a text.");
        assert_string_equal(text_of("text/plain", "", 0, &b), "");
}

static void html_is_what_a_person_reads(_unused_ void **state) {
        static const struct {
                const char *html, *text;
        } pages[] = {
                { "<p>One<p>Two", "One\n\nTwo" },
                { "a<br>b<div>c</div>d", "a\nb\nc\nd" },
                { "<title>T</title><script>if (a<b) x('</p>')</script><b>B</b>", "T\nB" },
                { "<style>p { color: red }</style>x<!-- <p>no --> y", "x y" },
                { "a &amp; b &lt;c&gt; &#228;&#xe4; &nbsp;d &unknown; &",
                                "a & b <c> ää d &unknown; &" },
                { "1 < 2 and <3", "1 < 2 and <3" },
                { "<a title=\"x>y\" href='z'>link</a>", "link" },
                { "<a title=\"never closed>x</a> y", "x y" },
                { "<script>never closed", "" },
                { "  many \n\n blanks\t here ", "many blanks here" },
                { "<table><tr><td>1<td>2<tr><td>3</table>", "1 2\n3" },
                { "&#0;&#xd800;&#x110000;", "&#0;&#xd800;&#x110000;" },
                { "<", "<" },
                { "<!doctype html><?xml?><html>x", "x" },
        };
        _cleanup_buffer_ Buffer b = { .max = 4096 };

        for (size_t i = 0; i < ELEMENTSOF(pages); i++)
                assert_string_equal(text_of("text/html; charset=utf-8", pages[i].html,
                                                    strlen(pages[i].html), &b),
                                pages[i].text);
}

/* One pass, whatever a stranger thinks of: a megabyte of each takes no time. */
static void hostile_html_takes_no_longer(_unused_ void **state) {
        static const char *const pieces[] = { "<a \"", "<script>", "<!--", "&#", "<a '\"", "</",
                "<" };
        const size_t size = 1 << 20;
        _cleanup_free_ char *page = malloc(size + 16);

        for (size_t i = 0; i < ELEMENTSOF(pieces); i++) {
                _cleanup_buffer_ Buffer b = { .max = 4 << 20 };
                size_t n = strlen(pieces[i]);

                for (size_t at = 0; at < size; at += n)
                        memcpy(page + at, pieces[i], n);
                (void) text_of("text/html", page, size, &b);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_public_urls_are_fetched),
                cmocka_unit_test(the_rules_may_allow_more),
                cmocka_unit_test(pictures_and_sound_are_no_texts),
                cmocka_unit_test(events_are_named_in_several_ways),
                cmocka_unit_test(an_address_names_an_event_but_no_job),
                cmocka_unit_test(texts_are_texts_and_clean),
                cmocka_unit_test(html_is_what_a_person_reads),
                cmocka_unit_test(hostile_html_takes_no_longer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
