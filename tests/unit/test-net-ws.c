/* net/ws: client and server in one process on loopback, and peers that do not keep the rules. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "net/ws.h"

#define MESSAGE_MAX 4096
#define QUEUE_MAX   (64 * 1024)

typedef struct Side {
        Ws *ws;
        unsigned opened, messages, drained, closed;
        size_t bytes;
        int dropped, error;
        char last[64];
        char reason[128];
} Side;

typedef struct World {
        sd_event *event;
        WsLoop *loop;
        WsServer *server;
        Side client, peer; /* peer: the server's end of it */
        const char *origin_allowed;
        bool echo;
} World;

static const WsLimits limits = { .message_max = MESSAGE_MAX, .queue_max = QUEUE_MAX };

static void on_open(_unused_ Ws *ws, void *userdata) {
        Side *s = userdata;

        s->opened++;
}

static void on_message(_unused_ Ws *ws, const char *text, size_t size, void *userdata) {
        Side *s = userdata;

        s->messages++;
        s->bytes += size;
        assert_int_equal(text[size], 0);
        memset(s->last, 0, sizeof(s->last));
        memcpy(s->last, text, MIN(size, sizeof(s->last) - 1));
}

static void on_dropped(_unused_ Ws *ws, int error, void *userdata) {
        Side *s = userdata;

        s->dropped = error;
}

static void on_drained(_unused_ Ws *ws, void *userdata) {
        Side *s = userdata;

        s->drained++;
}

static void on_closed(Ws *ws, int error, const char *reason, void *userdata) {
        Side *s = userdata;

        s->closed++;
        s->error = error;
        strncpy(s->reason, reason, sizeof(s->reason) - 1);
        assert_ptr_equal(ws, s->ws);
        s->ws = ws_free(s->ws);
}

static const WsHandler handler = { on_open, on_message, on_dropped, on_drained, on_closed };

static bool on_allow(_unused_ WsServer *s, const WsRequest *request, void *userdata) {
        World *w = userdata;

        return !request->origin || (w->origin_allowed && streq(request->origin, w->origin_allowed));
}

static int on_accept(_unused_ WsServer *s, Ws *ws, const WsRequest *request, void *userdata) {
        World *w = userdata;

        assert_non_null(strstr(request->peer, "127.0.0.1:"));
        if (w->peer.ws)
                return -EBUSY;
        w->peer.ws = ws;
        ws_set_handler(ws, &handler, &w->peer);
        return 0;
}

static char *on_information(_unused_ WsServer *s, _unused_ void *userdata) {
        return strdup("{\"name\":\"test\"}");
}

static const WsServerHandler server_handler = { on_allow, on_accept, on_information };

static void turn(World *w) {
        assert_true(sd_event_run(w->event, 100 * MSEC) >= 0);
}

