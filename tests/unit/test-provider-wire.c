/* provider/backend: what servers of models say, and what they are asked. Pure. */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>

#include "basic/text.h"
#include "repair.h"
#include "wire.h"

static TextMessage messages[] = { { "system", (char *) "be \"brief\"" },
        { "user", (char *) "2+2?\n" } };

static TextTask task(void) {
        return (TextTask){
                .work = KIND_WORK_TEXT,
                .model = (char *) "",
                .messages = messages,
                .n_messages = 2,
                .max_tokens = -1,
                .top_k = -1,
                .seed = -1,
                .temperature = NAN,
                .top_p = NAN,
                .frequency_penalty = NAN,
                .presence_penalty = NAN,
        };
}

static void assert_asks(const Wire *w, const TextTask *t, const char *path, const char *expected) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        ConfigBackend c = { .keep_alive = (char *) "10m", .context = 8192 };
        const char *where;

        assert_int_equal(w->write_ask(&c, "m:1", t, &where, &b), 0);
        assert_string_equal(where, path);
        assert_string_equal(b.data, expected);
}

static void a_task_is_asked_with_what_was_said_and_nothing_else(_unused_ void **state) {
        TextTask t = task();

        assert_asks(&wire_openai, &t, "/v1/chat/completions",
                        "{\"model\":\"m:1\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
                        "\\\"brief\\\"\"},{\"role\":\"user\",\"content\":\"2+2?\\n\"}],\"stream\":"
                        "true,\"stream_options\":{\"include_usage\":true}}");
        assert_asks(&wire_ollama, &t, "/api/chat",
                        "{\"model\":\"m:1\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
                        "\\\"brief\\\"\"},{\"role\":\"user\",\"content\":\"2+2?\\n\"}],\"stream\":"
                        "true,\"keep_alive\":\"10m\",\"options\":{ \"num_ctx\":8192}}");
}

static void every_parameter_has_its_place(_unused_ void **state) {
        static char *stop[] = { (char *) "\n\n", (char *) "END", NULL };
        TextTask t = task();

        t.max_tokens = 64;
        t.top_k = 40;
        t.seed = 7;
        t.temperature = 0.7;
        t.top_p = 1;
        t.frequency_penalty = -0.5;
        t.presence_penalty = 0.000001;
        t.stop = stop;
        t.json = true;
        t.n_messages = 1;
        assert_asks(&wire_openai, &t, "/v1/chat/completions",
                        "{\"model\":\"m:1\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
                        "\\\"brief\\\"\"}],\"stream\":true,\"stream_options\":{\"include_usage\":"
                        "true},\"max_tokens\":64,\"temperature\":0.700000,\"top_p\":1.000000,"
                        "\"top_k\":40,\"seed\":7,\"frequency_penalty\":-0.500000,"
                        "\"presence_penalty\":0.000001,\"stop\":[\"\\n\\n\",\"END\"],"
                        "\"response_format\":{\"type\":\"json_object\"}}");
        assert_asks(&wire_ollama, &t, "/api/chat",
                        "{\"model\":\"m:1\",\"messages\":[{\"role\":\"system\",\"content\":\"be "
                        "\\\"brief\\\"\"}],\"stream\":true,\"keep_alive\":\"10m\",\"format\":"
                        "\"json\",\"options\":{ \"num_predict\":64,\"num_ctx\":8192,"
                        "\"temperature\":0.700000,\"top_p\":1.000000,\"top_k\":40,\"seed\":7,"
                        "\"frequency_penalty\":-0.500000,\"presence_penalty\":0.000001,\"stop\":["
                        "\"\\n\\n\",\"END\"]}}");
}

static void vectors_are_asked_for_as_a_list_of_texts(_unused_ void **state) {
        TextTask t = task();

        t.work = KIND_WORK_EMBEDDINGS;
        assert_asks(&wire_openai, &t, "/v1/embeddings",
                        "{\"model\":\"m:1\",\"input\":[\"be \\\"brief\\\"\",\"2+2?\\n\"]}");
        assert_asks(&wire_ollama, &t, "/api/embed",
                        "{\"model\":\"m:1\",\"input\":[\"be \\\"brief\\\"\",\"2+2?\\n\"],"
                        "\"keep_alive\":\"10m\"}");
}

