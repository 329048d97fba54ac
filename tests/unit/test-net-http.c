/* net/http: against a server on the same loop, which does what the path says. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/buffer.h"
#include "net/http.h"
#include "tests/unit/http-server.h"

#define MANY 100

typedef struct Client {
        HttpCall *call;
        unsigned n_done, n_data;
        int error;
        unsigned status;
        Buffer body; /* streamed or whole */
        char reason[128], type[64];
        unsigned free_after, pause_after; /* so many bytes came */
        HttpCall **victim;                /* freed with the first bytes */
} Client;

typedef struct World {
        sd_event *event;
        HttpServer server;
        Http *http;
        Client client, other;
        char url[256];
} World;

static int set_up(void **state) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(a);
        World *w = new0(World, 1);

        assert_non_null(w);
        /* What the environment says about proxies must not matter. */
        assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0);
        assert_true(sd_event_new(&w->event) >= 0);
        w->server.event = w->event;
        http_server_listen(&w->server, (const struct sockaddr *) &a, sizeof(a));
        assert_int_equal(getsockname(sd_event_source_get_io_fd(w->server.accept),
                                         (struct sockaddr *) &a, &size),
                        0);
        w->server.port = ntohs(a.sin_port);
        assert_int_equal(http_new(w->event, NULL, &w->http), 0);
        buffer_init(&w->client.body, 2 * POUR_SIZE);
        buffer_init(&w->other.body, 2 * POUR_SIZE);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        http_call_free(w->client.call);
        http_call_free(w->other.call);
        http_unref(w->http);
        http_server_done(&w->server);
        buffer_done(&w->client.body);
        buffer_done(&w->other.body);
        sd_event_unref(w->event);
        free(w);
        return 0;
}

/* The client. */

static void on_data(HttpCall *call, const char *bytes, size_t size, void *userdata) {
        Client *c = userdata;

        assert_ptr_equal(call, c->call);
        c->n_data++;
        assert_int_equal(buffer_add(&c->body, bytes, size), 0);
        if (c->victim)
                *c->victim = http_call_free(*c->victim);
        if (c->pause_after > 0 && c->body.size >= c->pause_after) {
                c->pause_after = 0;
                http_call_pause(call, true);
        }
        if (c->free_after > 0 && c->body.size >= c->free_after)
                c->call = http_call_free(call);
}

static void on_done(HttpCall *call, int error, const char *reason, const HttpAnswer *answer,
                void *userdata) {
        const char *type = http_call_header(call, "content-type");
        Client *c = userdata;

        assert_ptr_equal(call, c->call);
        c->n_done++;
        c->error = error;
        (void) snprintf(c->reason, sizeof(c->reason), "%s", reason ?: "");
        (void) snprintf(c->type, sizeof(c->type), "%s", type ?: "");
        assert_true(error < 0 ? !answer && reason : answer && !reason);
        c->call = http_call_free(c->call);
        if (answer) {
                c->status = answer->status;
                assert_int_equal(answer->body[answer->size], 0);
                assert_int_equal(buffer_add(&c->body, answer->body, answer->size), 0);
        }
}

static const char *url(World *w, const char *path) {
        (void) snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u%s", w->server.port, path);
        return w->url;
}

static void start(World *w, Client *c, const HttpRequest *request, bool stream) {
        const char *reason = NULL;
        int r = http_start(
                        w->http, request, stream ? on_data : NULL, on_done, c, &c->call, &reason);

        if (r < 0)
                fail_msg("%s", reason);
        assert_int_equal(c->n_done, 0);
}

