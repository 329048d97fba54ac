/* lib/bus: objects that come and go, as clients on private sockets see them. */
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bus/introspect.h"
#include "bus/names.h"
#include "bus/server.h"
#include "unit.h"

#define INTERFACE BUS_PREFIX "Thing"
#define FOLDER    BUS_PATH "/thing"
#define PATIENCE  5000 /* turns of at most a millisecond */
#define MANY      1000

typedef struct World World;

typedef struct Thing {
        World *world;
        const char *path, *name;
        unsigned n_calls;
        sd_bus_message *kept; /* a call that is answered later */
} Thing;

struct World {
        sd_event *event;
        char folder[64], path[128];
        BusServer *server;
        sd_bus *client;
        unsigned n_answers, n_added, n_removed, n_changed, n_happened;
        char error[128], text[64], changed_path[128];
        size_t n_managed;
};

static int method_name(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Thing *t = userdata;

        t->n_calls++;
        return sd_bus_reply_method_return(m, "s", t->name);
}

static int method_keep(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Thing *t = userdata;

        t->kept = sd_bus_message_ref(m);
        return 1;
}

static int method_vanish(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Thing *t = userdata;

        bus_server_remove_object(t->world->server, t->path);
        return sd_bus_reply_method_return(m, "s", "gone");
}

static int property_name(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", ((Thing *) userdata)->name);
}