/* "id name context" of each. */
static void assert_models(const Wire *w, const char *body, const char *expected) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        WireModels l = {};
        const char *reason;

        assert_int_equal(w->read_models(body, strlen(body), &l, &reason), 0);
        for (size_t i = 0; i < l.n_models; i++)
                assert_int_equal(buffer_addf(&b, "%s %s %u\n", l.models[i].id, l.models[i].name,
                                                 l.models[i].context),
                                0);
        assert_string_equal(b.data ?: "", expected);
        wire_models_done(&l);
}

static void each_server_has_its_own_way_to_list_models(_unused_ void **state) {
        /* vLLM, LM Studio, llama.cpp, Ollama as they answer. */
        assert_models(&wire_openai,
                        "{\"object\":\"list\",\"data\":[{\"id\":\"Qwen/Qwen2.5-7B\",\"object\":"
                        "\"model\",\"max_model_len\":32768}]}",
                        "Qwen/Qwen2.5-7B Qwen/Qwen2.5-7B 32768\n");
        assert_models(&wire_openai,
                        "{\"data\":[{\"id\":\"a\"},{\"id\":\"a\"},{\"id\":\"b c\"},{\"id\":7},"
                        "{\"id\":\"d\",\"context_length\":-1}],\"object\":\"list\"}",
                        "a a 0\nd d 0\n");
        assert_models(&wire_openai,
                        "{\"models\":[{\"name\":\"/m/x.gguf\"}],\"object\":\"list\",\"data\":[{"
                        "\"id\":\"/models/tiny.gguf\",\"meta\":{\"n_ctx_train\":2048}}]}",
                        "/models/tiny.gguf tiny 2048\n");
        assert_models(&wire_ollama,
                        "{\"models\":[{\"name\":\"llama3.2:latest\",\"model\":\"llama3.2:latest\","
                        "\"digest\":\"a80c4f17acd5\",\"size\":2019393189}]}",
                        "llama3.2:latest llama3.2:latest 0\n");
        assert_models(&wire_ollama, "{\"models\":null}", "");
}

static void assert_no_models(const Wire *w, const char *body) {
        WireModels l = {};
        const char *reason = NULL;

        assert_int_equal(w->read_models(body, strlen(body), &l, &reason), -EBADMSG);
        assert_non_null(reason);
        wire_models_done(&l);
}

static void what_is_no_list_of_models_is_refused(_unused_ void **state) {
        const Wire *const both[] = { &wire_openai, &wire_ollama };

        for (size_t i = 0; i < 2; i++) {
                assert_no_models(both[i], "");
                assert_no_models(both[i], "<html></html>");
                assert_no_models(both[i], "{}");
                assert_no_models(both[i], "{\"data\":{},\"models\":\"x\"}");
        }
}

static void details_say_how_much_a_model_reads(_unused_ void **state) {
        static const char props[] = "{\"default_generation_settings\":{\"n_ctx\":1024},"
                                    "\"total_slots\":4}",
                          show[] = "{\"parameters\":\"stop \\\"x\\\"\\nnum_ctx      8192\","
                                   "\"model_info\":{\"general.architecture\":\"llama\","
                                   "\"llama.context_length\":131072}}",
                          plain[] = "{\"model_info\":{\"llama.context_length\":131072}}";
        _cleanup_buffer_ Buffer body = { .max = 100 };
        WireModels l = {};
        size_t cursor = 0;
        const char *path;

        assert_int_equal(wire_models_add(&l, "m", 9, NULL), 0);
        assert_true(wire_openai.detail(&l, &cursor, &path, &body));
        assert_string_equal(path, "/props");
        wire_openai.read_detail(&l, 0, props, strlen(props));
        assert_int_equal(l.models[0].context, 1024);
        assert_int_equal(l.n_slots, 4);

        assert_true(wire_ollama.detail(&l, &cursor, &path, &body));
        assert_string_equal(body.data, "{\"model\":\"m\"}");
        wire_ollama.read_detail(&l, 0, show, strlen(show));
        assert_int_equal(l.models[0].context, 8192);
        wire_ollama.read_detail(&l, 0, plain, strlen(plain));
        assert_int_equal(l.models[0].context, 4096); /* it cuts there, whatever the model could */
        wire_ollama.read_detail(&l, 0, "[]", 2);
        l.models[0].detailed = true;
        assert_false(wire_ollama.detail(&l, &cursor, &path, &body));
        wire_models_done(&l);
}

