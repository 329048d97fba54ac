/* provider/text-task, kind, prompt: what a model is asked for what a customer wrote. */
#include "tests/unit/request.h"

#include <math.h>

#include "basic/text.h"
#include "prompt.h"
#include "text-task.h"

static const Kind *kind_builtin(uint16_t number) {
        return kind_table_find(&(KindTable){}, number);
}

static TextTask *task_for(const Kind *k, const JobRequest *r, const char *const *texts) {
        const char *reason = "no reason";
        TextTask *t = NULL;

        assert_int_equal(text_task_new(k, r, texts, &t, &reason), 0);
        return t;
}

static TextTask *task_of(uint16_t kind, const char *tags, const char *content) {
        _cleanup_(job_request_freep) JobRequest *r = request_new(kind, tags, content);

        return task_for(kind_builtin(kind), r, NULL);
}

static const char *refusal_of(uint16_t kind, const char *tags, const char *content) {
        _cleanup_(job_request_freep) JobRequest *r = request_new(kind, tags, content);
        const char *reason = "no reason";
        TextTask *t = NULL;

        assert_int_equal(text_task_new(kind_builtin(kind), r, NULL, &t, &reason), -EBADMSG);
        return reason;
}

static void assert_messages(const TextTask *t, size_t n, ...) {
        size_t size = 0;
        va_list ap;

        va_start(ap, n);
        assert_int_equal(t->n_messages, n);
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(t->messages[i].role, va_arg(ap, const char *));
                assert_string_equal(t->messages[i].content, va_arg(ap, const char *));
                size += strlen(t->messages[i].content);
        }
        assert_int_equal(t->size, size);
        va_end(ap);
}

static void the_prompt_is_found_wherever_it_is(_unused_ void **state) {
        static const struct {
                const char *tags, *content;
        } spellings[] = {
                { "[\"i\",\"Hi\",\"text\"]", "" },
                { "[\"i\",\"Hi\",\"text\"]", "NIP 90 Text Generation Request" },
                { "[\"i\",\"Hi\"]", "" },
                { "[\"i\",\"Hi\",\"prompt\"]", "" },
                { "[\"i\",\"Hi\",\"Text\"]", "" },
                { "[\"input\",\"text\",\"Hi\"]", "" },
                { "[\"input\",\"Hi\",\"text\"]", "" },
                { "[\"input\",\"Hi\"]", "" },
                { "[\"prompt\",\"Hi\"]", "" },
                { "[\"param\",\"prompt\",\"Hi\"]", "" },
                { "[\"params\",\"prompt\",\"Hi\"]", "" },
                { "[\"param\",\"query\",\"Hi\"]", "Text please" },
                { "", "Hi" },
                { "[\"i\",\"\",\"text\"]", "Hi" },
                { "[\"wss://a.example\",\"wss://b.example\"]", "Hi" },
        };

        for (size_t i = 0; i < ELEMENTSOF(spellings); i++) {
                _cleanup_(text_task_freep) TextTask *t =
                                task_of(5050, spellings[i].tags, spellings[i].content);

                assert_messages(t, (size_t) 1, "user", "Hi");
        }
}

static void parameters_have_many_spellings(_unused_ void **state) {
        static const char *const spellings[] = {
                "[\"param\",\"max_tokens\",\"64\"],[\"param\",\"top_k\",\"40\"],"
                "[\"param\",\"temperature\",\"0.7\"],[\"param\",\"top_p\",\"0.9\"]",
                "[\"param\",\"max-tokens\",\"64\"],[\"param\",\"top-k\",\"40\"],"
                "[\"param\",\"Temperature\",\".7\"],[\"param\",\"top-p\",\"0,9\"]",
                "[\"param\",\"maxTokens\",\"64.0\"],[\"param\",\"topK\",\"40\"],"
                "[\"param\",\"temp\",\"+0.70\"],[\"param\",\"topP\",\"0.9\"]",
                "[\"param\",\"max_new_tokens\",\"64\"],[\"param\",\"TOP_K\",\"40\"],"
                "[\"param\",\"temperature\",\"0.7\",\"\"],[\"param\",\"top p\",\"0.9\"]",
        };

        for (size_t i = 0; i < ELEMENTSOF(spellings); i++) {
                _cleanup_free_ char *tags = NULL;
                _cleanup_(text_task_freep) TextTask *t = NULL;

                assert_true(asprintf(&tags, "[\"i\",\"x\",\"text\"],%s", spellings[i]) > 0);
                t = task_of(5050, tags, "");
                assert_int_equal(t->max_tokens, 64);
                assert_int_equal(t->top_k, 40);
                assert_float_equal(t->temperature, 0.7, 1e-9);
                assert_float_equal(t->top_p, 0.9, 1e-9);
                assert_int_equal(t->seed, -1);
                assert_true(isnan(t->frequency_penalty));
        }
}

