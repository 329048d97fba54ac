/* client/agents-client: each call is answered once, in its order, and never after it was let go. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "bus/names.h"
#include "bus/server.h"
#include "client/agents-client.h"

typedef struct World {
        sd_event *event;
        char folder[64], path[128], trail[512];
        BusServer *server;
        AgentsClient *client;
        unsigned n_asked, n_answers;
        int n_parts; /* of a removal, still to go */
        bool mute;
} World;

static void note(World *w, const char *what, int64_t n) {
        size_t at = strlen(w->trail);

        w->n_answers++;
        (void) snprintf(w->trail + at, sizeof(w->trail) - at, "%s:%lld ", what, (long long) n);
}

static int method_forget(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *npub, *id;
        World *w = userdata;

        w->n_asked++;
        if (w->mute)
                return 1;
        assert_true(sd_bus_message_read(m, "ss", &npub, &id) >= 0);
        return sd_bus_reply_method_return(m, "is", 0, id);
}

static int method_remove(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;
        const char *npub;

        w->n_asked++;
        assert_true(sd_bus_message_read(m, "s", &npub) >= 0);
        assert_string_equal(npub, "npub1a");
        if (w->n_parts-- > 0)
                return sd_bus_reply_method_return(m, "is", AGENT_REMOVE_MORE, "a part is gone");
        return sd_bus_reply_method_return(m, "is", 0, "gone");
}

static int method_begin(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *npub, *trigger;
        int64_t now, keep;
        int dry;

        assert_true(sd_bus_message_read(m, "ssbxx", &npub, &trigger, &dry, &now, &keep) >= 0);
        if (streq(npub, "npub1none"))
                return sd_bus_error_set_errnof(error, ENOSPC, "the disk is full");
        return sd_bus_reply_method_return(m, "isx", 1, "a tick is open", INT64_C(7));
}

static int method_wrong(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "u", 5); /* another version's, perhaps */
}