/* "text" or its error, then what it is. */
static void assert_piece(const Wire *w, const char *data, int result, const char *expected) {
        _cleanup_piece_ WirePiece p = {};
        char text[512];

        assert_int_equal(w->read_piece(data, strlen(data), &p), result);
        (void) snprintf(text, sizeof(text), "%.*s%s%s%s %d %d", p.text ? (int) p.size : 0,
                        p.text ?: "", p.thinks ? " thinks" : "", p.finished ? " finished" : "",
                        p.end ? " end" : "", (int) p.tokens_in, (int) p.tokens_out);
        assert_string_equal(result < 0 ? p.error : text, expected);
}

static void pieces_of_openai_streams(_unused_ void **state) {
        const Wire *w = &wire_openai;

        assert_piece(w, "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}", 0,
                        " -1 -1");
        assert_piece(w, "{\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}",
                        0, "Hi -1 -1");
        assert_piece(w, "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}", 0,
                        " thinks -1 -1");
        assert_piece(w, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}", 0,
                        " finished -1 -1");
        assert_piece(w, "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}",
                        0, " 5 2");
        assert_piece(w, "{\"choices\":[],\"usage\":null}", 0, " -1 -1");
        assert_piece(w, "[DONE]", 0, " end -1 -1");
        assert_piece(w,
                        "{\"choices\":[{\"message\":{\"content\":\"all\"},\"finish_reason\":"
                        "\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
                        0, "all finished 1 1");
        assert_piece(w, "{\"error\":{\"message\":\"CUDA\\nout of memory\",\"code\":500}}",
                        -EREMOTEIO, "CUDA out of memory");
        assert_piece(w,
                        "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available "
                        "context size\",\"type\":\"exceed_context_size_error\"}}",
                        -E2BIG, "the request exceeds the available context size");
        assert_piece(w, "{\"hello\":1}", -EBADMSG, "");
        assert_piece(w, "{\"choices\":7}", 0, " -1 -1");
        assert_piece(w, "nonsense", -EBADMSG, "");
}

static void pieces_of_ollama_streams(_unused_ void **state) {
        const Wire *w = &wire_ollama;

        assert_piece(w, "{\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}",
                        0, "Hi -1 -1");
        assert_piece(w, "{\"message\":{\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}", 0,
                        " thinks -1 -1");
        assert_piece(w,
                        "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
                        "\"prompt_eval_count\":11,\"eval_count\":18}",
                        0, " finished end 11 18");
        assert_piece(w, "{\"error\":\"model 'x' not found, try pulling it first\"}", -ENOENT,
                        "model 'x' not found, try pulling it first");
        assert_piece(w, "{\"done\":true}", -EBADMSG, "");
        assert_piece(w, "{\"message\":{},\"done\":\"no\"}", -EBADMSG, "");
}

static void assert_error(unsigned status, const char *body, int expected) {
        char text[WIRE_ERROR_MAX];

        assert_int_equal(wire_error(status, body, strlen(body), text), expected);
        assert_true(utf8_is_valid(text, strlen(text)));
}

