/* What pylon-relay costs for each job: one event in, three out. This process is the relay, and the
 * service that subscribes, acknowledges, publishes and forgets; its own CPU is not counted.
 *
 *     bench-relay PYLON-RELAY [EVENTS] [OUT-PER-EVENT]
 *
 * One JSON line. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/buffer.h"
#include "basic/crypt.h"
#include "basic/file.h"
#include "basic/text.h"
#include "client/relay-client.h"
#include "net/ws.h"
#include "nostr/message.h"

#define OUT_MAX  8
#define INFLIGHT 500 /* below the relay's window: above it a gap would be filled later */

typedef struct Bench {
        sd_event *event;
        WsLoop *loop;
        WsServer *server;
        Ws *ws;
        RelayClient *client;
        char subscription[MESSAGE_SUBSCRIPTION_MAX + 1];
        Event **in, **out;
        uint64_t n, n_out;
        size_t sent, got, published, outcomes;
        usec_t first;
        Buffer line;
        pid_t relay;
} Bench;

static usec_t now_usec(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

static void fail(const char *what, int r) {
        (void) fprintf(stderr, "bench-relay: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static Event *make_event(const Keypair *k, uint16_t kind, size_t n) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const uint8_t chance[32] = {};
        char input[256];
        Event *e = NULL;

        (void) snprintf(input, sizeof(input),
                        "{\"kind\":1,\"created_at\":1700000000,\"tags\":[],\"content\":\"note %zu\"}",
                        n);
        if (draft_new(kind, time(NULL), &d) < 0 || draft_tag(d, "i", input, "text", NULL) < 0 ||
                        draft_tag(d, "param", "pow", "20", NULL) < 0 ||
                        draft_sign(d, k, chance, &e) < 0)
                fail("an event could not be made", -ENOMEM);
        return e;
}

/* ---- the relay's side */

static void feed(Bench *b) {
        while (b->sent < b->n && b->sent < b->got + INFLIGHT && b->ws && b->subscription[0]) {
                const char *json;
                size_t size;
                int r;

                json = event_json(b->in[b->sent], &size);
                if (message_write_event(&b->line, b->subscription, json, size) < 0)
                        fail("a message could not be written", -ENOMEM);
                r = ws_send(b->ws, b->line.data, b->line.size);
                buffer_clear(&b->line);
                if (r < 0)
                        return;
                if (b->sent++ == 0)
                        b->first = now_usec(CLOCK_MONOTONIC);
        }
}

static void answer(Bench *b) {
        (void) ws_send(b->ws, b->line.data, b->line.size);
        buffer_clear(&b->line);
}

static void on_message(_unused_ Ws *ws, const char *text, size_t size, void *userdata) {
        Bench *b = userdata;
        const char *reason, *id;
        char hex[65] = "";
        Message m;

        if (message_parse_from_client(text, size, &m, &reason) < 0)
                return;
        if (m.type == MESSAGE_REQ) {
                memcpy(b->subscription, m.subscription, sizeof(b->subscription));
                (void) message_write_eose(&b->line, m.subscription);
                answer(b);
                return;
        }
        id = m.type == MESSAGE_EVENT ? strstr(m.json.text, "\"id\":\"") : NULL;
        if (!id)
                return;
        memcpy(hex, id + 6, 64);
        (void) message_write_ok(&b->line, hex, true, "");
        answer(b);
}

static void on_dropped(_unused_ Ws *ws, int error, _unused_ void *userdata) {
        fail("a message was dropped", error);
}

static void on_drained(_unused_ Ws *ws, void *userdata) {
        feed(userdata);
}

static void on_open(_unused_ Ws *ws, _unused_ void *userdata) {
}

static void on_closed(Ws *ws, _unused_ int error, _unused_ const char *reason, void *userdata) {
        Bench *b = userdata;

        b->ws = ws_free(ws);
}

static bool on_allow(
                _unused_ WsServer *s, _unused_ const WsRequest *request, _unused_ void *userdata) {
        return true;
}

static int on_accept(
                _unused_ WsServer *s, Ws *ws, _unused_ const WsRequest *request, void *userdata) {
        static const WsHandler handler = { on_open, on_message, on_dropped, on_drained, on_closed };
        Bench *b = userdata;

        b->ws = ws;
        ws_set_handler(ws, &handler, b);
        return 0;
}

/* ---- the service's side */

static void maybe_finish(Bench *b) {
        if (b->got == b->n && b->outcomes == b->n * b->n_out)
                (void) sd_event_exit(b->event, 0);
}

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Bench *b = userdata;

        b->got += n;
        for (size_t i = 0; i < n * b->n_out; i++, b->published++)
                if (relay_client_publish(b->client, event_json(b->out[b->published], NULL), NULL,
                                    b->published % b->n_out == 0, NULL, NULL, NULL) < 0)
                        fail("an event could not be published", -ENOBUFS);
        relay_client_acknowledge(b->client, name, events[n - 1].seq);
        feed(b);
        maybe_finish(b);
}

static void on_live(_unused_ const char *name, _unused_ const char *relay, void *userdata) {
        feed(userdata);
}

static void on_outcome(const char *id, _unused_ const char *relay, _unused_ RelayVerdict verdict,
                _unused_ const char *message, void *userdata) {
        Bench *b = userdata;

        b->outcomes++;
        relay_client_forget(b->client, id);
        maybe_finish(b);
}

/* ---- around it */

static void start_relay(Bench *b, const char *program, const char *home, const char *path) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        if (strlen(path) >= sizeof(a.sun_path))
                fail("the socket's path is too long", -ENAMETOOLONG);
        memcpy(a.sun_path, path, strlen(path) + 1);
        if (fd < 0 || bind(fd, (struct sockaddr *) &a, sizeof(a)) < 0 || listen(fd, 8) < 0)
                fail("the socket could not be made", -errno);
        b->relay = fork();
        if (b->relay == 0) {
                char pid[16];

                (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
                (void) dup2(fd, 3);
                (void) setenv("LISTEN_PID", pid, 1);
                (void) setenv("LISTEN_FDS", "1", 1);
                (void) setenv("LISTEN_FDNAMES", "relay", 1);
                (void) setenv("HOME", home, 1);
                (void) execl(program, program, NULL);
                _exit(1);
        }
        (void) close(fd);
}

static void set_up(Bench *b, const char *program) {
        static const WsLimits limits = { .message_max = 1 << 18, .queue_max = 1 << 18 };
        static const WsServerHandler server = { .allow = on_allow, .accept = on_accept };
        static const RelayHandler handler = { on_events, on_live, on_outcome };
        char home[] = "/tmp/bench-relay-XXXXXX", path[256], config[128];
        int fd, r;

        if (!mkdtemp(home))
                fail("no folder could be made", -errno);
        (void) snprintf(path, sizeof(path), "%s/.openagents/pylon/run", home);
        r = mkdir_p(path);
        if (r >= 0)
                r = ws_loop_new(b->event, NULL, &b->loop);
        if (r >= 0)
                r = ws_listen("127.0.0.1:0", &fd);
        if (r >= 0)
                r = ws_server_new(b->loop, fd, &limits, 4, &server, b, &b->server);
        if (r < 0)
                fail("the relay could not be made", r);
        (void) snprintf(config, sizeof(config),
                        "relays = [\"ws://127.0.0.1:%u\"]\n[relay]\nlocal = false\n",
                        ws_server_port(b->server));
        (void) snprintf(path, sizeof(path), "%s/.openagents/pylon/config.toml", home);
        r = write_atomic(path, config, strlen(config));
        (void) snprintf(path, sizeof(path), "%s/.openagents/pylon/run/relay.sock", home);
        start_relay(b, program, home, path);
        if (r >= 0)
                r = relay_client_new(b->event, path, &handler, b, &b->client);
        if (r >= 0)
                r = relay_client_subscribe(b->client, "bench",
                                (const char *const[]){ "{\"kinds\":[5970]}", NULL },
                                (const char *const[]){ NULL });
        if (r < 0)
                fail("the service could not be reached", r);
}

static void report(Bench *b, usec_t wall) {
        struct rusage used;
        usec_t cpu;
        int status;

        (void) kill(b->relay, SIGTERM);
        if (wait4(b->relay, &status, 0, &used) < 0 || status != 0)
                fail("pylon-relay did not end well", -EIO);
        cpu = (usec_t) (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * SEC +
              (usec_t) (used.ru_utime.tv_usec + used.ru_stime.tv_usec);
        printf("{\"bench\":\"relay\",\"events\":%" PRIu64 ",\"out_per_event\":%" PRIu64
               ",\"events_per_second\":%.0f,"
               "\"relay_cpu_us_per_event\":%.1f,\"relay_user_us_per_event\":%.1f}\n",
                        b->n, b->n_out, (double) b->n * 1e6 / (double) wall,
                        (double) cpu / (double) b->n,
                        ((double) used.ru_utime.tv_sec * 1e6 + (double) used.ru_utime.tv_usec) /
                                        (double) b->n);
}

int main(int argc, char *argv[]) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        const uint8_t secret[32] = { [31] = 3 };
        Bench b = { .n = 10000, .n_out = 3 };

        if (argc < 2 || crypt_setup() < 0 || keypair_new(secret, &k) < 0 ||
                        sd_event_new(&b.event) < 0)
                return EXIT_FAILURE;
        if ((argc > 2 && parse_u64(argv[2], &b.n) < 0) ||
                        (argc > 3 && (parse_u64(argv[3], &b.n_out) < 0 || b.n_out > OUT_MAX)))
                return EXIT_FAILURE;
        buffer_init(&b.line, 1 << 18);
        b.in = new0(Event *, b.n);
        b.out = new0(Event *, b.n * b.n_out + 1);
        if (!b.in || !b.out)
                return EXIT_FAILURE;
        for (size_t i = 0; i < b.n; i++)
                b.in[i] = make_event(k, 5970, i);
        for (size_t i = 0; i < b.n * b.n_out; i++)
                b.out[i] = make_event(k, i % b.n_out == 0 ? 6970 : 7000, i);

        set_up(&b, argv[1]);
        if (sd_event_loop(b.event) < 0)
                return EXIT_FAILURE;
        report(&b, now_usec(CLOCK_MONOTONIC) - b.first);
        return EXIT_SUCCESS;
}
