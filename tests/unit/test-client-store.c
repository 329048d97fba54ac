/* client/store-client: rows of one turn in one message, an answer for each caller, lost answers.
 * The store here is a table in memory that can fall silent. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "bus/names.h"
#include "bus/server.h"
#include "client/store-client.h"

#define KEY "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"

typedef struct World {
        sd_event *event;
        char folder[64], path[128], trail[512];
        BusServer *server;
        StoreClient *client;
        char state_of[8][16]; /* the store: by the last digit of an id; "" = not there */
        unsigned n_messages, n_rows, n_answers, n_lazy;
        bool mute, full;
} World;

static void note(World *w, int verdict, const char *text) {
        size_t n = strlen(w->trail);

        w->n_answers++;
        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%d:%s ", verdict, text);
}

static int answer(World *w, sd_bus_message *reply, sd_bus_error *error) {
        w->n_messages++;
        if (w->full)
                return sd_bus_error_set_errnof(error, ENOSPC, "the disk is full");
        if (w->mute)
                return 1;
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int method_add(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *state, *skip;
        World *w = userdata;
        uint16_t kind;
        int64_t number;

        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(is)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sqssssxx)") >= 0);
        while (sd_bus_message_read(m, "(sqssssxx)", &id, &kind, &skip, &skip, &skip, &state,
                               &number, &number) > 0) {
                char *place = w->state_of[id[63] - '0'];

                w->n_rows++;
                assert_true(sd_bus_message_append(reply, "(is)", *place ? 1 : 0, place) >= 0);
                if (!*place)
                        (void) snprintf(place, 16, "%s", state);
        }
        return answer(w, reply, error);
}

static int method_move(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *state, *skip;
        World *w = userdata;
        int lazy;

        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(is)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sssss)") >= 0);
        while (sd_bus_message_read(m, "(sssss)", &id, &state, &skip, &skip, &skip) > 0) {
                char *place = w->state_of[id[63] - '0'];
                bool over = streq(place, "completed") && !streq(state, "completed");

                w->n_rows++;
                assert_true(sd_bus_message_append(reply, "(is)", over ? -EALREADY : 0,
                                            over ? "the job is over" : "") >= 0);
                if (!over)
                        (void) snprintf(place, 16, "%s", state);
        }
        assert_true(sd_bus_message_exit_container(m) >= 0);
        assert_true(sd_bus_message_read(m, "b", &lazy) >= 0);
        w->n_lazy += (unsigned) lazy;
        return answer(w, reply, error);
}

static int method_open(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;
        const char *after;
        uint32_t limit;

        assert_true(sd_bus_message_read(m, "su", &after, &limit) >= 0);
        w->n_messages++;
        if (*after)
                return sd_bus_reply_method_return(m, "a(sqssssxxs)", 0);
        return sd_bus_reply_method_return(m, "a(sqssssxxs)", 2, "id-1", 5970, "c", "{}", "ws://r",
                        "queued", INT64_C(5), INT64_C(6), "", "id-2", 5970, "c", "{}", "ws://r",
                        "publishing", INT64_C(7), INT64_C(8), "{}");
}

static int method_get(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", "yes");
}

static int method_set(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("AddJobs", "a(sqssssxx)", "a(is)", method_add, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("MoveJobs", "a(sssss)b", "a(is)", method_move, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenJobs", "su", "a(sqssssxxs)", method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetSetting", "s", "s", method_get, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetSetting", "ss", NULL, method_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const BusObject objects[] = { { BUS_STORE_SERVICE, vtable, true }, { 0 } };

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
        assert_int_equal(store_client_new(w->event, w->path, &w->client), 0);
        serve(w);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        (void) store_client_free(w->client);
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
        note(userdata, verdict, text);
}

static void add(World *w, int i, const char *state, StoreCall **ret) {
        char id[] = KEY;
        StoreJob job = { .id = id,
                .customer = KEY,
                .request = "{}",
                .relay = "ws://r",
                .state = state,
                .kind = 5970 };

        id[63] = (char) ('0' + i);
        assert_int_equal(store_add_job(w->client, &job, on_verdict, w, ret), 0);
}

static void move(World *w, int i, const char *state, bool lazy) {
        char id[] = KEY;
        StoreMove m = { .id = id, .state = state, .lazy = lazy };

        id[63] = (char) ('0' + i);
        assert_int_equal(store_move_job(w->client, &m, on_verdict, w, NULL), 0);
}

static void rows_of_one_turn_share_a_message_and_each_has_its_answer(void **state) {
        World *w = *state;

        (void) snprintf(w->state_of[2], 16, "running");
        for (int i = 1; i <= 3; i++)
                add(w, i, "queued", NULL);
        assert_int_equal(store_client_n_waiting(w->client), 3);
        assert_int_equal(w->n_answers, 0);
        wait_until(w, &w->n_answers, 3);
        assert_int_equal(w->n_messages, 1);
        assert_string_equal(w->trail, "0: 1:running 0: ");
        assert_int_equal(store_client_n_waiting(w->client), 0);
}

static void moves_keep_their_order_and_one_eager_makes_all_so(void **state) {
        World *w = *state;

        move(w, 1, "running", true);
        move(w, 1, "publishing", false);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->state_of[1], "publishing");
        assert_int_equal(w->n_messages, 1);
        assert_int_equal(w->n_lazy, 0);
        move(w, 2, "running", true);
        wait_until(w, &w->n_answers, 3);
        assert_int_equal(w->n_lazy, 1);
}

static void many_rows_are_sent_in_parts(void **state) {
        World *w = *state;

        for (int i = 0; i < 600; i++)
                move(w, 1, "running", true);
        wait_until(w, &w->n_answers, 600);
        assert_int_equal(w->n_messages, 3);
        assert_int_equal(w->n_rows, 600);
}

static void a_lost_answer_is_as_if_it_had_come(void **state) {
        World *w = *state;

        w->mute = true;
        add(w, 1, "queued", NULL);
        wait_until(w, &w->n_messages, 1);
        move(w, 1, "publishing", false);
        wait_until(w, &w->n_messages, 2);
        move(w, 1, "completed", false);
        wait_until(w, &w->n_messages, 3);

        w->server = bus_server_free(w->server);
        w->mute = false;
        (void) snprintf(w->state_of[1], 16, "completed");
        (void) snprintf(w->state_of[2], 16, "queued"); /* ours is asked for below, and is known */
        serve(w);
        wait_until(w, &w->n_answers, 3);
        /* The first is told as it stands: the job has gone on since. The others are not refused. */
        assert_string_equal(w->trail, "1:completed 0: 0: ");

        add(w, 2, "queued", NULL); /* nothing is repeated here: this is somebody else's */
        wait_until(w, &w->n_answers, 4);
        assert_string_equal(w->trail, "1:completed 0: 0: 1:queued ");
}

static void a_job_added_before_the_crash_is_new_after_it(void **state) {
        World *w = *state;

        w->mute = true;
        add(w, 1, "queued", NULL);
        wait_until(w, &w->n_messages, 1);
        w->server = bus_server_free(w->server);
        w->mute = false;
        serve(w);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->trail, "0: ");
}