/* clang-format off */
static const sd_bus_vtable thing_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetName", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", name), method_name,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Keep", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", name), method_keep,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Vanish", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", name), method_vanish,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Happened", SD_BUS_ARGS("u", n), 0),
        SD_BUS_PROPERTY("Name", "s", property_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
/* clang-format on */

static const sd_bus_vtable root_vtable[] = { SD_BUS_VTABLE_START(0), SD_BUS_VTABLE_END };

static const BusObject table[] = {
        { BUS_PREFIX "Root", root_vtable, false, NULL },
        { INTERFACE, thing_vtable, false, FOLDER },
        { 0 },
};

static void turn(World *w, const unsigned *counter, unsigned n) {
        for (int i = 0; *counter < n && i < PATIENCE; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_int_equal(*counter, n);
}

static int on_signal(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;

        if (sd_bus_message_is_signal(m, NULL, "InterfacesAdded"))
                w->n_added++;
        else if (sd_bus_message_is_signal(m, NULL, "InterfacesRemoved"))
                w->n_removed++;
        else if (sd_bus_message_is_signal(m, INTERFACE, "Happened"))
                w->n_happened++;
        else if (sd_bus_message_is_signal(m, NULL, "PropertiesChanged")) {
                w->n_changed++;
                (void) snprintf(w->changed_path, sizeof(w->changed_path), "%s",
                                sd_bus_message_get_path(m));
        }
        return 0;
}

static void connect_client(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(sd_bus_new(&w->client), 0);
        assert_int_equal(sd_bus_set_fd(w->client, fd, fd), 0);
        assert_true(sd_bus_start(w->client) >= 0);
        assert_true(sd_bus_attach_event(w->client, w->event, 0) >= 0);
        assert_true(sd_bus_add_match(w->client, NULL, "type='signal'", on_signal, w) >= 0);
}

static int setup(void **state) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        World *w = new0(World, 1);
        int fd;

        assert_non_null(w);
        assert_int_equal(sd_event_new(&w->event), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/sock", w->folder);
        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(bus_server_new(w->event, BUS_PREFIX "Test", table, false, w, &w->server),
                        0);
        assert_int_equal(bus_server_listen(w->server, fd), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        sd_bus_close_unref(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
        free(w);
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *text = "";

        (void) snprintf(w->error, sizeof(w->error), "%s", e ? e->name : "");
        if (!e && sd_bus_message_has_signature(m, "s"))
                assert_true(sd_bus_message_read(m, "s", &text) >= 0);
        (void) snprintf(w->text, sizeof(w->text), "%s", text);
        w->n_answers++;
        return 0;
}

static void call(World *w, const char *path, const char *member) {
        assert_true(sd_bus_call_method_async(w->client, NULL, NULL, path, INTERFACE, member,
                                    on_answer, w, NULL) >= 0);
}

static void ask(World *w, const char *path, const char *member) {
        unsigned n = w->n_answers;

        call(w, path, member);
        turn(w, &w->n_answers, n + 1);
}

static int on_managed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;

        assert_false(sd_bus_message_is_method_error(m, NULL));
        assert_true(sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}") >= 0);
        for (w->n_managed = 0; sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}") > 0;
                        w->n_managed++) {
                assert_true(sd_bus_message_skip(m, "oa{sa{sv}}") >= 0);
                assert_true(sd_bus_message_exit_container(m) >= 0);
        }
        w->n_answers++;
        return 0;
}

static size_t count_managed(World *w) {
        unsigned n = w->n_answers;

        assert_true(sd_bus_call_method_async(w->client, NULL, NULL, BUS_PATH,
                                    "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                    on_managed, w, NULL) >= 0);
        turn(w, &w->n_answers, n + 1);
        return w->n_managed;
}

static void an_object_answers_at_its_path_and_nowhere_else(void **state) {
        World *w = *state;
        Thing one = { w, FOLDER "/one", "first", 0, NULL },
              two = { w, FOLDER "/two", "second", 0, NULL };

        connect_client(w);
        assert_int_equal(bus_server_add_object(w->server, one.path, &one), 0);
        assert_int_equal(bus_server_add_object(w->server, two.path, &two), 0);
        ask(w, one.path, "GetName");
        assert_string_equal(w->text, "first");
        ask(w, two.path, "GetName");
        assert_string_equal(w->text, "second");
        ask(w, FOLDER "/three", "GetName");
        assert_string_equal(w->error, SD_BUS_ERROR_UNKNOWN_OBJECT);
        ask(w, FOLDER, "GetName");
        assert_string_equal(w->error, SD_BUS_ERROR_UNKNOWN_METHOD);
        ask(w, FOLDER "/one/more", "GetName");
        assert_string_equal(w->error, SD_BUS_ERROR_UNKNOWN_OBJECT);
        assert_int_equal(one.n_calls, 1);
        assert_int_equal(two.n_calls, 1);
}

static void paths_outside_the_folder_and_paths_twice_are_refused(void **state) {
        World *w = *state;

        assert_int_equal(bus_server_add_object(w->server, FOLDER "/one", w), 0);
        assert_int_equal(bus_server_add_object(w->server, FOLDER "/one", w), -EEXIST);
        assert_int_equal(bus_server_add_object(w->server, FOLDER, w), -EINVAL);
        assert_int_equal(bus_server_add_object(w->server, FOLDER "/", w), -EINVAL);
        assert_int_equal(bus_server_add_object(w->server, FOLDER "/one/two", w), -EINVAL);
        assert_int_equal(bus_server_add_object(w->server, BUS_PATH "/thin/one", w), -EINVAL);
        bus_server_remove_object(w->server, FOLDER "/never");
}

static void who_comes_later_finds_what_is_there(void **state) {
        World *w = *state;
        Thing one = { w, FOLDER "/one", "first", 0, NULL };

        assert_int_equal(bus_server_add_object(w->server, one.path, &one), 0);
        connect_client(w);
        assert_int_equal(count_managed(w), 1);
        ask(w, one.path, "GetName");
        assert_string_equal(w->text, "first");
}

static void coming_going_and_changing_is_told(void **state) {
        World *w = *state;
        Thing one = { w, FOLDER "/one", "first", 0, NULL };

        connect_client(w);
        assert_int_equal(count_managed(w), 0);
        assert_int_equal(bus_server_add_object(w->server, one.path, &one), 0);
        turn(w, &w->n_added, 1);
        assert_int_equal(count_managed(w), 1);
        bus_server_object_changed(w->server, one.path, INTERFACE, "Name", NULL);
        turn(w, &w->n_changed, 1);
        assert_string_equal(w->changed_path, one.path);
        bus_server_object_signal(w->server, one.path, INTERFACE, "Happened", "u", 7);
        turn(w, &w->n_happened, 1);
        bus_server_remove_object(w->server, one.path);
        turn(w, &w->n_removed, 1);
        assert_int_equal(count_managed(w), 0);
        ask(w, one.path, "GetName");
        assert_string_equal(w->error, SD_BUS_ERROR_UNKNOWN_OBJECT);
}

static void an_object_may_go_during_its_own_call(void **state) {
        World *w = *state;
        Thing one = { w, FOLDER "/one", "first", 0, NULL };

        connect_client(w);
        assert_int_equal(bus_server_add_object(w->server, one.path, &one), 0);
        ask(w, one.path, "Vanish");
        assert_string_equal(w->text, "gone");
        turn(w, &w->n_removed, 1);
}

static void a_call_is_answered_though_its_object_has_gone(void **state) {
        World *w = *state;
        Thing one = { w, FOLDER "/one", "first", 0, NULL };

        connect_client(w);
        assert_int_equal(bus_server_add_object(w->server, one.path, &one), 0);
        call(w, one.path, "Keep");
        for (int i = 0; !one.kept && i < PATIENCE; i++)
                assert_true(sd_event_run(w->event, MSEC) >= 0);
        assert_non_null(one.kept);
        bus_server_remove_object(w->server, one.path);
        assert_true(sd_bus_reply_method_return(one.kept, "s", "late") >= 0);
        one.kept = sd_bus_message_unref(one.kept);
        turn(w, &w->n_answers, 1);
        assert_string_equal(w->text, "late");
}

static usec_t cpu_usec(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

static void a_thousand_objects_are_cheap(void **state) {
        World *w = *state;
        Thing one = { w, "", "all", 0, NULL };
        char path[128];
        usec_t start;

        connect_client(w);
        ask(w, FOLDER "/none", "GetName");
        start = cpu_usec();
        for (int i = 0; i < MANY; i++) {
                (void) snprintf(path, sizeof(path), FOLDER "/n%d", i);
                assert_int_equal(bus_server_add_object(w->server, path, &one), 0);
        }
        assert_int_equal(count_managed(w), MANY);
        for (int i = 0; i < MANY; i++) {
                (void) snprintf(path, sizeof(path), FOLDER "/n%d", i);
                bus_server_remove_object(w->server, path);
        }
        assert_int_equal(count_managed(w), 0);
        assert_true(w->n_added > MANY / 2); /* a few may be held back */
        print_message("# %d objects came, were listed, and went in %u ms of CPU\n", MANY,
                        (unsigned) ((cpu_usec() - start) / MSEC));
        assert_true(cpu_usec() - start < 2 * SEC); /* 1 ms each, under a sanitizer too */
}

static void more_than_the_limit_are_refused(void **state) {
        World *w = *state;
        char path[128];

        for (int i = 0; i <= BUS_OBJECTS_MAX; i++) {
                (void) snprintf(path, sizeof(path), FOLDER "/n%d", i);
                assert_int_equal(bus_server_add_object(w->server, path, w),
                                i < BUS_OBJECTS_MAX ? 0 : -ENOBUFS);
        }
}

static void the_interface_of_a_folder_is_described_apart(_unused_ void **state) {
        _cleanup_free_ char *root = NULL, *thing = NULL, *none = NULL;

        assert_int_equal(introspect_public(table, NULL, &root), 0);
        assert_int_equal(introspect_public(table, FOLDER, &thing), 0);
        assert_int_equal(introspect_public(table, BUS_PATH "/other", &none), -ENOENT);
        assert_non_null(strstr(root, BUS_PREFIX "Root"));
        assert_null(strstr(root, INTERFACE));
        assert_non_null(strstr(thing, INTERFACE));
        assert_null(strstr(thing, BUS_PREFIX "Root"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_object_answers_at_its_path_and_nowhere_else),
                TEST(paths_outside_the_folder_and_paths_twice_are_refused),
                TEST(who_comes_later_finds_what_is_there),
                TEST(coming_going_and_changing_is_told),
                TEST(an_object_may_go_during_its_own_call),
                TEST(a_call_is_answered_though_its_object_has_gone),
                TEST(a_thousand_objects_are_cheap),
                TEST(more_than_the_limit_are_refused),
                cmocka_unit_test(the_interface_of_a_folder_is_described_apart),
        };

        return cmocka_run_group_tests_name("bus-object", tests, NULL, NULL);
}
