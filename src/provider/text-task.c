#include "text-task.h"

#include <math.h>
#include <strings.h>

#include "basic/text.h"
#include "prompt.h"

#define NAMES_MAX 4
#define JOINT     "\n\n" /* between two inputs of one message */

typedef struct Maker {
        const Kind *kind;
        const JobRequest *request;
        const char *const *texts;
        TextTask *task;
        Buffer system, said; /* what the current message has so far */
        const char *role;    /* of that message */
        const char **reterr;
} Maker;

TextTask *text_task_free(TextTask *t) {
        if (!t)
                return NULL;

        for (size_t i = 0; i < t->n_messages; i++)
                free(t->messages[i].content);
        free(t->messages);
        free(t->model);
        free(t->output);
        (void) strv_free(t->stop);
        return mfree(t);
}

static int wrong(const Maker *m, const char *reason) {
        *m->reterr = reason;
        return -EBADMSG;
}

static bool is_blank(const char *s) {
        return s[strspn(s, " \t\r\n")] == '\0';
}

/* ---- numbers: what is no number was not said, what is too large is the largest */

typedef struct Number {
        const char *names[NAMES_MAX];
        size_t offset;
        double min, max;
        bool whole;
} Number;

static const Number numbers[] = {
        { { "max_tokens", "max_new_tokens", "max_completion_tokens", "num_predict" },
                        offsetof(TextTask, max_tokens), 1, 1 << 24, true },
        { { "top_k" }, offsetof(TextTask, top_k), 1, 1000, true },
        { { "seed" }, offsetof(TextTask, seed), 0, 1 << 30, true },
        { { "temperature", "temp" }, offsetof(TextTask, temperature), 0, 2, false },
        { { "top_p" }, offsetof(TextTask, top_p), 0, 1, false },
        { { "frequency_penalty" }, offsetof(TextTask, frequency_penalty), -2, 2, false },
        { { "presence_penalty" }, offsetof(TextTask, presence_penalty), -2, 2, false },
};

static void read_number(const Maker *m, const Number *n) {
        void *field = (char *) m->task + n->offset;
        double v;

        for (size_t i = 0; i < NAMES_MAX && n->names[i]; i++) {
                const char *text = kind_param(m->kind, m->request, n->names[i]);

                if (!text || parse_decimal(text, &v) < 0)
                        continue;
                if (n->whole && v < n->min)
                        continue; /* 0 and -1 are used for "no limit" */
                v = v < n->min ? n->min : v > n->max ? n->max : v;
                if (n->whole)
                        *(int64_t *) field = (int64_t) v;
                else
                        *(double *) field = v;
                return;
        }
}

static void read_numbers(const Maker *m) {
        TextTask *t = m->task;

        t->max_tokens = t->top_k = t->seed = -1;
        t->temperature = t->top_p = t->frequency_penalty = t->presence_penalty = NAN;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                read_number(m, numbers + i);
}

/* ---- model, stop, output */

static int read_model(const Maker *m) {
        static const char *const any[] = { "", "any", "auto", "default" };
        const char *model = job_request_param(m->request, "model") ?: "";

        for (size_t i = 0; i < ELEMENTSOF(any); i++)
                if (strcasecmp(model, any[i]) == 0) {
                        model = m->kind->model ?: "";
                        break;
                }
        if (strlen(model) > TEXT_NAME_MAX)
                return wrong(m, _("The model's name is too long."));
        m->task->model = strdup(model);
        return m->task->model ? 0 : -ENOMEM;
}

/* One parameter with several values, or several: "stop", "stop_1", "stop_sequences". */
static bool is_stop(const JobParam *p) {
        const char *rest = strncasecmp(p->name, "stop", 4) == 0 ? p->name + 4 : NULL;

        if (!rest)
                return false;
        return rest[strspn(rest, "_-0123456789")] == '\0' || job_param_is(p, "stop_sequence") ||
               job_param_is(p, "stop_sequences");
}