static int method_open(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(xsxxssbssa(usssssssxx))", 2, INT64_C(1), "npub1a",
                        INT64_C(7), INT64_C(3), "acting", "dm", 0, "", "", 1, 1, "post", "{}",
                        "signed", "", "id", "{}", "", INT64_C(5), INT64_C(6), INT64_C(2), "npub1b",
                        INT64_C(8), INT64_C(4), "thinking", "zap", 1, "t/1", "[]", 0);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Forget", "ss", "is", method_forget, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Remove", "s", "is", method_remove, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("BeginTick", "ssbxx", "isx", method_begin, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Goals", "s", "u", method_wrong, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Export", "s", "u", method_wrong, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Count", "ssx", "u", method_wrong, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenTicks", "x", "a(xsxxssbssa(usssssssxx))", method_open,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const BusObject objects[] = { { BUS_STORE_AGENTS, vtable, true }, { 0 } };

static void serve(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        (void) unlink(w->path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(bus_server_new(w->event, BUS_STORE, objects, false, w, &w->server), 0);
        assert_int_equal(bus_server_listen(w->server, fd), 0);
}

static int set_up(void **state) {
        World *w = new0(World, 1);

        assert_int_equal(sd_event_new(&w->event), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/store.sock", w->folder);
        assert_int_equal(agents_client_new(w->event, w->path, &w->client), 0);
        serve(w);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        (void) agents_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        (void) unlink(w->path);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

static void wait_until(World *w, const unsigned *counter, unsigned n) {
        for (int i = 0; *counter < n && i < 5000; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(*counter, n);
}

static void on_verdict(int verdict, const char *text, void *userdata) {
        note(userdata, text, verdict);
}

static void answers_come_in_the_order_of_the_questions(void **state) {
        World *w = *state;

        assert_int_equal(agents_forget(w->client, "npub1a", "1", on_verdict, w, NULL), 0);
        assert_int_equal(agents_forget(w->client, "npub1a", "2", on_verdict, w, NULL), 0);
        assert_int_equal(agents_client_n_waiting(w->client), 2);
        assert_int_equal(w->n_answers, 0);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->trail, "1:0 2:0 ");
        assert_int_equal(agents_client_n_waiting(w->client), 0);
}

static void a_lost_answer_is_asked_for_again(void **state) {
        World *w = *state;

        w->mute = true;
        assert_int_equal(agents_forget(w->client, "npub1a", "1", on_verdict, w, NULL), 0);
        assert_int_equal(agents_forget(w->client, "npub1a", "2", on_verdict, w, NULL), 0);
        wait_until(w, &w->n_asked, 2);
        w->server = bus_server_free(w->server);
        w->mute = false;
        serve(w);
        wait_until(w, &w->n_answers, 2);
        assert_int_equal(w->n_asked, 4);
        assert_string_equal(w->trail, "1:0 2:0 ");
}

static void a_call_that_was_let_go_is_not_answered(void **state) {
        AgentsCall *first = NULL, *second = NULL;
        World *w = *state;

        assert_int_equal(agents_forget(w->client, "npub1a", "1", on_verdict, w, &first), 0);
        assert_int_equal(agents_forget(w->client, "npub1a", "2", on_verdict, w, &second), 0);
        first = agents_call_free(first);
        assert_null(first);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->trail, "2:0 ");
        assert_null(second);
        assert_int_equal(agents_forget(w->client, "npub1a", "3", NULL, NULL, NULL), 0);
}

static void an_agent_is_removed_in_parts_and_answered_once(void **state) {
        AgentsCall *call = NULL;
        World *w = *state;

        w->n_parts = 3;
        assert_int_equal(agents_remove(w->client, "npub1a", on_verdict, w, &call), 0);
        wait_until(w, &w->n_answers, 1);
        assert_int_equal(w->n_asked, 4);
        assert_string_equal(w->trail, "gone:0 ");
        assert_null(call);

        w->n_parts = 3;
        assert_int_equal(agents_remove(w->client, "npub1a", on_verdict, w, &call), 0);
        wait_until(w, &w->n_asked, 5);
        call = agents_call_free(call); /* between two parts */
        assert_int_equal(agents_client_n_waiting(w->client), 0);
}

static void on_began(int verdict, int64_t tick, const char *text, void *userdata) {
        World *w = userdata;

        note(w, text, verdict);
        note(w, "tick", tick);
}

static void a_tick_that_begins_says_its_number_and_one_that_does_not_says_why(void **state) {
        TickStart s = { "npub1a", "dm", false, 1, -1 };
        World *w = *state;

        assert_int_equal(agents_begin_tick(w->client, &s, on_began, w, NULL), 0);
        s.npub = "npub1none";
        assert_int_equal(agents_begin_tick(w->client, &s, on_began, w, NULL), 0);
        wait_until(w, &w->n_answers, 4);
        assert_string_equal(w->trail, "a tick is open:1 tick:7 the disk is full:-28 tick:0 ");
}

static void on_goals(
                int error, const char *reason, const AgentGoal *goals, size_t n, void *userdata) {
        assert_true(!goals && n == 0);
        note(userdata, reason, error);
}

static void on_json(int error, const char *reason, const char *json, void *userdata) {
        assert_null(json);
        note(userdata, reason, error);
}

static void on_count(int error, const char *reason, int64_t n, void *userdata) {
        assert_int_equal(n, 0);
        note(userdata, reason, error);
}

static void an_answer_that_cannot_be_read_is_an_error(void **state) {
        static const char expected[] = "the store's answer could not be read:-74 ";
        World *w = *state;

        assert_int_equal(agents_goals(w->client, "npub1a", on_goals, w, NULL), 0);
        assert_int_equal(agents_export(w->client, "npub1a", on_json, w, NULL), 0);
        assert_int_equal(agents_count(w->client, "npub1a", "", 0, on_count, w, NULL), 0);
        wait_until(w, &w->n_answers, 3);
        for (size_t i = 0; i < 3; i++)
                assert_memory_equal(w->trail + i * (sizeof(expected) - 1), expected,
                                sizeof(expected) - 1);
}

static void on_open(
                int error, const char *reason, const OpenTick *ticks, size_t n, void *userdata) {
        World *w = userdata;

        assert_int_equal(error, 0);
        assert_null(reason);
        assert_int_equal(n, 2);
        assert_int_equal(ticks[0].n_actions, 1);
        assert_string_equal(ticks[0].actions[0].event_id, "id");
        assert_int_equal(ticks[0].actions[0].cost_msat, 5);
        assert_string_equal(ticks[1].think, "t/1");
        assert_true(ticks[1].dry && ticks[1].n_actions == 0);
        note(w, ticks[1].state, ticks[1].position);
        w->client = agents_client_free(w->client); /* whose texts are still read above */
}

static void open_ticks_come_with_their_actions_and_the_client_may_go_meanwhile(void **state) {
        World *w = *state;

        assert_int_equal(agents_open(w->client, 0, on_open, w, NULL), 0);
        assert_int_equal(agents_forget(w->client, "npub1a", "1", on_verdict, w, NULL), 0);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->trail, "thinking:2 ");
}

static void what_is_not_utf8_is_never_asked(void **state) {
        const Observation o = { "e1", "dm", "", "\xff", "", 0, 0 };
        World *w = *state;

        assert_int_equal(agents_observe(w->client, "npub1a", &o, 1, on_verdict, w, NULL), -EILSEQ);
        assert_int_equal(agents_import(w->client, "npub1a", "\"\xc3\"", on_verdict, w, NULL),
                        -EILSEQ);
        assert_int_equal(agents_client_n_waiting(w->client), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(answers_come_in_the_order_of_the_questions),
                T(a_lost_answer_is_asked_for_again),
                T(a_call_that_was_let_go_is_not_answered),
                T(an_agent_is_removed_in_parts_and_answered_once),
                T(a_tick_that_begins_says_its_number_and_one_that_does_not_says_why),
                T(an_answer_that_cannot_be_read_is_an_error),
                T(open_ticks_come_with_their_actions_and_the_client_may_go_meanwhile),
                T(what_is_not_utf8_is_never_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