static void nonsense_in_a_parameter_was_not_said(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *t = task_of(5050,
                        "[\"i\",\"x\",\"text\"],[\"param\",\"max_tokens\",\"many\"],"
                        "[\"param\",\"temperature\",\"warm\"],[\"param\",\"top_k\",\"0\"],"
                        "[\"param\",\"top_p\",\"9\"],[\"param\",\"seed\",\"-1\"],"
                        "[\"param\",\"presence_penalty\",\"-7\"],[\"param\"],"
                        "[\"param\",\"model\",\"auto\"]",
                        "");

        assert_int_equal(t->max_tokens, -1);
        assert_int_equal(t->top_k, -1);
        assert_int_equal(t->seed, -1);
        assert_true(isnan(t->temperature));
        assert_float_equal(t->top_p, 1, 0);
        assert_float_equal(t->presence_penalty, -2, 0);
        assert_string_equal(t->model, "");
        assert_null(t->stop);
}

static void model_and_stops_are_read(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *t = task_of(5050,
                        "[\"i\",\"x\",\"text\"],[\"param\",\"model\",\"llama3.2:1b\"],"
                        "[\"param\",\"stop\",\"A\",\"B\"],[\"param\",\"stop_1\",\"C\"],"
                        "[\"param\",\"stop_sequences\",\"D\",\"E\"],[\"param\",\"stopwatch\",\"F\"]",
                        "");

        assert_string_equal(t->model, "llama3.2:1b");
        assert_int_equal(strv_length(t->stop), TEXT_STOPS_MAX);
        assert_string_equal(t->stop[2], "C");
        assert_string_equal(t->stop[3], "D");
}

static void roles_make_a_dialogue(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *t = task_of(5050,
                        "[\"i\",\"One.\",\"text\"],[\"i\",\"Two.\",\"text\",\"\",\"user\"],"
                        "[\"i\",\"Yes?\",\"text\",\"\",\"assistant\"],"
                        "[\"i\",\"Be brief.\",\"text\",\"system\"],[\"i\",\"Three.\"],"
                        "[\"param\",\"system_prompt\",\"You are a clerk.\"]",
                        "ignored");

        assert_messages(t, (size_t) 4, "system", "You are a clerk.\n\nBe brief.", "user",
                        "One.\n\nTwo.", "assistant", "Yes?", "user", "Three.");
}

static void words_about_the_inputs_come_before_them(_unused_ void **state) {
        static const char *const texts[] = { "The page." };
        _cleanup_(job_request_freep) JobRequest *r = request_new(
                        5050, "[\"i\",\"https://a.example\",\"url\"]", "What does it say?");
        _cleanup_(job_request_freep) JobRequest *q = request_new(5050,
                        "[\"i\",\"https://a.example\",\"url\"],"
                        "[\"param\",\"prompt\",\"What does it say?\"]",
                        "");
        _cleanup_(text_task_freep) TextTask *t = task_for(kind_builtin(5050), r, texts),
                                            *u = task_for(kind_builtin(5050), q, texts),
                                            *before = task_for(kind_builtin(5050), q, NULL);

        assert_messages(t, (size_t) 1, "user", "What does it say?\n\nThe page.");
        assert_messages(u, (size_t) 1, "user", "What does it say?\n\nThe page.");
        assert_messages(before, (size_t) 1, "user", "What does it say?");
}