static int read_stops(const Maker *m) {
        for (size_t i = 0; i < m->request->n_params; i++) {
                const JobParam *p = m->request->params + i;

                for (size_t n = 0; is_stop(p) && n < p->n; n++) {
                        int r;

                        if (!*p->values[n] || strv_length(m->task->stop) == TEXT_STOPS_MAX)
                                continue;
                        r = strv_add(&m->task->stop, p->values[n]);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static bool same_type(const char *name, const char *type) {
        size_t n = strcspn(name, "; ");

        return strlen(type) == n && strncasecmp(name, type, n) == 0;
}

/* The media type that a name means, in the wild, too. */
static const char *media_type(const char *name) {
        static const struct {
                const char *name, *type;
        } types[] = {
                { "text", "text/plain" },
                { "plain", "text/plain" },
                { "txt", "text/plain" },
                { "string", "text/plain" },
                { "text/x-markdown", "text/markdown" },
                { "markdown", "text/markdown" },
                { "md", "text/markdown" },
                { "text/json", "application/json" },
                { "json", "application/json" },
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (same_type(name, types[i].name))
                        return types[i].type;
        return name;
}

/* NULL: not one of those that are offered. */
static const char *offered_as(const Maker *m, const char *wanted) {
        const char *const *offered = m->kind->outputs;

        wanted = media_type(wanted);
        if (!*wanted || same_type(wanted, "*/*") || same_type(wanted, "text/*"))
                return offered[0];
        for (size_t i = 0; i < KIND_OUTPUTS_MAX && offered[i]; i++)
                if (same_type(wanted, offered[i]))
                        return offered[i];
        return NULL;
}

/* Some name several that would do. */
static int read_output(const Maker *m) {
        const JobRequest *r = m->request;
        const char *output = r->n_outputs > 0 ? NULL : m->kind->outputs[0];

        for (size_t i = 0; i < r->n_outputs && !output; i++)
                output = offered_as(m, r->outputs[i]);
        if (!output)
                return wrong(m, _("This kind of work is not answered in the output format that is asked for."));
        m->task->output = strdup(output);
        m->task->json = streq(output, "application/json");
        return m->task->output ? 0 : -ENOMEM;
}

/* ---- messages */

static int too_large(const Maker *m, int r) {
        return r == -ENOBUFS ? wrong(m, _("The inputs are too large together.")) : r;
}

static int join(const Maker *m, Buffer *b, const char *text) {
        int r = 0;

        if (is_blank(text))
                return 0;
        if (b->size > 0)
                r = buffer_add_string(b, JOINT);
        return too_large(m, r < 0 ? r : buffer_add_string(b, text));
}

static int add_message(Maker *m, const char *role, Buffer *b) {
        TextTask *t = m->task;
        TextMessage *at = t->messages + t->n_messages;
        size_t size;

        if (t->n_messages == TEXT_MESSAGES_MAX)
                return wrong(m, _("The request has too many inputs."));
        if (b->size + t->size > TEXT_SIZE_MAX)
                return too_large(m, -ENOBUFS);
        *at = (TextMessage){ .role = role, .content = buffer_take(b, &size) };
        if (!at->content)
                return -ENOMEM;
        t->size += size;
        t->n_messages++;
        return 0;
}

static int end_message(Maker *m) {
        return m->said.size > 0 ? add_message(m, m->role, &m->said) : 0;
}

static int say(Maker *m, const char *role, const char *text) {
        int r;

        if (!streq(m->role, role)) {
                r = end_message(m);
                if (r < 0)
                        return r;
                m->role = role;
        }
        return join(m, &m->said, text);
}

static const char *input_role(const JobInput *i) {
        static const struct {
                const char *marker, *role;
        } roles[] = {
                { "system", "system" },
                { "developer", "system" },
                { "assistant", "assistant" },
                { "model", "assistant" },
        };

        for (size_t n = 0; n < ELEMENTSOF(roles); n++)
                if (strcasecmp(i->marker, roles[n].marker) == 0)
                        return roles[n].role;
        return "user";
}

/* What is not here yet is empty. */
static const char *input_text(const Maker *m, size_t i) {
        const JobInput *input = m->request->inputs + i;

        if (m->texts && m->texts[i])
                return m->texts[i];
        return input->type == INPUT_TEXT ? input->data : "";
}

static bool has_text_input(const JobRequest *r) {
        for (size_t i = 0; i < r->n_inputs; i++)
                if (r->inputs[i].type == INPUT_TEXT)
                        return true;
        return false;
}

/* Words about the inputs, besides them: as a parameter; or, where the inputs are no words of the
 * customer's, as the content, which otherwise says "text generation request" or so. */
static int say_instruction(Maker *m) {
        const JobRequest *r = m->request;
        const char *prompt = job_request_param(r, "prompt"),
                   *content = event_content(r->event, NULL);
        int q = 0;

        if (prompt && r->n_inputs > 0 && prompt != r->inputs[0].data)
                q = say(m, "user", prompt);
        if (q < 0 || m->kind->prompt || r->encrypted || r->n_inputs == 0 || has_text_input(r))
                return q;
        return say(m, "user", content);
}

static int say_inputs(Maker *m) {
        int r;

        r = say_instruction(m);
        for (size_t i = 0; i < m->request->n_inputs && r >= 0; i++) {
                const char *role = input_role(m->request->inputs + i);

                r = streq(role, "system") ? join(m, &m->system, input_text(m, i))
                                          : say(m, role, input_text(m, i));
        }
        return r;
}

static int expand(const Maker *m, const char *input, Buffer *b) {
        return too_large(m,
                        prompt_expand(m->kind->prompt, m->kind, m->request, input, b, m->reterr));
}

/* The row's words are the whole question, and the inputs are in it. */
static int say_in_prompt(Maker *m) {
        _cleanup_buffer_ Buffer input = { .max = TEXT_SIZE_MAX };
        int r;

        r = say_inputs(m);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->task->n_messages; i++) {
                if (r >= 0)
                        r = join(m, &input, m->task->messages[i].content);
                free(m->task->messages[i].content);
        }
        m->task->n_messages = m->task->size = 0;
        if (r >= 0 && m->said.size > 0)
                r = join(m, &input, m->said.data);
        if (r < 0)
                return r;
        buffer_clear(&m->said);
        m->role = "user";
        return input.size == 0 ? 0 : expand(m, input.data, &m->said);
}

static int say_system(Maker *m) {
        static const char *const names[] = { "system", "system_prompt", "system_message",
                "instructions" };
        const Kind *k = m->kind;
        int r = 0;

        if (k->prompt && !prompt_has_input(k->prompt))
                r = expand(m, NULL, &m->system);
        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++) {
                const char *value = kind_param(m->kind, m->request, names[i]);

                r = value ? join(m, &m->system, value) : 0;
        }
        return r;
}

static int say_output(Maker *m) {
        if (m->task->json)
                return join(m, &m->system,
                                "Answer with one JSON value only: no other words, no code fences.");
        if (streq(m->task->output, "text/markdown"))
                return join(m, &m->system, "Answer in Markdown.");
        return 0;
}

/* The system's words come first, but are known last. */
static int put_system_first(Maker *m) {
        TextTask *t = m->task;
        TextMessage system;
        int r;

        if (m->system.size == 0)
                return 0;
        r = add_message(m, "system", &m->system);
        if (r < 0)
                return r;
        system = t->messages[t->n_messages - 1];
        memmove(t->messages + 1, t->messages, (t->n_messages - 1) * sizeof(*t->messages));
        t->messages[0] = system;
        return 0;
}

static bool waits_for_inputs(const Maker *m) {
        for (size_t i = 0; !m->texts && i < m->request->n_inputs; i++)
                if (m->request->inputs[i].type != INPUT_TEXT)
                        return true;
        return false;
}

/* Nothing but words for the system is a question, too, as long as they are the customer's. */
static int see_that_something_is_asked(Maker *m, size_t n_own) {
        if (m->task->n_messages > 0)
                return 0;
        if (waits_for_inputs(m))
                return add_message(m, "user", &m->said);
        if (m->system.size > n_own)
                return add_message(m, "user", &m->system);
        if (m->request->n_inputs > 0)
                return wrong(m, _("The request's inputs are empty."));
        return wrong(m, _("The request has no input."));
}

static int make_dialogue(Maker *m) {
        bool whole = m->kind->prompt && prompt_has_input(m->kind->prompt);
        size_t n_own;
        int r;

        r = say_system(m);
        n_own = m->kind->prompt && !whole ? m->system.size : 0;
        if (r >= 0)
                r = whole ? say_in_prompt(m) : say_inputs(m);
        if (r >= 0)
                r = end_message(m);
        if (r >= 0)
                r = see_that_something_is_asked(m, n_own);
        if (r >= 0)
                r = say_output(m);
        return r < 0 ? r : put_system_first(m);
}

static int make_list(Maker *m) {
        int r = 0;

        for (size_t i = 0; i < m->request->n_inputs && r >= 0; i++) {
                r = join(m, &m->said, input_text(m, i));
                if (r >= 0)
                        r = end_message(m);
        }
        return r < 0 ? r : see_that_something_is_asked(m, 0);
}

static int make(Maker *m) {
        int r;

        m->task->work = m->kind->work;
        m->task->messages = new0(TextMessage, TEXT_MESSAGES_MAX);
        if (!m->task->messages)
                return -ENOMEM;
        read_numbers(m);
        r = read_model(m);
        if (r >= 0)
                r = read_stops(m);
        if (r >= 0)
                r = read_output(m);
        if (r < 0)
                return r;
        return m->kind->work == KIND_WORK_EMBEDDINGS ? make_list(m) : make_dialogue(m);
}

int text_task_new(const Kind *k, const JobRequest *r, const char *const *texts, TextTask **ret,
                const char **reterr) {
        Maker m = {
                .kind = k,
                .request = r,
                .texts = texts,
                .system = { .max = TEXT_SIZE_MAX },
                .said = { .max = TEXT_SIZE_MAX },
                .role = "user",
                .reterr = reterr,
        };
        int q;

        assert(k->work != KIND_WORK_REQUEST);
        m.task = new0(TextTask, 1);
        if (!m.task)
                return -ENOMEM;
        q = make(&m);
        buffer_done(&m.system);
        buffer_done(&m.said);
        if (q < 0) {
                (void) text_task_free(m.task);
                return q;
        }
        *ret = m.task;
        return 0;
}