static void an_error_of_the_store_is_each_callers_error(void **state) {
        World *w = *state;

        w->full = true;
        add(w, 1, "queued", NULL);
        add(w, 2, "queued", NULL);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->trail, "-28:the disk is full -28:the disk is full ");
}

static void a_call_that_was_let_go_is_not_answered_and_keeps_its_row(void **state) {
        StoreCall *call = NULL;
        World *w = *state;

        add(w, 1, "queued", NULL);
        add(w, 2, "queued", &call);
        add(w, 3, "queued", NULL);
        (void) snprintf(w->state_of[3], 16, "failed");
        assert_non_null(call);
        (void) store_call_free(call);
        assert_null(call);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->trail, "0: 1:failed ");
}

static void more_than_the_maximum_are_refused(void **state) {
        StoreMove m = { .id = KEY, .state = "running", .lazy = true };
        World *w = *state;

        w->server = bus_server_free(w->server);
        for (int i = 0; i < STORE_WAITING_MAX; i++)
                assert_int_equal(store_move_job(w->client, &m, on_verdict, w, NULL), 0);
        assert_int_equal(store_move_job(w->client, &m, on_verdict, w, NULL), -ENOBUFS);
}

static void a_text_that_the_bus_cannot_carry_is_refused_or_escaped(void **state) {
        StoreMove m = { .id = KEY, .state = "failed", .error = "\xef\xbf\xbf" };
        World *w = *state;

        assert_int_equal(store_move_job(w->client, &m, on_verdict, w, NULL), -EILSEQ);
        m.error = NULL;
        m.result = "{\"content\":\"\xef\xbf\xbf\"}";
        assert_int_equal(store_move_job(w->client, &m, on_verdict, w, NULL), 0);
        wait_until(w, &w->n_answers, 1);
        assert_string_equal(w->trail, "0: ");
}

static void on_page(int error, const char *reason, const StoreJob *jobs, size_t n, void *userdata) {
        World *w = userdata;

        assert_int_equal(error, 0);
        assert_null(reason);
        note(w, (int) n, n > 0 ? jobs[n - 1].state : "end");
        if (n > 0)
                assert_int_equal(store_open_jobs(w->client, jobs[n - 1].id, 10, on_page, w, NULL),
                                0);
}

static void open_jobs_come_page_by_page(void **state) {
        World *w = *state;

        assert_int_equal(store_open_jobs(w->client, "", 10, on_page, w, NULL), 0);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->trail, "2:publishing 0:end ");
}

static void on_setting(int error, const char *reason, const char *value, void *userdata) {
        assert_true(error == 0 && !reason);
        note(userdata, error, value);
}

static void settings_are_asked_and_set(void **state) {
        World *w = *state;

        assert_int_equal(store_get_setting(w->client, "provider.online", on_setting, w, NULL), 0);
        assert_int_equal(store_set_setting(w->client, "provider.online", "no", on_setting, w, NULL),
                        0);
        wait_until(w, &w->n_answers, 2);
        assert_string_equal(w->trail, "0:yes 0: ");
}

static void on_verdict_leave(_unused_ int verdict, _unused_ const char *text, void *userdata) {
        World *w = userdata;

        w->n_answers++;
        w->client = store_client_free(w->client);
}

static void a_callback_may_free_the_client(void **state) {
        StoreMove m = { .id = KEY, .state = "running" };
        World *w = *state;

        assert_int_equal(store_move_job(w->client, &m, on_verdict_leave, w, NULL), 0);
        wait_until(w, &w->n_answers, 1);
        assert_null(w->client);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(rows_of_one_turn_share_a_message_and_each_has_its_answer),
                T(moves_keep_their_order_and_one_eager_makes_all_so),
                T(many_rows_are_sent_in_parts),
                T(a_lost_answer_is_as_if_it_had_come),
                T(a_job_added_before_the_crash_is_new_after_it),
                T(an_error_of_the_store_is_each_callers_error),
                T(a_call_that_was_let_go_is_not_answered_and_keeps_its_row),
                T(more_than_the_maximum_are_refused),
                T(a_text_that_the_bus_cannot_carry_is_refused_or_escaped),
                T(open_jobs_come_page_by_page),
                T(settings_are_asked_and_set),
                T(a_callback_may_free_the_client),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