static usec_t now_usec(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

/* Every wait of these tests ends. */
#define WAIT_FOR(w, condition)                                             \
        for (usec_t _until = now_usec() + 20 * SEC; !(condition); turn(w)) \
                if (now_usec() > _until)                                   \
        fail_msg("waited in vain for %s", #condition)

static int set_up(void **state) {
        World *w = new0(World, 1);
        int fd;

        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(ws_loop_new(w->event, NULL, &w->loop), 0);
        assert_int_equal(ws_listen("127.0.0.1:0", &fd), 0);
        assert_int_equal(ws_server_new(w->loop, fd, &limits, 4, &server_handler, w, &w->server), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        ws_free(w->client.ws);
        ws_free(w->peer.ws);
        ws_server_free(w->server);
        ws_loop_free(w->loop);
        sd_event_unref(w->event);
        free(w);
        return 0;
}

static int start_client(World *w, uint16_t port) {
        WsTarget t = { .address = "127.0.0.1", .host = "localhost", .port = port, .path = "/" };

        return ws_connect(w->loop, &t, &limits, &handler, &w->client, &w->client.ws);
}

static void connect_both(World *w) {
        assert_int_equal(start_client(w, ws_server_port(w->server)), 0);
        assert_int_equal(w->client.opened, 0);
        WAIT_FOR(w, w->client.opened && w->peer.opened);
}

static void a_message_arrives_whole_in_both_directions(void **state) {
        World *w = *state;

        connect_both(w);
        assert_int_equal(ws_send(w->client.ws, "[\"hello\"]", 9), 0);
        assert_int_equal(ws_send(w->peer.ws, "[\"welcome\"]", 11), 0);
        WAIT_FOR(w, w->client.messages && w->peer.messages);
        assert_string_equal(w->peer.last, "[\"hello\"]");
        assert_string_equal(w->client.last, "[\"welcome\"]");
}

static void a_close_is_told_once_to_both_sides(void **state) {
        World *w = *state;

        connect_both(w);
        assert_int_equal(ws_send(w->peer.ws, "last words", 10), 0);
        ws_close(w->peer.ws, 1001, "going away");
        assert_int_equal(ws_send(w->peer.ws, "too late", 8), -ENOTCONN);
        WAIT_FOR(w, w->client.closed && w->peer.closed);
        assert_string_equal(w->client.last, "last words");
        assert_string_equal(w->client.reason, "going away");
        assert_int_equal(w->client.closed, 1);
        assert_int_equal(w->peer.closed, 1);
        assert_int_equal(w->peer.error, -ECANCELED);
}

static void after_free_no_callback_comes_and_the_peer_hears_of_it(void **state) {
        World *w = *state;

        connect_both(w);
        w->client.ws = ws_free(w->client.ws);
        WAIT_FOR(w, w->peer.closed);
        assert_int_equal(w->client.closed, 0);
}

static void a_connection_given_up_before_it_opened_tells_nobody(void **state) {
        World *w = *state;

        assert_int_equal(start_client(w, ws_server_port(w->server)), 0);
        w->client.ws = ws_free(w->client.ws);
        for (unsigned i = 0; i < 5; i++)
                turn(w);
        assert_int_equal(w->client.opened + w->client.closed + w->peer.opened, 0);
}

static void a_refused_connection_ends_once(void **state) {
        World *w = *state;
        uint16_t port = ws_server_port(w->server);

        w->server = ws_server_free(w->server);
        for (unsigned i = 0; i < 50; i++) {
                w->client = (Side){};
                if (start_client(w, port) < 0)
                        continue;
                WAIT_FOR(w, w->client.closed);
                assert_int_equal(w->client.closed, 1);
                assert_int_equal(w->client.opened, 0);
                assert_true(w->client.error < 0);
        }
}

static void the_limit_of_the_message_is_not_the_end_of_the_connection(void **state) {
        World *w = *state;
        char big[MESSAGE_MAX + 1];

        connect_both(w);
        memset(big, 'x', sizeof(big));
        assert_int_equal(ws_send(w->client.ws, big, sizeof(big)), 0);
        assert_int_equal(ws_send(w->client.ws, big, sizeof(big) - 1), 0);
        WAIT_FOR(w, w->peer.messages);
        assert_int_equal(w->peer.dropped, -EMSGSIZE);
        assert_int_equal(w->peer.bytes, MESSAGE_MAX);
}

static void bad_utf8_is_dropped_and_counted(void **state) {
        World *w = *state;

        connect_both(w);
        assert_int_equal(ws_send(w->peer.ws, "a\xc0\xaf", 3), 0);
        assert_int_equal(ws_send(w->peer.ws, "good", 4), 0);
        WAIT_FOR(w, w->client.messages);
        assert_int_equal(w->client.dropped, -EILSEQ);
        assert_string_equal(w->client.last, "good");
}

static void a_full_queue_says_so_and_drains(void **state) {
        World *w = *state;
        char kilo[1024];
        unsigned n = 0;

        connect_both(w);
        memset(kilo, 'k', sizeof(kilo));
        while (ws_send(w->client.ws, kilo, sizeof(kilo)) == 0)
                n++;
        assert_int_equal(n, QUEUE_MAX / sizeof(kilo));
        assert_int_equal(ws_queued(w->client.ws), QUEUE_MAX);
        WAIT_FOR(w, w->client.drained && w->peer.messages == n);
        assert_int_equal(ws_queued(w->client.ws), 0);
}

static void a_paused_reader_makes_the_sender_wait(void **state) {
        World *w = *state;
        char kilo[1024];
        unsigned sent = 0, seen, still = 0;

        connect_both(w);
        memset(kilo, 'k', sizeof(kilo));
        ws_pause(w->peer.ws, true);
        for (usec_t until = now_usec() + 10 * SEC; still < 3 && now_usec() < until;) {
                unsigned before = sent;

                while (ws_send(w->client.ws, kilo, sizeof(kilo)) == 0)
                        sent++;
                (void) sd_event_run(w->event, 50 * MSEC);
                still = sent == before ? still + 1 : 0;
        }
        assert_int_equal(still, 3);
        seen = w->peer.messages;
        assert_true(seen < sent);
        ws_pause(w->peer.ws, false);
        WAIT_FOR(w, w->peer.messages == sent);
}

static void ten_thousand_messages_cross_each_way(void **state) {
        World *w = *state;
        char text[600];
        unsigned out = 0, back = 0, n = 10000;
        usec_t began;

        connect_both(w);
        memset(text, 'm', sizeof(text));
        began = now_usec();
        for (usec_t until = began + 30 * SEC; now_usec() < until;) {
                while (out < n && ws_send(w->client.ws, text, sizeof(text)) == 0)
                        out++;
                while (back < n && ws_send(w->peer.ws, text, sizeof(text)) == 0)
                        back++;
                if (w->client.messages == n && w->peer.messages == n)
                        break;
                turn(w);
        }
        assert_int_equal(w->client.messages, n);
        assert_int_equal(w->peer.messages, n);
        printf("# 600 bytes, both ends in this process: %.1f us a message\n",
                        (double) (now_usec() - began) / (2.0 * n));
}

/* ---- peers that are no websocket library */

static int dial(World *w) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                .sin_port = htons(ws_server_port(w->server)),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        return fd;
}

/* Sends a request and returns everything up to the end of the connection or of `wanted`. */
static char *ask(World *w, int fd, const char *request, const char *wanted) {
        char *answer = new0(char, 4096);
        size_t size = 0;

        assert_true(write(fd, request, strlen(request)) > 0);
        for (usec_t until = now_usec() + 10 * SEC; now_usec() < until;) {
                ssize_t n = recv(fd, answer + size, 4095 - size, MSG_DONTWAIT);

                if (n > 0)
                        size += (size_t) n;
                if (n == 0 || (n < 0 && errno != EAGAIN) || (wanted && strstr(answer, wanted)))
                        return answer;
                (void) sd_event_run(w->event, 10 * MSEC);
        }
        fail_msg("no answer to %s", request);
        return answer;
}

#define UPGRADE                                                       \
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" \
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"        \
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void an_origin_that_is_not_listed_is_refused(void **state) {
        World *w = *state;
        _cleanup_close_ int a = dial(w), b = dial(w);
        _cleanup_free_ char *no = NULL, *yes = NULL;

        w->origin_allowed = "https://good.example";
        no = ask(w, a, UPGRADE "Origin: https://evil.example\r\n\r\n", NULL);
        assert_non_null(strstr(no, " 403 "));
        assert_int_equal(w->peer.opened, 0);
        yes = ask(w, b, UPGRADE "Origin: https://good.example\r\n\r\n", "\r\n\r\n");
        assert_non_null(strstr(yes, " 101 "));
        WAIT_FOR(w, w->peer.opened);
}

static void the_information_document_is_served(void **state) {
        World *w = *state;
        _cleanup_close_ int a = dial(w), b = dial(w), c = dial(w);
        _cleanup_free_ char *json = NULL, *plain = NULL, *foreign = NULL;

        json = ask(w, a, "GET / HTTP/1.1\r\nHost: h\r\nAccept: application/nostr+json\r\n\r\n",
                        NULL);
        assert_non_null(strstr(json, " 200 "));
        assert_non_null(strstr(json, "access-control-allow-origin: *"));
        assert_non_null(strstr(json, "\r\n\r\n{\"name\":\"test\"}"));
        plain = ask(w, b, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", NULL);
        assert_non_null(strstr(plain, " 404 "));
        foreign = ask(w, c,
                        "GET / HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example\r\n"
                        "Accept: application/nostr+json\r\n\r\n",
                        NULL);
        assert_non_null(strstr(foreign, " 403 "));
}

typedef struct Got {
        unsigned n;
        int error;
        char text[64];
        WsGet *get;
} Got;

static void on_got(WsGet *g, int error, const char *reason, const char *text, size_t size,
                void *userdata) {
        Got *got = userdata;

        assert_ptr_equal(g, got->get);
        assert_non_null(reason);
        got->n++;
        got->error = error;
        memcpy(got->text, text, MIN(size, sizeof(got->text) - 1));
        got->get = ws_get_free(got->get);
}

static int get(World *w, uint16_t port, size_t max, Got *got) {
        WsTarget t = { .address = "127.0.0.1", .host = "localhost", .port = port, .path = "/" };

        *got = (Got){ 0 };
        return ws_get(w->loop, &t, max, on_got, got, &got->get);
}

static void the_information_document_is_read_as_well(void **state) {
        World *w = *state;
        uint16_t port = ws_server_port(w->server);
        Got got;

        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(get(w, port, 64, &got), 0);
                assert_int_equal(got.n, 0);
                WAIT_FOR(w, got.n);
                assert_int_equal(got.error, 0);
                assert_string_equal(got.text, "{\"name\":\"test\"}");
        }
        assert_int_equal(get(w, port, 8, &got), 0);
        WAIT_FOR(w, got.n);
        assert_int_equal(got.error, -EMSGSIZE);

        /* Nobody waits any more: then nobody is called. */
        assert_int_equal(get(w, port, 64, &got), 0);
        got.get = ws_get_free(got.get);
        for (unsigned i = 0; i < 5; i++)
                turn(w);
        assert_int_equal(got.n, 0);

        w->server = ws_server_free(w->server);
        for (unsigned i = 0; i < 20; i++)
                if (get(w, port, 64, &got) >= 0) {
                        WAIT_FOR(w, got.n);
                        assert_true(got.error < 0);
                }
}

static void another_upgrade_and_garbage_are_hung_up_on(void **state) {
        World *w = *state;
        static const char *const bad[] = {
                "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: nonsense\r\nConnection: Upgrade\r\n\r\n",
                "\x16\x03\x01 no http at all\r\n\r\n",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_close_ int fd = dial(w);
                _cleanup_free_ char *answer = ask(w, fd, bad[i], NULL);

                assert_null(strstr(answer, "200 OK"));
        }
        connect_both(w);
}

static void fragments_become_one_message_and_binary_is_dropped(void **state) {
        World *w = *state;
        _cleanup_close_ int fd = dial(w);
        _cleanup_free_ char *answer = NULL;
        /* Masked with zeros: "he" (not final), a ping between, "llo" (final); then a binary one. */
        static const uint8_t frames[] = { 0x01, 0x82, 0, 0, 0, 0, 'h', 'e', 0x89, 0x80, 0, 0, 0, 0,
                0x80, 0x83, 0, 0, 0, 0, 'l', 'l', 'o', 0x82, 0x81, 0, 0, 0, 0, 'b' };

        answer = ask(w, fd, UPGRADE "\r\n", "\r\n\r\n");
        assert_non_null(strstr(answer, " 101 "));
        WAIT_FOR(w, w->peer.opened);
        assert_int_equal(write(fd, frames, sizeof(frames)), sizeof(frames));
        WAIT_FOR(w, w->peer.dropped);
        assert_string_equal(w->peer.last, "hello");
        assert_int_equal(w->peer.messages, 1);
        assert_int_equal(w->peer.dropped, -EPROTO);
}

static void a_broken_frame_ends_only_its_connection(void **state) {
        World *w = *state;
        _cleanup_close_ int fd = dial(w);
        _cleanup_free_ char *answer = NULL;
        static const uint8_t reserved[] = { 0xf3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

        answer = ask(w, fd, UPGRADE "\r\n", "\r\n\r\n");
        assert_non_null(strstr(answer, " 101 "));
        WAIT_FOR(w, w->peer.opened);
        assert_int_equal(write(fd, reserved, sizeof(reserved)), sizeof(reserved));
        WAIT_FOR(w, w->peer.closed);
        w->peer = (Side){};
        connect_both(w);
}

static void connections_have_a_maximum(void **state) {
        World *w = *state;
        int fds[5];
        char byte;

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = dial(w);
        for (unsigned i = 0; i < 10; i++)
                (void) sd_event_run(w->event, 10 * MSEC);
        assert_int_equal(recv(fds[4], &byte, 1, MSG_DONTWAIT), 0);
        assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), -1);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
        for (unsigned i = 0; i < 10; i++)
                (void) sd_event_run(w->event, 10 * MSEC);
        connect_both(w);
}

/* It accepts and never answers: only a deadline ends that. */
static void a_mute_peer_has_a_deadline(void **state) {
        World *w = *state;
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_in a;
        socklen_t size = sizeof(a);

        assert_int_equal(ws_listen("127.0.0.1:0", &fd), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &size), 0);
        assert_int_equal(start_client(w, ntohs(a.sin_port)), 0);
        WAIT_FOR(w, w->client.closed);
        assert_int_equal(w->client.opened, 0);
        assert_int_equal(w->client.closed, 1);
}