static void what_must_be_fetched_counts_as_empty_until_it_is_here(_unused_ void **state) {
        static const char *const nothing[] = { " \n" };
        _cleanup_(job_request_freep) JobRequest *r =
                        request_new(5050, "[\"i\",\"https://a.example\",\"url\"]", "");
        _cleanup_(text_task_freep) TextTask *t = task_for(kind_builtin(5050), r, NULL), *u = NULL;
        const char *reason;

        assert_messages(t, (size_t) 1, "user", "");
        assert_int_equal(text_task_new(kind_builtin(5050), r, nothing, &u, &reason), -EBADMSG);
        assert_string_equal(reason, "The request's inputs are empty.");
}

static void the_registrys_kinds_are_prompts(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *sum = task_of(5001,
                        "[\"i\",\"Long.\",\"text\"],[\"i\",\"Longer.\",\"text\"],"
                        "[\"param\",\"length\",\"10 paragraphs\"]",
                        "");
        _cleanup_(text_task_freep) TextTask *plain =
                        task_of(5001, "[\"i\",\"Long.\",\"text\"]", "");
        _cleanup_(text_task_freep) TextTask *german = task_of(
                        5002, "[\"i\",\"Hi\",\"text\"],[\"param\",\"language\",\"de\"]", "");
        _cleanup_(text_task_freep) TextTask *lang =
                        task_of(5002, "[\"i\",\"Hi\",\"text\"],[\"param\",\"lang\",\"fr\"]", "");
        _cleanup_(text_task_freep) TextTask *unsaid = task_of(5002, "[\"i\",\"Hi\",\"text\"]", "");
        _cleanup_(text_task_freep) TextTask *text = task_of(
                        5000, "[\"i\",\"Hi\",\"text\"],[\"param\",\"range\",\"1\",\"5\"]", "");

        assert_int_equal(sum->n_messages, 2);
        assert_non_null(strstr(sum->messages[0].content, "language, in 10 paragraphs. Answer"));
        assert_string_equal(sum->messages[1].content, "Long.\n\nLonger.");
        assert_non_null(strstr(plain->messages[0].content, "in its own language. Answer"));
        assert_non_null(strstr(german->messages[0].content, "language \"de\""));
        assert_float_equal(german->temperature, 0, 0);
        assert_non_null(strstr(lang->messages[0].content, "language \"fr\""));
        assert_non_null(strstr(unsaid->messages[0].content, "language \"en\""));
        assert_non_null(strstr(text->messages[0].content, "Only the part from 1 to 5."));
}

static void output_formats_are_known_by_many_names(_unused_ void **state) {
        static const struct {
                const char *name, *type;
        } names[] = {
                { "text/plain", "text/plain" },
                { "text/plain; charset=utf-8", "text/plain" },
                { "Text", "text/plain" },
                { "*/*", "text/plain" },
                { "text/markdown", "text/markdown" },
                { "markdown", "text/markdown" },
                { "application/json", "application/json" },
                { "json", "application/json" },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *tags = NULL;
                _cleanup_(text_task_freep) TextTask *t = NULL;

                assert_true(asprintf(&tags, "[\"i\",\"x\"],[\"output\",\"%s\"]", names[i].name) >
                                0);
                t = task_of(5050, tags, "");
                assert_string_equal(t->output, names[i].type);
                assert_int_equal(t->json, streq(t->output, "application/json"));
                assert_int_equal(t->n_messages, streq(t->output, "text/plain") ? 1 : 2);
        }
}

static void one_of_several_outputs_will_do(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *t = task_of(5050,
                        "[\"i\",\"x\"],[\"output\",\"text/html\",\"text/markdown\",\"text/plain\"]",
                        "");
        _cleanup_(text_task_freep) TextTask *u = task_of(5050, "[\"i\",\"x\"],[\"output\"]", "");

        assert_string_equal(t->output, "text/markdown");
        assert_string_equal(u->output, "text/plain");
}