static usec_t now_usec(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

static void turn(World *w) {
        assert_true(sd_event_run(w->event, 100 * MSEC) >= 0);
}

/* Every wait of these tests ends. */
#define WAIT_FOR(w, condition)                                             \
        for (usec_t _until = now_usec() + 20 * SEC; !(condition); turn(w)) \
                if (now_usec() > _until)                                   \
        fail_msg("waited in vain for %s", #condition)

static void get(World *w, const char *path) {
        HttpRequest request = { .url = url(w, path) };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
}

/* No answer: this error, this reason. */
static void expect_error(World *w, const HttpRequest *request, int error, const char *reason) {
        start(w, &w->client, request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_string_equal(w->client.reason, reason);
        assert_int_equal(w->client.error, error);
        w->client.n_done = 0;
}

static void a_body_arrives_whole(void **state) {
        World *w = *state;

        get(w, "/hello");
        assert_int_equal(w->client.error, 0);
        assert_int_equal(w->client.status, 200);
        assert_string_equal(w->client.body.data, "hello");
        assert_string_equal(w->client.type, "text/plain");
}

static void a_body_in_chunks_arrives_whole(void **state) {
        World *w = *state;

        get(w, "/chunks");
        assert_string_equal(w->client.body.data, "onetwothree");
}

static void bytes_are_streamed_as_they_come(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/chunks") };

        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data == 1);
        assert_string_equal(w->client.body.data, "one");
        assert_int_equal(http_call_status(w->client.call), 200);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.n_data, 3);
        assert_string_equal(w->client.body.data, "onetwothree");
}

static void what_is_no_success_is_not_streamed(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/missing") };

        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.error, 0);
        assert_int_equal(w->client.status, 404);
        assert_int_equal(w->client.n_data, 0);
        assert_string_equal(w->client.body.data, "no such model");
}

static void method_headers_and_body_are_sent(void **state) {
        char *headers[] = { (char *) "Authorization: Bearer x", (char *) "Content-Type: a/b",
                NULL };
        World *w = *state;
        HttpRequest request = {
                .url = url(w, "/request"),
                .headers = headers,
                .body = "{1}",
                .body_size = 3,
        };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_non_null(strstr(w->client.body.data, "POST /request HTTP/1.1\r\n"));
        assert_non_null(strstr(w->client.body.data, "Authorization: Bearer x\r\n"));
        assert_non_null(strstr(w->client.body.data, "Content-Type: a/b\r\n"));
        assert_non_null(strstr(w->client.body.data, "Content-Length: 3\r\n"));
        assert_non_null(strstr(w->client.body.data, "\r\n\r\n{1}"));
        assert_null(strstr(w->client.body.data, "x-www-form-urlencoded"));
        assert_null(strstr(w->client.body.data, "Expect"));
}

static void the_method_is_free(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/request"), .method = "DELETE" };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_non_null(strstr(w->client.body.data, "DELETE /request HTTP/1.1\r\n"));
}

static void a_head_has_no_body(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/request"), .method = "HEAD" };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.status, 200);
        assert_int_equal(w->client.body.size, 0);
}

static void freeing_mid_stream_cancels_and_the_server_sees_it(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/stall") };

        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data > 0);
        w->client.call = http_call_free(w->client.call);
        WAIT_FOR(w, w->server.n_closed == 1);
        assert_int_equal(w->client.n_done, 0);
}

static void freeing_inside_the_data_callback_cancels(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour") };

        w->client.free_after = 1;
        start(w, &w->client, &request, true);
        WAIT_FOR(w, !w->client.call && w->server.n_closed == 1);
        assert_int_equal(w->client.n_done, 0);
        assert_int_equal(w->client.n_data, 1);
}

static void a_call_may_free_another_in_its_data_callback(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/stall") };

        start(w, &w->other, &request, true);
        WAIT_FOR(w, w->other.n_data > 0);
        w->client.victim = &w->other.call;
        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data > 0 && w->server.n_closed == 1);
        assert_null(w->other.call);
        assert_int_equal(w->other.n_done, 0);
}

static void freeing_before_the_loop_turns_tells_nobody(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/hello") };

        start(w, &w->client, &request, false);
        w->client.call = http_call_free(w->client.call);
        assert_int_equal(sd_event_run(w->event, 0), 0);
        assert_int_equal(w->client.n_done, 0);
        assert_int_equal(w->server.n_requests, 0);
}

static void a_client_let_go_lives_as_long_as_its_calls(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/chunks") };

        start(w, &w->client, &request, false);
        w->http = http_unref(w->http);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_string_equal(w->client.body.data, "onetwothree");
}

static void a_refused_connection_says_so(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/hello") };

        w->server.accept = sd_event_source_disable_unref(w->server.accept);
        expect_error(w, &request, -ECONNREFUSED, "the connection was refused");
}

