/* A service that asks pylon-relay, for tests: tool-relay SOCKET. Each line of stdin is a JSON
 * array, a verb and its arguments; each line of stdout says what came. */
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/text.h"
#include "client/relay-client.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_ (1024 * 1024)

typedef struct Tool {
        sd_event *event;
        RelayClient *client;
        Buffer in;
} Tool;

static void say(const char *format, ...) _printf_(1, 2);
static void say(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vprintf(format, ap);
        va_end(ap);
        (void) fflush(stdout);
}

static void on_events(
                const char *name, const RelayEvent *events, size_t n, _unused_ void *userdata) {
        for (size_t i = 0; i < n; i++)
                say("[\"event\",\"%s\",%" PRIu64 ",\"%s\",%s]\n", name, events[i].seq,
                                events[i].relay, event_json(events[i].event, NULL));
}

static void on_live(const char *name, const char *relay, _unused_ void *userdata) {
        say("[\"live\",\"%s\",\"%s\"]\n", name, relay);
}

static void on_outcome(const char *id, const char *relay, RelayVerdict verdict, const char *message,
                _unused_ void *userdata) {
        _cleanup_buffer_ Buffer text;

        buffer_init(&text, 4096);
        if (json_write_string(&text, message, strlen(message)) >= 0)
                say("[\"outcome\",\"%s\",\"%s\",%d,%s]\n", id, relay, verdict, text.data);
}

static void on_published(int error, const char *reason, _unused_ void *userdata) {
        say("[\"published\",%d,\"%s\"]\n", error, reason ?: "");
}

static char **read_list(const Json *j) {
        char **l = NULL;
        const char *s;

        for (size_t i = 0; i < json_array_size(j); i++)
                if (json_string(json_array_at(j, i), &s) < 0 || strv_add(&l, s) < 0)
                        exit(EXIT_FAILURE);
        return l;
}

static const char *read_text(const Json *j, size_t i) {
        const char *s = "";

        (void) json_string(json_array_at(j, i), &s);
        return s;
}

static int run(Tool *t, const char *line) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_strv_ char **a = NULL, **b = NULL;
        const char *reason, *verb;
        bool flag = false;
        uint64_t seq = 0;

        if (json_parse(line, strlen(line), 4, 10000, &j, &reason) < 0)
                return -EBADMSG;
        verb = read_text(j, 0);
        a = read_list(json_array_at(j, 2));
        b = read_list(json_array_at(j, 3));
        if (streq(verb, "subscribe"))
                return relay_client_subscribe(t->client, read_text(j, 1), (const char *const *) a,
                                (const char *const *) b);
        if (streq(verb, "publish")) {
                (void) json_bool(json_array_at(j, 3), &flag);
                return relay_client_publish(t->client, read_text(j, 1), (const char *const *) a,
                                flag, on_published, t, NULL);
        }
        if (streq(verb, "ack") && json_u64(json_array_at(j, 2), UINT64_MAX, &seq) >= 0)
                relay_client_acknowledge(t->client, read_text(j, 1), seq);
        else if (streq(verb, "forget"))
                relay_client_forget(t->client, read_text(j, 1));
        else if (streq(verb, "unsubscribe"))
                return relay_client_unsubscribe(t->client, read_text(j, 1), true);
        return 0;
}

static int on_stdin(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t revents, void *userdata) {
        Tool *t = userdata;
        char bytes[65536];
        char *newline;
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n <= 0)
                return sd_event_exit(t->event, 0);
        if (buffer_add(&t->in, bytes, (size_t) n) < 0)
                return -ENOBUFS;
        while (t->in.size > 0 && (newline = memchr(t->in.data, '\n', t->in.size))) {
                int r;

                *newline = '\0';
                r = run(t, t->in.data);
                if (r < 0)
                        say("[\"error\",%d]\n", r);
                buffer_drop(&t->in, (size_t) (newline - t->in.data) + 1);
        }
        return 0;
}

int main(int argc, char *argv[]) {
        static const RelayHandler handler = { on_events, on_live, on_outcome };
        Tool t = {};
        int r;

        if (argc != 2 || crypt_setup() < 0 || sd_event_new(&t.event) < 0)
                return EXIT_FAILURE;
        buffer_init(&t.in, LINE_MAX_);
        r = relay_client_new(t.event, argv[1], &handler, &t, &t.client);
        if (r >= 0)
                r = sd_event_add_io(t.event, NULL, STDIN_FILENO, EPOLLIN, on_stdin, &t);
        if (r >= 0)
                r = sd_event_loop(t.event);
        relay_client_free(t.client);
        buffer_done(&t.in);
        sd_event_unref(t.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