static void what_cannot_be_done_is_refused_with_a_sentence(_unused_ void **state) {
        _cleanup_buffer_ Buffer many = { .max = 65536 };

        assert_string_equal(refusal_of(5050, "", ""), "The request has no input.");
        assert_string_equal(refusal_of(5050, "[\"i\",\" \",\"text\"]", ""),
                        "The request's inputs are empty.");
        assert_string_equal(refusal_of(5050, "[\"i\",\"x\"],[\"output\",\"image/png\"]", ""),
                        "This kind of work is not answered in the output format that is asked for.");
        assert_string_equal(refusal_of(5002, "[\"i\",\"x\"],[\"output\",\"application/json\"]", ""),
                        "This kind of work is not answered in the output format that is asked for.");
        for (size_t i = 0; i < 70; i++)
                assert_int_equal(buffer_addf(&many, "%s[\"i\",\"x\",\"text\",\"\",\"%s\"]",
                                                 i > 0 ? "," : "", i % 2 ? "assistant" : "user"),
                                0);
        assert_string_equal(refusal_of(5050, many.data, ""), "The request has too many inputs.");
}

static void words_for_the_system_alone_are_a_question(_unused_ void **state) {
        _cleanup_(text_task_freep) TextTask *t =
                        task_of(5050, "[\"i\",\"Say hi.\",\"text\",\"\",\"system\"]", "");

        assert_messages(t, (size_t) 1, "user", "Say hi.");
}

static void inputs_together_have_a_limit(_unused_ void **state) {
        _cleanup_(job_request_freep) JobRequest *r = request_new(
                        5050, "[\"i\",\"https://a.example\"],[\"i\",\"https://b.example\"]", "");
        _cleanup_free_ char *big = malloc(TEXT_SIZE_MAX);
        const char *texts[] = { big, big }, *reason;
        TextTask *t;

        memset(big, 'a', TEXT_SIZE_MAX - 1);
        big[TEXT_SIZE_MAX - 1] = '\0';
        assert_int_equal(text_task_new(kind_builtin(5050), r, texts, &t, &reason), -EBADMSG);
        assert_string_equal(reason, "The inputs are too large together.");
}

static void a_row_of_ones_own_may_hold_the_inputs(_unused_ void **state) {
        static const char *const defaults[] = { "max_tokens=100", "temperature=0.5", NULL };
        const Kind k = {
                .number = 5933,
                .work = KIND_WORK_TEXT,
                .prompt = "Review this {lang|code} patch:\n{input}\n[Mind {focus}.]",
                .model = "coder",
                .outputs = { "text/markdown" },
                .defaults = defaults,
        };
        _cleanup_(job_request_freep) JobRequest *r = request_new(
                        5933, "[\"i\",\"+x\"],[\"i\",\"-y\"],[\"param\",\"lang\",\"C\"]", "");
        _cleanup_(text_task_freep) TextTask *t = task_for(&k, r, NULL);

        assert_messages(t, (size_t) 2, "system", "Answer in Markdown.", "user",
                        "Review this C patch:\n+x\n\n-y\n");
        assert_string_equal(t->model, "coder");
        assert_int_equal(t->max_tokens, 100);
        assert_float_equal(t->temperature, 0.5, 0);
}

static void embeddings_are_of_each_input(_unused_ void **state) {
        const Kind k = {
                .number = 5999,
                .work = KIND_WORK_EMBEDDINGS,
                .outputs = { "application/json" },
        };
        _cleanup_(job_request_freep) JobRequest *r =
                        request_new(5999, "[\"i\",\"a\"],[\"i\",\"b\"]", "");
        _cleanup_(text_task_freep) TextTask *t = task_for(&k, r, NULL);

        assert_int_equal(t->work, KIND_WORK_EMBEDDINGS);
        assert_messages(t, (size_t) 2, "user", "a", "user", "b");
}

static const char *expanded(const char *prompt, Buffer *b) {
        _cleanup_(job_request_freep) JobRequest *r = request_new(
                        5050, "[\"param\",\"a\",\"1\",\"2\"],[\"param\",\"empty\",\"\"]", "");
        const char *reason = NULL;

        buffer_clear(b);
        return prompt_expand(prompt, kind_builtin(5050), r, "I", b, &reason) < 0 ? reason : b->data ?: "";
}