static void a_mute_server_is_given_up(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/mute"), .first_byte = 100 * MSEC };

        expect_error(w, &request, -ETIMEDOUT, "no answer came in time");
        request.url = url(w, "/head");
        expect_error(w, &request, -ETIMEDOUT, "no answer came in time");
        WAIT_FOR(w, w->server.n_closed == 2);
}

/* The queue of the socket is full, so that the kernel does not answer. */
static void a_connection_that_is_never_made_is_given_up(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/hello"), .connected = 100 * MSEC };
        struct sockaddr_in a = { .sin_family = AF_INET,
                .sin_port = htons(w->server.port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fds[4];

        assert_true(sd_event_source_set_enabled(w->server.accept, SD_EVENT_OFF) >= 0);
        assert_int_equal(listen(sd_event_source_get_io_fd(w->server.accept), 0), 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                (void) connect(fds[i], (const struct sockaddr *) &a, sizeof(a));
        }
        expect_error(w, &request, -ETIMEDOUT, "no connection was made in time");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                closep(&fds[i]);
}

static void a_stream_that_stalls_is_given_up(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/stall"), .between_bytes = 100 * MSEC };

        expect_error(w, &request, -ETIMEDOUT, "the answer stopped coming");
}

static void the_whole_has_a_deadline_too(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/stall"), .total = 100 * MSEC };

        expect_error(w, &request, -ETIMEDOUT, "the answer was not whole in time");
}

static void a_deadline_between_bytes_starts_again_with_each(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/chunks"), .between_bytes = 25 * MSEC };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.error, 0);
}

static void a_silent_stream_wakes_nobody(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/stall") };

        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data > 0);
        for (unsigned i = 0; i < 10; i++)
                if (sd_event_run(w->event, 300 * MSEC) == 0)
                        break; /* curl's timers of the connection have run out */
        assert_int_equal(sd_event_run(w->event, SEC), 0);
        assert_int_equal(w->client.n_done, 0);
}

static void a_paused_stream_waits_without_a_deadline_and_goes_on(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour"), .between_bytes = 50 * MSEC };
        size_t size;

        w->client.pause_after = 20000;
        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.body.size >= 20000);
        size = w->client.body.size;
        while (sd_event_run(w->event, 200 * MSEC) > 0)
                assert_int_equal(w->client.n_done, 0);
        assert_int_equal(w->client.body.size, size);

        http_call_pause(w->client.call, false);
        assert_int_equal(w->client.body.size, size);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.error, 0);
        assert_int_equal(w->client.body.size, POUR_SIZE);
}

static void a_paused_stream_can_be_freed(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour") };

        w->client.pause_after = 1;
        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data == 1);
        turn(w);
        http_call_pause(w->client.call, false);
        w->client.call = http_call_free(w->client.call);
        WAIT_FOR(w, w->server.n_closed == 1);
}

static void freeing_while_it_goes_on_after_a_pause_cancels(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour") };

        w->client.pause_after = 1;
        start(w, &w->client, &request, true);
        WAIT_FOR(w, w->client.n_data == 1);
        while (sd_event_run(w->event, 50 * MSEC) > 0)
                ;
        w->client.free_after = 1;
        http_call_pause(w->client.call, false);
        WAIT_FOR(w, !w->client.call && w->server.n_closed == 1);
        assert_int_equal(w->client.n_data, 2);
        assert_int_equal(w->client.n_done, 0);
}

static void a_body_above_its_limit_is_refused(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour"), .body_max = POUR_SIZE - 1 };

        expect_error(w, &request, -EMSGSIZE, "the answer is too large");
        request.url = url(w, "/pour-said");
        expect_error(w, &request, -EMSGSIZE, "the answer is too large");
        request.url = url(w, "/long-head");
        expect_error(w, &request, -EMSGSIZE, "the answer's head is too large");
        request.url = url(w, "/long-line");
        expect_error(w, &request, -ENOMEM,
                        "there was no memory, or a line of the answer's head is too long");
}

static void a_body_of_exactly_its_limit_is_fine(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/pour-said"), .body_max = POUR_SIZE };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.body.size, POUR_SIZE);
}

static void what_is_no_whole_answer_is_an_error(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/close") };

        expect_error(w, &request, -ECONNRESET, "the server closed without an answer");
        request.url = url(w, "/cut");
        expect_error(w, &request, -ECONNRESET, "the answer ended before it was whole");
        request.url = url(w, "/garbage");
        expect_error(w, &request, -EPROTO, "the server does not speak HTTP");
}

