/* A call from a client to a server on a private socket in one loop: whichever allocation fails, the
 * call ends once, with the right answer or with an error. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "bus/client.h"
#include "bus/names.h"
#include "bus/server.h"
#include "bus/text.h"
#include "tests/torture/torture.h"

#define INTERFACE BUS_PREFIX "Torture"
#define CALL_USEC (5 * SEC)

typedef struct World {
        sd_event *event;
        char folder[64], path[128];
        int fd;
        BusServer *server;
        BusClient *client;
        unsigned n_done;
        int error;
        char answer[64];
} World;

static int method_echo(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        const char *text;
        int r;

        r = sd_bus_message_read(m, "s", &text);
        return r < 0 ? r : sd_bus_reply_method_return(m, "s", text);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Echo", SD_BUS_ARGS("s", text), SD_BUS_RESULT("s", text),
                        method_echo, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Happened", SD_BUS_ARGS("u", n), 0),
        SD_BUS_VTABLE_END,
};

#define FOLDER BUS_PATH "/thing"

static const BusObject objects[] = {
        { INTERFACE, vtable, true, NULL },
        { INTERFACE ".Thing", vtable, true, FOLDER },
        { 0 },
};

static void on_done(sd_bus_message *reply, int error, _unused_ const char *name,
                _unused_ const char *reason, void *userdata) {
        World *w = userdata;
        const char *text = "";

        w->n_done++;
        w->error = error;
        if (reply && sd_bus_message_read(reply, "s", &text) >= 0)
                (void) snprintf(w->answer, sizeof(w->answer), "%s", text);
}

static int on_happened(_unused_ sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return 0;
}

static int world_open(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int r;

        w->fd = -EBADF;
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-torture-XXXXXX");
        if (!mkdtemp(w->folder))
                return -EIO;
        (void) snprintf(w->path, sizeof(w->path), "%s/sock", w->folder);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", w->path);

        r = sd_event_new(&w->event);
        if (r < 0)
                return r;
        w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (w->fd < 0 || bind(w->fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 ||
                        listen(w->fd, 16) < 0)
                return -errno;
        return 0;
}

static void world_close(World *w) {
        bus_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        closep(&w->fd);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
}

static int world_start(World *w) {
        int r;

        r = bus_server_new(w->event, INTERFACE, objects, false, w, &w->server);
        if (r < 0)
                return r;
        r = bus_server_listen(w->server, w->fd);
        if (r < 0)
                return r;
        w->fd = -EBADF;
        r = bus_client_new(w->event, w->path, &w->client);
        if (r < 0)
                return r;
        return bus_client_match(w->client, INTERFACE, "Happened", on_happened, w);
}

static int world_call(World *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(w->client, INTERFACE, "Echo", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", "hello");
        if (r < 0)
                return r;
        r = bus_client_call(w->client, m, CALL_USEC, on_done, w, NULL);
        if (r < 0)
                return r;

        while (w->n_done == 0) {
                r = sd_event_run(w->event, 2 * CALL_USEC);
                if (r <= 0)
                        return r < 0 ? r : TORTURE_WRONG; /* nothing will ever happen */
                bus_server_signal(w->server, INTERFACE, "Happened", "u", 1); /* always busy */
        }
        RIGHT(w->n_done == 1);
        RIGHT(bus_client_n_waiting(w->client) == 0);
        if (w->error < 0)
                return w->error;
        RIGHT(streq(w->answer, "hello"));
        return 0;
}

static int run_call(void) {
        World w = { 0 };
        int r;

        r = world_open(&w);
        if (r >= 0)
                r = world_start(&w);
        if (r >= 0)
                r = world_call(&w);
        world_close(&w);
        return r;
}

/* Objects that come and go while a client is there; what could not be added is not there. */
static int run_objects(void) {
        World w = { 0 };
        int r;

        r = world_open(&w);
        if (r >= 0)
                r = world_start(&w);
        if (r >= 0)
                r = bus_server_add_object(w.server, FOLDER "/one", &w);
        if (r >= 0)
                r = world_call(&w);
        if (r >= 0) {
                r = bus_server_add_object(w.server, FOLDER "/two", &w);
                bus_server_object_changed(
                                w.server, FOLDER "/one", INTERFACE ".Thing", "None", NULL);
                bus_server_object_signal(
                                w.server, FOLDER "/one", INTERFACE ".Thing", "Happened", "u", 1);
                bus_server_remove_object(w.server, FOLDER "/two");
                bus_server_remove_object(w.server, FOLDER "/one");
        }
        world_close(&w);
        return r;
}

/* U+FDD0 in a string. */
static int run_text(void) {
        _cleanup_free_ char *owned = NULL;
        const char *text = NULL;
        int r;

        r = bus_text_json("{\"a\":\"\xef\xb7\x90\"}", &owned, &text);
        if (r < 0)
                return r;
        RIGHT(bus_text_is_fit(text) && strstr(text, "\\ufdd0"));
        return 0;
}

const TortureCase torture_bus_cases[] = {
        { "a call between client and server ends once", run_call },
        { "objects come and go beside the one path", run_objects },
        { "a text that D-Bus does not carry is written otherwise", run_text },
        { 0 },
};
