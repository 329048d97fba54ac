/* pylon infer: asks a model of this machine, and shows the answer while it is written. */
#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"
#include "bus/names.h"
#include "call.h"
#include "input.h"
#include "out.h"
#include "verb.h"

#define PROMPT_MAX (1024 * 1024)
#define LINE_MAX_  (8 << 20)
#define ANSWER_MAX (64 << 20)

typedef struct Question {
        const Cli *cli;
        bool live;     /* shown as it comes */
        Buffer answer; /* where it is not */
        char last;     /* that was shown */
        int result;    /* the exit code; -1: not over yet */
} Question;

/* What a model writes may not steer the terminal. */
static void show(Question *q, const char *text, size_t size) {
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) text[i],
                              next = i + 1 < size ? (unsigned char) text[i + 1] : 0;
                bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;

                if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
                        control = true;
                        i++;
                }
                (void) putchar(control ? '?' : c);
                q->last = (char) c;
        }
        (void) fflush(stdout);
}

static void take_text(Question *q, const Json *text) {
        const char *s;
        size_t size;

        if (json_bytes(text, &s, &size) < 0)
                return;
        if (q->live)
                show(q, s, size);
        else if (buffer_add(&q->answer, s, size) < 0)
                q->result = cli_out_of_memory(q->cli);
}

static void take_again(Question *q) {
        if (q->live)
                (void) fprintf(stderr, "\n%s\n",
                                _("The backend broke down; another one begins again."));
        buffer_clear(&q->answer);
}

static int print_json(const Question *q, const Json *done) {
        static const char *const texts[] = { "model", "backend" }, *const numbers[] = { "tokens_in",
                "tokens_out", "duration_usec" };
        _cleanup_(out_done) Out o = OUT_INIT;

        out_object(&o, NULL);
        out_text(&o, "text", q->answer.data ?: "");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                const char *s = NULL;

                (void) json_string(json_get(done, texts[i]), &s);
                out_text(&o, texts[i], s);
        }
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                int64_t n = -1;

                (void) json_i64(json_get(done, numbers[i]), &n);
                if (n < 0)
                        out_null(&o, numbers[i]);
                else
                        out_number(&o, numbers[i], n);
        }
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void take_done(Question *q, const Json *done) {
        if (q->cli->args.json) {
                q->result = print_json(q, done);
                return;
        }
        if (!q->live) {
                (void) fwrite(q->answer.data ?: "", 1, q->answer.size, stdout);
                q->last = q->answer.size > 0 ? q->answer.data[q->answer.size - 1] : 0;
        }
        if (q->last != '\n')
                (void) putchar('\n');
        q->result = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void take_error(Question *q, const Json *error) {
        const char *name = "Failed", *message = "";

        (void) json_string(json_get(error, "name"), &name);
        (void) json_string(json_get(error, "message"), &message);
        if (q->live && q->last && q->last != '\n')
                (void) putchar('\n');
        q->result = cli_fail(q->cli, error_known(name), "%s", message);
}

static void take_line(Question *q, const char *line, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        if (json_parse(line, size, 4, 100, &j, &reason) < 0)
                q->result = call_unreadable(q->cli);
        else if (json_get(j, "text"))
                take_text(q, json_get(j, "text"));
        else if (json_get(j, "again"))
                take_again(q);
        else if (json_get(j, "done"))
                take_done(q, json_get(j, "done"));
        else if (json_get(j, "error"))
                take_error(q, json_get(j, "error"));
}

static int read_answer(Question *q, int fd) {
        _cleanup_buffer_ Buffer b = { .max = LINE_MAX_ };
        char piece[16384], *end;
        ssize_t n;

        while (q->result < 0 && (n = read(fd, piece, sizeof(piece))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 || buffer_add(&b, piece, (size_t) n) < 0)
                        break;
                while (q->result < 0 && b.size > 0 && (end = memchr(b.data, '\n', b.size))) {
                        take_line(q, b.data, (size_t) (end - b.data));
                        buffer_drop(&b, (size_t) (end - b.data) + 1);
                }
        }
        if (q->result < 0)
                q->result = cli_fail(q->cli, "NotReachable", "%s",
                                _("pylon-provider ended in the middle of the answer."));
        return q->result;
}

static int ask(const Cli *cli, const Remote *provider, const char *prompt, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        CallError error;
        int r;

        r = remote_message(provider, "Infer", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sa(ss)", cli->args.model ?: "", 1, "user", prompt);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && cli->args.max_tokens > 0)
                r = sd_bus_message_append(
                                m, "{sv}", "max_tokens", "x", (int64_t) cli->args.max_tokens);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r < 0)
                return cli_out_of_memory(cli);
        return remote_send(provider, m, 0, ret, &error) < 0 ? call_fail(cli, &error) : EXIT_SUCCESS;
}

/* "-" is standard input; anything else is the question itself. */
static int read_prompt(const Cli *cli, char **ret) {
        const char *text = cli->args.rest[0];
        int r;

        if (streq(text, "-")) {
                size_t size;

                r = input_read(cli, "-", PROMPT_MAX, ret, &size);
                if (r != EXIT_SUCCESS)
                        return r;
                if (strlen(*ret) != size)
                        return cli_fail(cli, "BadInput", "%s", _("The question is not text."));
        } else {
                *ret = strdup(text);
                if (!*ret)
                        return cli_out_of_memory(cli);
        }
        if (isempty(*ret))
                return cli_fail(cli, "BadInput", "%s", _("There is no question."));
        return cli_check_text(cli, *ret);
}

int verb_infer(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        _cleanup_free_ char *prompt = NULL;
        Question q = { .cli = cli, .result = -1, .answer = { .max = ANSWER_MAX } };
        CallError error;
        int fd, r;

        r = read_prompt(cli, &prompt);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_open(cli, "provider", &provider, &error) < 0)
                return call_fail(cli, &error);
        provider.interface = BUS_PROVIDER_COMPUTE;
        r = ask(cli, &provider, prompt, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        if (sd_bus_message_read(reply, "h", &fd) < 0)
                return call_unreadable(cli);

        q.live = !cli->args.json && isatty(STDOUT_FILENO);
        r = read_answer(&q, fd);
        buffer_done(&q.answer);
        return r;
}