static void redirects_are_refused_unless_asked_for(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/redirect") };

        expect_error(w, &request, -ELOOP, "the server redirects to another place");
        request.redirects_max = 3;
        request.url = url(w, "/loop");
        expect_error(w, &request, -ELOOP, "the server redirects to another place");
        assert_int_equal(w->server.n_requests, 5);
        request.url = url(w, "/file");
        expect_error(w, &request, -EINVAL, "the URL begins neither with http:// nor https://");
        request.url = url(w, "/redirect");
        request.body = "x";
        request.body_size = 1;
        expect_error(w, &request, -ELOOP, "the server redirects to another place");
}

static void a_redirect_is_followed_where_asked_for(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/redirect"), .redirects_max = 1 };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->client.status, 200);
        assert_string_equal(w->client.body.data, "hello");
}

static void a_redirect_to_another_place_does_not_take_the_headers(void **state) {
        char *headers[] = { (char *) "X-Key: secret", NULL };
        World *w = *state;
        HttpRequest request = {
                .url = url(w, "/elsewhere"),
                .headers = headers,
                .redirects_max = 1,
        };

        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_non_null(strstr(w->client.body.data, "Host: localhost"));
        assert_null(strstr(w->client.body.data, "secret"));
}

static void a_server_on_a_unix_socket_is_asked(void **state) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        char folder[] = "/tmp/pylon-http-XXXXXX";
        World *w = *state;
        HttpRequest request = { .url = "http://backend/hello", .socket = a.sun_path };

        assert_non_null(mkdtemp(folder));
        (void) snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", folder);
        expect_error(w, &request, -ENOENT, "the server's socket is not there");
        http_server_listen(&w->server, (const struct sockaddr *) &a, sizeof(a));
        start(w, &w->client, &request, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(unlink(a.sun_path), 0);
        assert_int_equal(rmdir(folder), 0);
        assert_string_equal(w->client.body.data, "hello");
}

static void many_requests_run_at_once(void **state) {
        _cleanup_free_ Client *clients = new0(Client, MANY);
        World *w = *state;
        HttpRequest request = { .url = url(w, "/chunks") };

        assert_non_null(clients);
        for (unsigned i = 0; i < MANY; i++) {
                buffer_init(&clients[i].body, 100);
                start(w, &clients[i], &request, i % 2);
        }
        for (unsigned i = 0; i < MANY; i++) {
                WAIT_FOR(w, clients[i].n_done == 1);
                assert_int_equal(clients[i].error, 0);
                assert_string_equal(clients[i].body.data, "onetwothree");
                buffer_done(&clients[i].body);
        }
}

static void reading_again_keeps_the_connection_and_sending_does_not(void **state) {
        World *w = *state;
        HttpRequest post = { .url = url(w, "/request"), .body = "x", .body_size = 1 };

        get(w, "/hello");
        w->client.n_done = 0;
        get(w, "/hello");
        assert_int_equal(w->server.n_peers, 1);
        w->client.n_done = 0;
        start(w, &w->client, &post, false);
        WAIT_FOR(w, w->client.n_done > 0);
        assert_int_equal(w->server.n_peers, 2);
}

static void what_cannot_be_a_request_never_starts(void **state) {
        char *split[] = { (char *) "X: a\r\nY: b", NULL }, *bare[] = { (char *) "X", NULL };
        static const struct {
                const char *url, *reason;
        } bad[] = {
                { "", "the URL is not well formed or holds credentials" },
                { "127.0.0.1/", "the URL is not well formed or holds credentials" },
                { "http://user:word@127.0.0.1/",
                                "the URL is not well formed or holds credentials" },
                { "http://127.0.0.1/\n", "the URL is not well formed or holds credentials" },
                { "ftp://127.0.0.1/", "the URL begins neither with http:// nor https://" },
                { "http://b\xc3\xbc"
                  "cher.example/",
                                "the URL's host is not plain ASCII" },
                { "http://example.com./", "the URL's host is not plain ASCII" },
        };
        World *w = *state;
        HttpRequest request = { .url = "http://127.0.0.1/" };
        const char *reason = NULL;
        HttpCall *call;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                HttpRequest r = { .url = bad[i].url };

                assert_int_equal(http_start(w->http, &r, NULL, on_done, NULL, &call, &reason),
                                -EINVAL);
                assert_string_equal(reason, bad[i].reason);
        }
        request.headers = split;
        assert_int_equal(http_start(w->http, &request, NULL, on_done, NULL, &call, &reason),
                        -EINVAL);
        request.headers = bare;
        assert_int_equal(http_start(w->http, &request, NULL, on_done, NULL, &call, &reason),
                        -EINVAL);
        assert_string_equal(reason, "a header is not well formed");
        request.headers = NULL;
        request.socket = "relative";
        assert_int_equal(http_start(w->http, &request, NULL, on_done, NULL, &call, &reason),
                        -EINVAL);
}

