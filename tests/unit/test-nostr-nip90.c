/* nostr/nip90: jobs as the NIP has them, and as 125 real events have them. */
#include "tests/unit/unit.h"

#include "basic/json.h"
#include "nostr/nip90.h"
#include "nostr/tag-list.h"

static const uint8_t zeros[32];

static JobRequest *request_of(Event *e) {
        const char *reason = "no reason";
        JobRequest *r = NULL;

        assert_int_equal(job_request_parse(e, &r, &reason), 0);
        return r;
}

static Event *sign_as(Draft *d, uint8_t who) {
        const uint8_t secret[32] = { [31] = who };
        _cleanup_(keypair_freep) Keypair *k = NULL;
        Event *e = NULL;

        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        return e;
}

/* An event of these tags, as `tags` would be in its JSON. */
static Event *make_event(uint16_t kind, const char *tags, const char *content) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_buffer_ Buffer b = { .max = 65536 };
        const char *reason;

        assert_int_equal(
                        buffer_addf(&b, "{\"kind\":%u,\"created_at\":1000,\"tags\":[%s],\"content\":",
                                        kind, tags),
                        0);
        assert_int_equal(json_write_string(&b, content, strlen(content)), 0);
        assert_int_equal(buffer_add_string(&b, "}"), 0);
        assert_int_equal(draft_parse(b.data, b.size, &d, &reason), 0);
        return sign_as(d, 5);
}

static Json *fixtures(void) {
        _cleanup_free_ char *text = vectors_read("fixtures_computed.json");
        const char *reason = "";
        Json *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), 32, 100000, &j, &reason), 0);
        return j;
}

/* A fixture's event. json-c has it as a tree: written again as a draft and signed with its key it
 * must be the same event. */
static Event *fixture_event(const Json *all, const char *name, const char *key) {
        const Json *j = json_get(json_get(all, "dvm"), name);
        const char *secret, *content, *id;
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        uint8_t bytes[32];
        uint64_t kind;
        int64_t at;
        Event *e = NULL;

        assert_int_equal(json_string(json_get(json_get(json_get(all, "keys"), key), "secret"),
                                         &secret),
                        0);
        assert_int_equal(hex_decode(secret, bytes, sizeof(bytes)), 0);
        assert_int_equal(keypair_new(bytes, &k), 0);
        assert_int_equal(json_u64(json_get(j, "kind"), 65535, &kind), 0);
        assert_int_equal(json_i64(json_get(j, "created_at"), &at), 0);
        assert_int_equal(json_string(json_get(j, "content"), &content), 0);
        assert_int_equal(json_string(json_get(j, "id"), &id), 0);
        assert_int_equal(draft_new((uint16_t) kind, at, &d), 0);
        for (size_t i = 0; i < json_array_size(json_get(j, "tags")); i++) {
                const Json *tag = json_array_at(json_get(j, "tags"), i);
                const char *values[8];

                for (size_t n = 0; n < json_array_size(tag); n++)
                        assert_int_equal(json_string(json_array_at(tag, n), &values[n]), 0);
                assert_int_equal(draft_tag_strv(d, values, json_array_size(tag)), 0);
        }
        assert_int_equal(draft_content(d, content, strlen(content)), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        assert_string_equal(event_id_hex(e), id);
        return e;
}

static void the_fixtures_request_is_understood(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *all = fixtures();
        _cleanup_(event_unrefp) Event *e = fixture_event(all, "request", "pylon-customer");
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);

        assert_int_equal(r->n_inputs, 1);
        assert_string_equal(r->inputs[0].data, "What is the capital of France?");
        assert_int_equal(r->inputs[0].type, INPUT_TEXT);
        assert_int_equal(r->n_params, 3);
        assert_string_equal(job_request_param(r, "model"), "llama3.2");
        assert_string_equal(job_request_param(r, "max-tokens"), "64");
        assert_null(job_request_param(r, "max_token"));
        assert_string_equal(r->output, "text/plain");
        assert_int_equal(r->bid_msat, 50000);
        assert_int_equal(r->n_relays, 1);
        assert_true(job_request_is_for(
                        r, "9e173308f7af56211a0330c0d9e40d89a61d54dfdc9d37ccf6770c64a221ceb9"));
        assert_false(job_request_is_for(r, event_pubkey_hex(e)));
        assert_false(r->encrypted);
}

