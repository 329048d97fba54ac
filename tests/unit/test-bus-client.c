/* lib/bus: calls and signals between a client and a server on a private socket in one event loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include <cmocka.h>

#include "bus/client.h"
#include "bus/names.h"
#include "bus/server.h"

#define INTERFACE BUS_PREFIX "Test"

typedef struct World {
        sd_event *event;
        char folder[64], path[128];
        BusServer *server;
        BusClient *client;
        unsigned n_calls, n_up, n_down, n_signals;
        bool mute;
        int error;
        char name[128], reason[128], answer[64];
        unsigned n_answers;
} World;

static int method_echo(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;
        const char *text;
        int r;

        w->n_calls++;
        if (w->mute)
                return 1;
        r = sd_bus_message_read(m, "s", &text);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "s", text);
}

static int method_refuse(_unused_ sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, BUS_ERROR_BUSY, "Come back later.");
}

static int method_role(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;

        return sd_bus_reply_method_return(m, "s", peer_role_name(bus_server_role(w->server, m)));
}

static const sd_bus_vtable test_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Echo", SD_BUS_ARGS("s", text), SD_BUS_RESULT("s", text),
                        method_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refuse", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_refuse,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Role", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", role), method_role,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Happened", SD_BUS_ARGS("u", n), 0),
        SD_BUS_VTABLE_END,
};

static const BusObject test_objects[] = {
        { INTERFACE, test_vtable, true },
        { 0 },
};

static void on_up(void *userdata) {
        ((World *) userdata)->n_up++;
}

static void on_down(void *userdata) {
        ((World *) userdata)->n_down++;
}

static int on_happened(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        ((World *) userdata)->n_signals++;
        return 0;
}

static void serve(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        (void) unlink(w->path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(
                        bus_server_new(w->event, INTERFACE, test_objects, false, w, &w->server), 0);
        assert_int_equal(bus_server_listen(w->server, fd), 0);
}

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_int_equal(sd_event_new(&w->event), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/test.sock", w->folder);
        assert_int_equal(bus_client_new(w->event, w->path, &w->client), 0);
        bus_client_on_state(w->client, on_up, on_down, w);
        assert_int_equal(bus_client_match(w->client, INTERFACE, "Happened", on_happened, w), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        bus_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
        free(w);
        return 0;
}

static void on_answer(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        World *w = userdata;
        const char *text = "";

        w->n_answers++;
        w->error = error;
        (void) snprintf(w->name, sizeof(w->name), "%s", name);
        (void) snprintf(w->reason, sizeof(w->reason), "%s", reason ?: "");
        if (reply)
                assert_true(sd_bus_message_read(reply, "s", &text) >= 0);
        (void) snprintf(w->answer, sizeof(w->answer), "%s", text);
}

static void call(World *w, const char *member, const char *text, usec_t deadline, BusCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        assert_int_equal(bus_client_message(w->client, INTERFACE, member, &m), 0);
        if (text)
                assert_true(sd_bus_message_append(m, "s", text) >= 0);
        assert_int_equal(bus_client_call(w->client, m, deadline, on_answer, w, ret), 0);
}

/* Runs the loop until the counter moves; five seconds are for a machine in trouble. */
static void wait_until(World *w, const unsigned *counter, unsigned n) {
        for (int i = 0; *counter < n && i < 5000; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(*counter, n);
}

static void a_call_is_answered_once(void **state) {
        World *w = *state;

        serve(w);
        call(w, "Echo", "hello", SEC, NULL);
        assert_int_equal(w->n_answers, 0);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->answer, "hello");
        assert_int_equal(bus_client_n_waiting(w->client), 0);
}

static void a_call_made_before_the_service_is_there_waits_for_it(void **state) {
        World *w = *state;

        call(w, "Echo", "early", 4 * SEC, NULL);
        for (int i = 0; i < 10; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(w->n_answers, 0);
        serve(w);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->answer, "early");
}

static void an_unanswered_call_is_repeated_to_the_next_service(void **state) {
        World *w = *state;

        serve(w);
        w->mute = true;
        call(w, "Echo", "again", 4 * SEC, NULL);
        wait_until(w, &w->n_calls, 1);

        w->server = bus_server_free(w->server);
        wait_until(w, &w->n_down, 1);
        w->mute = false;
        serve(w);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->answer, "again");
        assert_int_equal(w->n_calls, 2);
        assert_int_equal(w->n_up, 2);
}

static void a_deadline_ends_a_call_with_a_reason(void **state) {
        World *w = *state;

        serve(w);
        w->mute = true;
        call(w, "Echo", "never", 20 * MSEC, NULL);
        wait_until(w, &w->n_answers, 1);
        assert_int_equal(w->error, -ETIMEDOUT);
        assert_string_equal(w->reason, "the service did not answer in time");
}