static void the_public_internet_begins_behind_this_machine(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/hello"), .public_only = true };
        const char *reason = NULL;
        HttpCall *call = NULL;
        char named[256];

        /* A connection that is kept is not used either: nobody judged it. */
        get(w, "/hello");
        assert_int_equal(w->client.error, 0);
        w->client.n_done = 0;
        expect_error(w, &request, -EACCES, "its address is not of the public Internet");

        (void) snprintf(named, sizeof(named), "http://localhost:%u/hello", w->server.port);
        request.url = named;
        expect_error(w, &request, -EACCES, "its address is not of the public Internet");
        (void) snprintf(named, sizeof(named), "http://0x7f.1:%u/hello", w->server.port);
        expect_error(w, &request, -EACCES, "its address is not of the public Internet");
        (void) snprintf(named, sizeof(named), "http://[::ffff:127.0.0.1]:%u/", w->server.port);
        expect_error(w, &request, -EACCES, "its address is not of the public Internet");

        request.socket = "/run/x";
        assert_int_equal(http_start(w->http, &request, NULL, on_done, NULL, &call, &reason),
                        -EINVAL);
}

static void without_encryption_nothing_is_asked_where_it_is_demanded(void **state) {
        World *w = *state;
        HttpRequest request = { .url = url(w, "/hello"), .https_only = true };
        const char *reason = NULL;
        HttpCall *call = NULL;

        assert_int_equal(http_start(w->http, &request, NULL, on_done, NULL, &call, &reason),
                        -EPROTO);
        assert_string_equal(reason, "the URL is without encryption");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(a_body_arrives_whole),
                T(a_body_in_chunks_arrives_whole),
                T(bytes_are_streamed_as_they_come),
                T(what_is_no_success_is_not_streamed),
                T(method_headers_and_body_are_sent),
                T(the_method_is_free),
                T(a_head_has_no_body),
                T(freeing_mid_stream_cancels_and_the_server_sees_it),
                T(freeing_inside_the_data_callback_cancels),
                T(a_call_may_free_another_in_its_data_callback),
                T(freeing_before_the_loop_turns_tells_nobody),
                T(a_client_let_go_lives_as_long_as_its_calls),
                T(a_refused_connection_says_so),
                T(a_mute_server_is_given_up),
                T(a_connection_that_is_never_made_is_given_up),
                T(a_stream_that_stalls_is_given_up),
                T(the_whole_has_a_deadline_too),
                T(a_deadline_between_bytes_starts_again_with_each),
                T(a_silent_stream_wakes_nobody),
                T(a_paused_stream_waits_without_a_deadline_and_goes_on),
                T(a_paused_stream_can_be_freed),
                T(freeing_while_it_goes_on_after_a_pause_cancels),
                T(a_body_above_its_limit_is_refused),
                T(a_body_of_exactly_its_limit_is_fine),
                T(what_is_no_whole_answer_is_an_error),
                T(redirects_are_refused_unless_asked_for),
                T(a_redirect_is_followed_where_asked_for),
                T(a_redirect_to_another_place_does_not_take_the_headers),
                T(a_server_on_a_unix_socket_is_asked),
                T(many_requests_run_at_once),
                T(reading_again_keeps_the_connection_and_sending_does_not),
                T(what_cannot_be_a_request_never_starts),
                T(the_public_internet_begins_behind_this_machine),
                T(without_encryption_nothing_is_asked_where_it_is_demanded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