static void an_encrypted_request_is_understood_once_it_is_opened(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *all = fixtures();
        _cleanup_(event_unrefp) Event *e =
                        fixture_event(all, "request_encrypted_nip44", "pylon-customer");
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);
        const char *text, *reason;

        assert_true(r->encrypted);
        assert_int_equal(r->n_inputs, 0);
        assert_int_equal(json_string(json_get(json_get(all, "dvm"),
                                                     "inner_encrypted_tags_plaintext"),
                                         &text),
                        0);
        assert_int_equal(job_request_open(r, "[[]]", 4, &reason), -EBADMSG);
        assert_int_equal(job_request_open(r, "{}", 2, &reason), -EBADMSG);
        assert_int_equal(job_request_open(r, "[[\"i\",5]]", 9, &reason), -EBADMSG);
        assert_string_equal(reason, "it is not an array of tags");
        assert_false(r->opened);
        assert_int_equal(job_request_open(r, text, strlen(text), &reason), 0);
        assert_true(r->opened);
        assert_string_equal(r->inputs[0].data, "What is the capital of France?");
        assert_string_equal(job_request_param(r, "max_tokens"), "64");
        assert_int_equal(r->n_relays, 1);
}

static void feedback_and_cancellation_are_the_fixtures_bit_for_bit(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *all = fixtures();
        _cleanup_(event_unrefp) Event *e = fixture_event(all, "request", "pylon-customer");
        _cleanup_(event_unrefp) Event *wanted = fixture_event(all, "feedback_payment_required",
                                                      "pylon-provider"),
                                      *cancel = fixture_event(all, "cancel", "pylon-customer");
        _cleanup_(draft_freep) Draft *d = NULL, *c = NULL;
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);
        const JobAnswer a = {
                .status = JOB_STATUS_PAYMENT_REQUIRED,
                .text = "21 sat",
                .amount_msat = 21000,
                .invoice = event_find_tag(wanted, "amount", NULL)->values[2],
                .relay = "wss://relay.example.com",
        };
        uint8_t id[32];

        assert_int_equal(job_feedback_draft(r, &a, 1760000006, &d), 0);
        assert_int_equal(draft_id(d, event_pubkey(wanted), id), 0);
        assert_memory_equal(id, event_id(wanted), 32);

        assert_int_equal(job_cancel_draft(e, 1760000003, &c), 0);
        assert_int_equal(draft_id(c, event_pubkey(cancel), id), 0);
        assert_memory_equal(id, event_id(cancel), 32);
}

static void a_result_answers_its_request(_unused_ void **state) {
        _cleanup_(json_unrefp) Json *all = fixtures();
        _cleanup_(event_unrefp) Event *e = fixture_event(all, "request", "pylon-customer"),
                                      *other = fixture_event(all, "request_encrypted_nip44",
                                                      "pylon-customer"),
                                      *theirs = fixture_event(all, "result", "pylon-provider");
        _cleanup_(event_unrefp) Event *result = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);
        const JobAnswer a = {
                .status = JOB_STATUS_SUCCESS,
                .amount_msat = 21000,
                .content = "Paris.",
                .content_size = 6,
        };
        const char *reason = NULL;
        JobAnswer read;

        assert_int_equal(job_result_draft(r, &a, 1760000012, &d), 0);
        result = sign_as(d, 7);
        assert_int_equal(event_kind(result), 6050);
        assert_string_equal(event_tag_value(result, "request"), event_json(e, NULL));
        assert_string_equal(event_tag_value(result, "i"), "What is the capital of France?");
        assert_int_equal(job_answer_parse(result, &read, &reason), 0);
        assert_int_equal(read.status, JOB_STATUS_SUCCESS);
        assert_int_equal(read.amount_msat, 21000);
        assert_string_equal(read.job_id, event_id_hex(e));
        assert_string_equal(read.customer, event_pubkey_hex(e));
        assert_string_equal(read.content, "Paris.");

        assert_int_equal(job_answer_check(result, e, NULL, &reason), 0);
        assert_int_equal(job_answer_check(result, e, event_pubkey_hex(result), &reason), 0);
        assert_int_equal(job_answer_check(result, e, event_pubkey_hex(e), &reason), -EBADMSG);
        assert_string_equal(reason, "another provider wrote it");
        assert_int_equal(job_answer_check(result, other, NULL, &reason), -EBADMSG);
        assert_string_equal(reason, "it answers another request");
        assert_int_equal(job_answer_check(theirs, e, event_pubkey_hex(theirs), &reason), 0);
}