static void prompts_have_small_rules(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };

        assert_string_equal(expanded("{a} {a.2} {a.3}.", &b), "1 2 .");
        assert_string_equal(expanded("{b|x} {b|a|x} {b|}", &b), "x 1 ");
        assert_string_equal(expanded("A[ b {b}][ a {a}]Z", &b), "A a 1Z");
        assert_string_equal(expanded("[{empty}]", &b), "");
        assert_string_equal(expanded("{{a}} [[x]]", &b), "{a} [x]");
        assert_string_equal(expanded("<{input}>", &b), "<I>");
        assert_string_equal(expanded("{a", &b), "a brace is not closed");
        assert_string_equal(expanded("a}", &b), "a bracket has no partner");
        assert_string_equal(expanded("[a", &b), "a bracket is not closed");
        assert_string_equal(expanded("[a [b]]", &b), "a bracket has no partner");
        assert_string_equal(expanded("{}", &b), "a name in braces is empty or too long");
}

static void every_built_in_row_is_good(_unused_ void **state) {
        const KindTable table = {};
        size_t cursor = 0, n = 0;
        const Kind *k;

        while ((k = kind_table_next(&table, &cursor))) {
                _cleanup_buffer_ Buffer b = { .max = KIND_PROMPT_MAX };
                const char *reason = "";

                assert_ptr_equal(kind_builtin(k->number), k);
                assert_non_null(k->name);
                if (k->prompt)
                        assert_int_equal(prompt_expand(k->prompt, k, NULL, NULL, &b, &reason), 0);
                assert_true(k->work == KIND_WORK_REQUEST || k->outputs[0]);
                n++;
        }
        assert_int_equal(n, 5);
}

static void rows_of_the_settings_come_first(_unused_ void **state) {
        static const char text[] =
                        "[[kind]]\nkind = 5050\nprompt = \"Rhyme: {input}\"\n"
                        "[[kind]]\nkind = 5933\nname = \"code review\"\n"
                        "outputs = [\"text/markdown\", \"json\"]\ndefaults = [\"language=C\"]\n"
                        "[[kind]]\nkind = 5934\nas = \"embeddings\"\n"
                        "[[kind]]\nkind = 5935\nas = \"painting\"\n"
                        "[[kind]]\nkind = 5936\nprompt = \"{broken\"\n";
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(text_task_freep) TextTask *t = NULL;
        _cleanup_(job_request_freep) JobRequest *r = request_new(5050, "[\"i\",\"x\"]", "");
        KindTable table = {};
        size_t cursor = 0, n = 0;

        assert_int_equal(config_parse(text, strlen(text), NULL, NULL, &c), 0);
        assert_int_equal(kind_table_load(&table, c), 0);
        t = task_for(kind_table_find(&table, 5050), r, NULL);
        assert_messages(t, (size_t) 1, "user", "Rhyme: x");
        assert_string_equal(kind_param(kind_table_find(&table, 5933), r, "language"), "C");
        assert_int_equal(kind_table_find(&table, 5934)->work, KIND_WORK_EMBEDDINGS);
        assert_null(kind_table_find(&table, 5935));
        assert_null(kind_table_find(&table, 5936));
        while (kind_table_next(&table, &cursor))
                n++;
        assert_int_equal(n, 7);
        kind_table_done(&table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_prompt_is_found_wherever_it_is),
                cmocka_unit_test(parameters_have_many_spellings),
                cmocka_unit_test(nonsense_in_a_parameter_was_not_said),
                cmocka_unit_test(model_and_stops_are_read),
                cmocka_unit_test(roles_make_a_dialogue),
                cmocka_unit_test(words_about_the_inputs_come_before_them),
                cmocka_unit_test(what_must_be_fetched_counts_as_empty_until_it_is_here),
                cmocka_unit_test(the_registrys_kinds_are_prompts),
                cmocka_unit_test(output_formats_are_known_by_many_names),
                cmocka_unit_test(one_of_several_outputs_will_do),
                cmocka_unit_test(what_cannot_be_done_is_refused_with_a_sentence),
                cmocka_unit_test(words_for_the_system_alone_are_a_question),
                cmocka_unit_test(inputs_together_have_a_limit),
                cmocka_unit_test(a_row_of_ones_own_may_hold_the_inputs),
                cmocka_unit_test(embeddings_are_of_each_input),
                cmocka_unit_test(prompts_have_small_rules),
                cmocka_unit_test(every_built_in_row_is_good),
                cmocka_unit_test(rows_of_the_settings_come_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