static void a_call_that_was_let_go_is_not_answered(void **state) {
        World *w = *state;
        BusCall *handle = NULL;

        serve(w);
        call(w, "Echo", "first", SEC, &handle);
        assert_non_null(handle);
        bus_call_free(handle);
        assert_null(handle);
        call(w, "Echo", "second", SEC, &handle);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->answer, "second");
        assert_null(handle);
}

static void an_error_comes_with_its_name_and_reason(void **state) {
        World *w = *state;

        serve(w);
        call(w, "Refuse", NULL, SEC, NULL);
        wait_until(w, &w->n_answers, 1);
        assert_true(w->error < 0);
        assert_string_equal(w->name, BUS_ERROR_BUSY);
        assert_string_equal(w->reason, "Come back later.");
}

static void signals_arrive_after_a_reconnect_too(void **state) {
        World *w = *state;

        serve(w);
        bus_client_stay(w->client, true);
        call(w, "Echo", "up", SEC, NULL);
        wait_until(w, &w->n_answers, 1);
        w->server = bus_server_free(w->server);
        wait_until(w, &w->n_down, 1);
        serve(w);
        wait_until(w, &w->n_up, 2);
        call(w, "Echo", "up again", SEC, NULL);
        wait_until(w, &w->n_answers, 2);
        bus_server_signal(w->server, INTERFACE, "Happened", "u", 7);
        wait_until(w, &w->n_signals, 1);
}

static void a_program_of_another_name_has_the_role_of_the_owner(void **state) {
        World *w = *state;

        serve(w);
        call(w, "Role", NULL, SEC, NULL);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->answer, "owner");
}

static void too_many_waiting_calls_are_refused(void **state) {
        World *w = *state;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = 0;

        assert_int_equal(bus_client_message(w->client, INTERFACE, "Echo", &m), 0);
        for (int i = 0; i < 5000 && r >= 0; i++)
                r = bus_client_call(w->client, m, SEC, on_answer, w, NULL);
        assert_int_equal(r, -ENOBUFS);
}

/* One field of a D-Bus header: its code, type and text. */
static size_t put_field(uint8_t *p, size_t at, uint8_t code, char type, const char *text) {
        uint32_t n = (uint32_t) strlen(text);

        at = (at + 7) & ~(size_t) 7;
        p[at++] = code;
        p[at++] = 1;
        p[at++] = (uint8_t) type;
        p[at++] = 0;
        memcpy(p + at, &n, sizeof(n));
        memcpy(p + at + 4, text, n + 1);
        return at + 4 + n + 1;
}

static void a_call_that_comes_with_the_end_of_the_greeting_is_answered(void **state) {
        static const char greeting[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        uint8_t message[512] = { 0 }, *m = message + 256, answer[512]; /* m is aligned */
        World *w = *state;
        uint32_t size;
        size_t end;
        int fd;

        serve(w);
        memcpy(message, greeting, sizeof(greeting) - 1);
        memcpy(m, "l\1\0\1\0\0\0\0\1\0\0\0", 12);
        end = put_field(m, 16, 1, 'o', BUS_PATH);
        end = put_field(m, end, 2, 's', "org.freedesktop.DBus.Peer");
        end = put_field(m, end, 3, 's', "Ping");
        size = (uint32_t) end - 16;
        memcpy(m + 12, &size, sizeof(size));
        end = (end + 7) & ~(size_t) 7;
        memmove(message + sizeof(greeting) - 1, m, end);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(send(fd, message, sizeof(greeting) - 1 + end, 0),
                        (ssize_t) (sizeof(greeting) - 1 + end));

        /* The greeting's answers are lines; a message begins with 'l' after the last of them. */
        for (int i = 0; w->n_answers == 0 && i < 1000; i++) {
                ssize_t n;

                assert_true(sd_event_run(w->event, MSEC) >= 0);
                n = recv(fd, answer, sizeof(answer), 0);
                for (ssize_t k = 0; k + 3 < n; k++)
                        w->n_answers += answer[k] == 'l' &&
                                        answer[k + 1] == 2; /* a method return */
        }
        assert_int_equal(w->n_answers, 1);
        (void) close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_call_is_answered_once),
                TEST(a_call_made_before_the_service_is_there_waits_for_it),
                TEST(an_unanswered_call_is_repeated_to_the_next_service),
                TEST(a_deadline_ends_a_call_with_a_reason),
                TEST(a_call_that_was_let_go_is_not_answered),
                TEST(an_error_comes_with_its_name_and_reason),
                TEST(signals_arrive_after_a_reconnect_too),
                TEST(a_program_of_another_name_has_the_role_of_the_owner),
                TEST(a_call_that_comes_with_the_end_of_the_greeting_is_answered),
                TEST(too_many_waiting_calls_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