static void a_result_that_carries_another_request_is_refused(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *mine = make_event(5050, "[\"i\",\"a\"]", ""),
                                      *other = make_event(5050, "[\"i\",\"b\"]", ""),
                                      *result = NULL, *nonsense = NULL;
        _cleanup_(draft_freep) Draft *d = NULL, *n = NULL;
        const char *reason = NULL;

        assert_int_equal(draft_new(6050, 2000, &d), 0);
        assert_int_equal(draft_tag(d, "e", event_id_hex(mine), NULL), 0);
        assert_int_equal(draft_tag(d, "request", event_json(other, NULL), NULL), 0);
        result = sign_as(d, 9);
        assert_int_equal(job_answer_check(result, mine, NULL, &reason), -EBADMSG);
        assert_string_equal(reason, "it carries another request");

        assert_int_equal(draft_new(6050, 2000, &n), 0);
        assert_int_equal(draft_tag(n, "e", event_id_hex(mine), NULL), 0);
        assert_int_equal(draft_tag(n, "request", "{'python': True}", NULL), 0);
        nonsense = sign_as(n, 9);
        assert_int_equal(job_answer_check(nonsense, mine, NULL, &reason), 0);
}

static void the_usual_mistakes_are_understood(_unused_ void **state) {
#define HEX "247eefca62d0313421556905822cd11f96794d31c013b880fd3c1f387baa0cf4"
        static const struct {
                const char *tags, *content, *data;
                InputType type;
                size_t n_relays;
                int64_t bid;
        } rows[] = {
                { "[\"i\",\"hi\",\"prompt\"]", "", "hi", INPUT_TEXT, 0, -1 },
                { "[\"i\",\"hi\"]", "x", "hi", INPUT_TEXT, 0, -1 },
                { "[\"i\",\"" HEX "\"]", "", HEX, INPUT_EVENT, 0, -1 },
                { "[\"i\",\"https://a/b\"],[\"bid\",\"5000\"]", "", "https://a/b", INPUT_URL, 0,
                                5000 },
                { "[\"i\",\"" HEX "\",\"job\"],[\"bid\",\"100_000\"]", "", HEX, INPUT_JOB, 0, -1 },
                { "[\"wss://a\",\"wss://b\"],[\"input\",\"text\",\"Hi\"]", "", "Hi", INPUT_TEXT, 2,
                                -1 },
                { "[\"relay\",\"wss://a\",\"b\"],[\"param\",\"prompt\",\"Hi\"]", "", "Hi",
                                INPUT_TEXT, 1, -1 },
                { "[\"i\"],[\"param\"],[\"relays\"],[\"bid\"],[\"p\",\"x\"]", "Hi", "Hi",
                                INPUT_TEXT, 0, -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(event_unrefp) Event *e = make_event(5050, rows[i].tags, rows[i].content);
                _cleanup_(job_request_freep) JobRequest *r = request_of(e);

                assert_int_equal(r->n_inputs, 1);
                assert_string_equal(r->inputs[0].data, rows[i].data);
                assert_int_equal(r->inputs[0].type, rows[i].type);
                assert_int_equal(r->n_relays, rows[i].n_relays);
                assert_true(r->bid_msat == rows[i].bid);
                assert_int_equal(r->n_providers, 0);
        }
}

static void a_request_encrypted_to_nobody_is_for_nobody(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = make_event(5050, "[\"encrypted\"]", "Axyz");
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);

        assert_int_equal(r->n_inputs, 0);
        assert_false(job_request_is_for(r, HEX));
}

static void other_kinds_ask_for_no_work(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = make_event(6050, "", "");
        const char *reason = NULL;
        JobRequest *r = NULL;

        assert_int_equal(job_request_parse(e, &r, &reason), -EBADMSG);
        assert_string_equal(reason, "it is of no kind that asks for work");
}

#define UNSIGNED "{\\\"kind\\\":1,\\\"created_at\\\":5,\\\"tags\\\":[],\\\"content\\\":\\\"x\\\"}"