static void complaints_are_understood(_unused_ void **state) {
        assert_error(500, "<html>", -EREMOTEIO);
        assert_error(401, "{\"error\":{\"message\":\"Invalid API Key\"}}", -EACCES);
        assert_error(404, "{\"detail\":\"Not Found\"}", -ENOENT);
        assert_error(503, "{\"error\":{\"message\":\"Loading model\",\"code\":503}}", -EAGAIN);
        assert_error(429, "", -EAGAIN);
        assert_error(400,
                        "{\"object\":\"error\",\"message\":\"This model's maximum context length is "
                        "4096 tokens.\",\"type\":\"BadRequestError\",\"code\":400}",
                        -E2BIG);
        assert_error(400, "{\"error\":\"invalid options\"}", -EINVAL);
        assert_error(500, "{\"error\":\"\\ud800 \xff \"}", -EREMOTEIO);
}

static void characters_cut_between_pieces_are_put_together(_unused_ void **state) {
        static const char euro[] = "{\"message\":{\"content\":\"a\xe2\x82\"},\"done\":false}";
        _cleanup_piece_ WirePiece p = {};
        _cleanup_buffer_ Buffer b = { .max = 100 };
        char text[16];
        Repair r = {};
        size_t n;

        assert_int_equal(wire_ollama.read_piece(euro, strlen(euro), &p), 0);
        memcpy(text, p.text, p.size);
        n = wire_bytes(text, p.size);
        assert_int_equal(n, 3);
        assert_memory_equal(text, "a\xe2\x82", 3);

        assert_int_equal(repair_add(&r, text, n, &b), 0);
        assert_string_equal(b.data, "a");
        assert_int_equal(repair_add(&r, "\xac!\xff\xc3", 4, &b), 0);
        assert_string_equal(b.data, "a\xe2\x82\xac!\xef\xbf\xbd");
        assert_int_equal(repair_add(&r, "\0", 1, &b), 0);
        assert_int_equal(repair_end(&r, &b), 0);
        assert_string_equal(b.data, "a\xe2\x82\xac!\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void vectors_are_lists_of_numbers_or_nothing(_unused_ void **state) {
        static const struct {
                const Wire *w;
                const char *body, *expected;
        } cases[] = {
                { &wire_openai,
                                "{\"data\":[{\"embedding\":[0.1,-2]},{\"embedding\":[1e-7,3]}],"
                                "\"usage\":{\"prompt_tokens\":4}}",
                                "[[0.1,-2],[1e-7,3]]" },
                { &wire_ollama, "{\"embeddings\":[[0.25]],\"prompt_eval_count\":4}", "[[0.25]]" },
                { &wire_openai, "{\"data\":[{\"embedding\":\"AAAA\"}]}", NULL },
                { &wire_ollama, "{\"embeddings\":[[\"x\"]]}", NULL },
                { &wire_ollama, "{\"embeddings\":[]}", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_piece_ WirePiece p = {};
                _cleanup_buffer_ Buffer b = { .max = 1000 };
                int r;

                r = cases[i].w->read_vectors(cases[i].body, strlen(cases[i].body), &b, &p);
                assert_int_equal(r, cases[i].expected ? 0 : -EBADMSG);
                if (cases[i].expected) {
                        assert_string_equal(b.data, cases[i].expected);
                        assert_int_equal(p.tokens_in, 4);
                }
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_task_is_asked_with_what_was_said_and_nothing_else),
                cmocka_unit_test(every_parameter_has_its_place),
                cmocka_unit_test(vectors_are_asked_for_as_a_list_of_texts),
                cmocka_unit_test(each_server_has_its_own_way_to_list_models),
                cmocka_unit_test(what_is_no_list_of_models_is_refused),
                cmocka_unit_test(details_say_how_much_a_model_reads),
                cmocka_unit_test(pieces_of_openai_streams),
                cmocka_unit_test(pieces_of_ollama_streams),
                cmocka_unit_test(complaints_are_understood),
                cmocka_unit_test(characters_cut_between_pieces_are_put_together),
                cmocka_unit_test(vectors_are_lists_of_numbers_or_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