static void only_loopback_is_listened_on(_unused_ void **state) {
        int fd = -EBADF;

        assert_int_equal(ws_listen("0.0.0.0:0", &fd), -EPERM);
        assert_int_equal(ws_listen("[::]:0", &fd), -EPERM);
        assert_int_equal(ws_listen("192.0.2.1:7447", &fd), -EPERM);
        assert_int_equal(ws_listen("localhost:7447", &fd), -EINVAL);
        assert_int_equal(ws_listen("127.0.0.1", &fd), -EINVAL);
        assert_int_equal(ws_listen("127.0.0.1:65536", &fd), -EINVAL);
        assert_int_equal(fd, -EBADF);
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                with_world(a_message_arrives_whole_in_both_directions),
                with_world(a_close_is_told_once_to_both_sides),
                with_world(after_free_no_callback_comes_and_the_peer_hears_of_it),
                with_world(a_connection_given_up_before_it_opened_tells_nobody),
                with_world(a_refused_connection_ends_once),
                with_world(the_limit_of_the_message_is_not_the_end_of_the_connection),
                with_world(bad_utf8_is_dropped_and_counted),
                with_world(a_full_queue_says_so_and_drains),
                with_world(a_paused_reader_makes_the_sender_wait),
                with_world(ten_thousand_messages_cross_each_way),
                with_world(an_origin_that_is_not_listed_is_refused),
                with_world(the_information_document_is_served),
                with_world(the_information_document_is_read_as_well),
                with_world(another_upgrade_and_garbage_are_hung_up_on),
                with_world(fragments_become_one_message_and_binary_is_dropped),
                with_world(a_broken_frame_ends_only_its_connection),
                with_world(connections_have_a_maximum),
                with_world(a_mute_peer_has_a_deadline),
                cmocka_unit_test(only_loopback_is_listened_on),
        };

        return cmocka_run_group_tests_name("net/ws", tests, NULL, NULL);
}