static void work_to_be_proved_is_an_event_and_a_number_of_bits(_unused_ void **state) {
        static const struct {
                const char *tags, *reason;
        } rows[] = {
                { "[\"i\",\"" UNSIGNED "\",\"text\"],[\"param\",\"pow\",\"20\"]", NULL },
                { "[\"i\",\"" UNSIGNED "\",\"text\"]", "it does not say how many bits are wanted" },
                { "[\"i\",\"" UNSIGNED "\"],[\"param\",\"pow\",\"257\"]",
                                "it does not say how many bits are wanted" },
                { "[\"i\",\"" UNSIGNED "\"],[\"param\",\"pow\"]",
                                "it does not say how many bits are wanted" },
                { "[\"param\",\"pow\",\"20\"]", "the event to be mined is missing" },
                { "[\"i\",\"{}\"],[\"param\",\"pow\",\"20\"]", "a field is missing" },
                { "[\"i\",\"http://x\"],[\"param\",\"pow\",\"20\"]",
                                "the event to be mined is missing" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(event_unrefp) Event *e = make_event(5970, rows[i].tags, "");
                _cleanup_(job_request_freep) JobRequest *r = request_of(e);
                const char *reason = "";
                PowTask t = {};

                assert_int_equal(pow_task_parse(r, &t, &reason), rows[i].reason ? -EBADMSG : 0);
                if (rows[i].reason) {
                        assert_string_equal(reason, rows[i].reason);
                        continue;
                }
                assert_int_equal(t.bits, 20);
                assert_string_equal(t.pubkey_hex, event_pubkey_hex(e));
                pow_task_done(&t);
        }
}

static void an_order_is_a_request(_unused_ void **state) {
        static const char *const params[] = { "pow", "12" }, *const relays[] = {
                "ws://127.0.0.1:7447"
        };
        const JobOrder o = {
                .kind = 5970,
                .input = "{}",
                .input_type = "text",
                .params = params,
                .n_params = 1,
                .relays = relays,
                .n_relays = 1,
                .provider = HEX,
                .bid_msat = 77,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(job_request_freep) JobRequest *r = NULL;

        assert_int_equal(job_order_draft(&o, 1000, &d), 0);
        e = sign_as(d, 5);
        r = request_of(e);
        assert_string_equal(job_request_param(r, "pow"), "12");
        assert_string_equal(r->relays[0], "ws://127.0.0.1:7447");
        assert_int_equal(r->bid_msat, 77);
        assert_true(job_request_is_for(r, HEX));
}

static void an_encrypted_order_has_its_words_in_the_text_alone(_unused_ void **state) {
        static const char *const params[] = { "model", "a \"b\"", "max_tokens", "9" };
        const JobOrder o = {
                .kind = 5050,
                .input = "the secret\n",
                .input_type = "text",
                .params = params,
                .n_params = 2,
                .provider = HEX,
                .bid_msat = -1,
                .encrypted = true,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        _cleanup_free_ char *text = NULL;
        const char *reason;

        assert_int_equal(job_order_sealed_text(&o, &text), 0);
        assert_string_equal(text, "[[\"i\",\"the secret\\n\",\"text\"],[\"param\",\"model\","
                                  "\"a \\\"b\\\"\"],[\"param\",\"max_tokens\",\"9\"]]");
        assert_int_equal(job_order_draft(&o, 1000, &d), 0);
        assert_int_equal(draft_content(d, "cipher", 6), 0);
        e = sign_as(d, 5);
        assert_null(strstr(event_json(e, NULL), "secret"));
        assert_null(strstr(event_json(e, NULL), "model"));
        r = request_of(e);
        assert_true(r->encrypted);
        assert_int_equal(job_request_open(r, text, strlen(text), &reason), 0);
        assert_string_equal(r->inputs[0].data, "the secret\n");
        assert_string_equal(job_request_param(r, "model"), "a \"b\"");
}

/* As ours writes it, as nostrdvm does (all of it inside), and as nobody should. */
static void encrypted_feedback_is_read(_unused_ void **state) {
        static const struct {
                const char *tags, *plaintext;
                JobStatus status;
                int64_t msat;
                const char *text, *content;
        } rows[] = {
                { "[\"status\",\"processing\"]", "[[\"status\",\"processing\",\"soon\"]]",
                                JOB_STATUS_PROCESSING, -1, "soon", "" },
                { "[\"x\",\"y\"]",
                                "[[\"status\",\"payment-required\"],[\"amount\",\"21000\",\"lnbc1\"],"
                                "[\"content\",\"so far\"]]",
                                JOB_STATUS_PAYMENT_REQUIRED, 21000, "", "so far" },
                { "[\"status\",\"partial\"]", "half a sente", JOB_STATUS_PARTIAL, -1, "",
                                "half a sente" },
                { "[\"status\",\"error\"]", "[[\"status\"],[\"amount\",\"-1\"],[\"content\"]]",
                                JOB_STATUS_ERROR, -1, "", "" },
                { "[\"status\",\"error\"]", "[[[\"status\",\"success\"]]]", JOB_STATUS_ERROR, -1,
                                "", "[[[\"status\",\"success\"]]]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(event_unrefp) Event *e = NULL;
                _cleanup_(tag_list_freep) TagList *tags = NULL;
                _cleanup_buffer_ Buffer b = { .max = 4096 };
                const char *reason;
                JobAnswer a;

                assert_int_equal(buffer_addf(&b, "[\"e\",\"" HEX "\"],[\"encrypted\"],%s",
                                                 rows[i].tags),
                                0);
                e = make_event(7000, b.data, "cipher");
                assert_int_equal(job_answer_parse(e, &a, &reason), 0);
                assert_true(a.feedback && a.encrypted);
                assert_int_equal(job_answer_open(&a, rows[i].plaintext, strlen(rows[i].plaintext),
                                                 &tags),
                                0);
                assert_int_equal(a.status, rows[i].status);
                assert_int_equal(a.amount_msat, rows[i].msat);
                assert_string_equal(a.text, rows[i].text);
                assert_string_equal(a.content, rows[i].content);
        }
}

static void answers_say_what_they_are_and_when_they_may_be_forgotten(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = make_event(5050, "[\"i\",\"Hi\",\"text\"]", "");
        _cleanup_(job_request_freep) JobRequest *r = request_of(e);
        const JobAnswer a = {
                .status = JOB_STATUS_PARTIAL,
                .amount_msat = -1,
                .content = "Hel",
                .content_size = 3,
                .output = "text/plain",
                .model = "llama",
                .expires_at = 1700000000,
        };
        _cleanup_(draft_freep) Draft *feedback = NULL, *result = NULL;
        _cleanup_(event_unrefp) Event *told = NULL, *done = NULL;

        assert_int_equal(job_feedback_draft(r, &a, 1, &feedback), 0);
        told = sign_as(feedback, 6);
        assert_string_equal(event_tag_value(told, "expiration"), "1700000000");
        assert_string_equal(event_content(told, NULL), "Hel");
        assert_null(event_tag_value(told, "model"));
        assert_int_equal(job_result_draft(r, &a, 1, &result), 0);
        done = sign_as(result, 6);
        assert_string_equal(event_tag_value(done, "output"), "text/plain");
        assert_string_equal(event_tag_value(done, "model"), "llama");
        assert_string_equal(event_tag_value(done, "i"), "Hi");
}

static void encrypted_words_are_tags(_unused_ void **state) {
        static const struct {
                JobAnswer answer;
                const char *text;
        } rows[] = {
                { { .status = JOB_STATUS_ERROR, .text = "It \"broke\"." },
                                "[[\"status\",\"error\",\"It \\\"broke\\\".\"]]" },
                { { .status = JOB_STATUS_PARTIAL, .content = "a\nb", .content_size = 3 },
                                "[[\"status\",\"partial\"],[\"content\",\"a\\nb\"]]" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = NULL;

                assert_int_equal(job_feedback_sealed_text(&rows[i].answer, &text), 0);
                assert_string_equal(text, rows[i].text);
        }
}

/* Relays take 64 KiB; what the customer has already is the first to go. */
static void a_large_answer_leaves_out_what_the_customer_knows(_unused_ void **state) {
        _cleanup_free_ char *prompt = malloc(30001), *words = malloc(48001), *tags = NULL;
        _cleanup_(event_unrefp) Event *e = NULL, *done = NULL;
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        _cleanup_(draft_freep) Draft *result = NULL;
        JobAnswer a = { .status = JOB_STATUS_SUCCESS, .amount_msat = -1, .content_size = 48000 };
        size_t size;

        memset(prompt, 'p', 30000);
        prompt[30000] = '\0';
        memset(words, 'w', 48000);
        words[48000] = '\0';
        a.content = words;
        assert_true(asprintf(&tags, "[\"i\",\"%s\",\"text\"]", prompt) > 0);
        e = make_event(5050, tags, "");
        r = request_of(e);
        assert_int_equal(job_result_draft(r, &a, 1, &result), 0);
        done = sign_as(result, 6);
        (void) event_json(done, &size);
        assert_true(size < JOB_ANSWER_MAX);
        assert_null(event_tag_value(done, "i"));
        assert_null(event_tag_value(done, "request"));
        assert_string_equal(event_tag_value(done, "e"), event_id_hex(e));
}

/* What the 125 real events are. json-c's tree is written into drafts, because only the form
 * matters here; test-nostr-event has checked their ids and signatures. */
static void real_events_are_classified_sensibly(_unused_ void **state) {
        _cleanup_free_ char *text = vectors_read("dvm_events_signed.json");
        size_t n_requests = 0, n_results = 0, n_feedback = 0, n_with_input = 0, n_encrypted = 0,
               by_status[_JOB_STATUS_MAX] = {};
        const char *reason;

        for (char *p = text; (p = strstr(p, "\"event\": {")); p++) {
                _cleanup_(event_unrefp) Event *e = NULL;
                char *end = strstr(p, "\"sig\": \"");
                JobAnswer a;

                assert_non_null(end);
                end += strlen("\"sig\": \"") + 128 + 1;
                end = strchr(end, '}') + 1;
                p += strlen("\"event\": ");
                assert_int_equal(event_parse(p, (size_t) (end - p), &e, &reason), 0);
                if (job_kind_is_request(event_kind(e))) {
                        _cleanup_(job_request_freep) JobRequest *r = request_of(e);

                        n_requests++;
                        n_with_input += r->n_inputs > 0;
                        n_encrypted += r->encrypted;
                } else {
                        int r = job_answer_parse(e, &a, &reason);

                        if (r < 0)
                                assert_string_equal(reason, "it names no request");
                        else if (event_kind(e) == JOB_FEEDBACK_KIND) {
                                n_feedback++;
                                by_status[a.status]++;
                        } else
                                n_results++;
                }
                p = end;
        }

        assert_int_equal(n_requests, 58);
        assert_int_equal(n_encrypted, 14);  /* five do not say so */
        assert_int_equal(n_with_input, 35); /* one names a "url" instead */
        assert_int_equal(n_feedback, 28);
        assert_int_equal(n_results, 25);
        assert_int_equal(by_status[JOB_STATUS_PAYMENT_REQUIRED], 6);
        assert_int_equal(by_status[JOB_STATUS_PROCESSING], 7);
        assert_int_equal(by_status[JOB_STATUS_ERROR], 3);
        assert_int_equal(by_status[JOB_STATUS_PARTIAL], 1);
        assert_int_equal(by_status[JOB_STATUS_SUCCESS], 5);
        assert_int_equal(by_status[JOB_STATUS_OTHER], 6);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fixtures_request_is_understood),
                cmocka_unit_test(an_encrypted_request_is_understood_once_it_is_opened),
                cmocka_unit_test(feedback_and_cancellation_are_the_fixtures_bit_for_bit),
                cmocka_unit_test(a_result_answers_its_request),
                cmocka_unit_test(a_result_that_carries_another_request_is_refused),
                cmocka_unit_test(the_usual_mistakes_are_understood),
                cmocka_unit_test(a_request_encrypted_to_nobody_is_for_nobody),
                cmocka_unit_test(other_kinds_ask_for_no_work),
                cmocka_unit_test(work_to_be_proved_is_an_event_and_a_number_of_bits),
                cmocka_unit_test(an_order_is_a_request),
                cmocka_unit_test(an_encrypted_order_has_its_words_in_the_text_alone),
                cmocka_unit_test(encrypted_feedback_is_read),
                cmocka_unit_test(answers_say_what_they_are_and_when_they_may_be_forgotten),
                cmocka_unit_test(encrypted_words_are_tags),
                cmocka_unit_test(a_large_answer_leaves_out_what_the_customer_knows),
                cmocka_unit_test(real_events_are_classified_sensibly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
