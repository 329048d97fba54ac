/* The agents' client, against a server that says yes to everything: each call is answered once. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "bus/names.h"
#include "bus/server.h"
#include "client/agents-client.h"
#include "tests/torture/torture.h"

typedef struct World {
        sd_event *event;
        char folder[64], path[128];
        int fd;
        BusServer *server;
        AgentsClient *client;
        unsigned n_answers;
        int error, verdict;
        size_t n_actions, n_memories;
} World;

static int method_move_tick(sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "is", 1, "acting");
}

static int method_open(sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(xsxxssbssa(usssssssxx))", 2, INT64_C(1), "npub",
                        INT64_C(7), INT64_C(0), "acting", "dm", 0, "", "", 2, 1, "post", "{}",
                        "planned", "", "", "", "", INT64_C(0), INT64_C(0), 2, "dm", "{}", "signed",
                        "", "id", "{}", "", INT64_C(0), INT64_C(0), INT64_C(2), "npub", INT64_C(8),
                        INT64_C(0), "open", "dm", 1, "", "", 0);
}

static int method_memories(sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(
                        m, "a(ssx)", 2, "1.1", "cats", INT64_C(0), "1.2", "dogs", INT64_C(0));
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("MoveTick", "sxsssssxxxxa(ussss)", "is", method_move_tick,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenTicks", "x", "a(xsxxssbssa(usssssssxx))", method_open,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Memories", "ssu", "a(ssx)", method_memories, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const BusObject objects[] = {
        { BUS_STORE_AGENTS, vtable, true },
        { 0 },
};

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
        r = bus_server_new(w->event, BUS_STORE, objects, false, w, &w->server);
        if (r >= 0)
                r = bus_server_listen(w->server, w->fd);
        if (r < 0)
                return r;
        w->fd = -EBADF;
        return agents_client_new(w->event, w->path, &w->client);
}

static void world_close(World *w) {
        w->client = agents_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        closep(&w->fd);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
}

static void note(World *w, int error) {
        w->n_answers++;
        if (error < 0)
                w->error = error;
}

static void on_verdict(int verdict, const char *text, void *userdata) {
        World *w = userdata;

        assert(text);
        note(w, verdict);
        w->verdict = verdict;
}

static void on_open(int error, _unused_ const char *reason, const OpenTick *ticks, size_t n,
                void *userdata) {
        World *w = userdata;

        note(w, error);
        for (size_t i = 0; i < n; i++)
                w->n_actions += ticks[i].n_actions;
}

static void on_memories(int error, _unused_ const char *reason,
                _unused_ const AgentMemory *memories, size_t n, void *userdata) {
        World *w = userdata;

        note(w, error);
        w->n_memories = n;
}

static int world_ask(World *w) {
        /* Noncharacters, so that texts are copied. */
        const TickAction action = { 1, "post", "{\"text\":\"\xef\xbf\xbe\"}", "planned",
                "\xef\xbf\xbf" };
        const TickMove m = {
                .npub = "npub",
                .state = "acting",
                .answer = "\xef\xbf\xbe",
                .actions = &action,
                .n_actions = 1,
        };
        int r;

        r = agents_move_tick(w->client, &m, on_verdict, w, NULL);
        if (r >= 0)
                r = agents_open(w->client, 0, on_open, w, NULL);
        if (r >= 0)
                r = agents_memories(w->client, "npub", "\xef\xbf\xbe", 10, on_memories, w, NULL);
        if (r < 0)
                return r;

        while (w->n_answers < 3) {
                r = sd_event_run(w->event, 10 * SEC);
                if (r <= 0)
                        return r < 0 ? r : TORTURE_WRONG; /* nothing will ever happen */
        }
        RIGHT(w->n_answers == 3);
        RIGHT(agents_client_n_waiting(w->client) == 0);
        if (w->error < 0)
                return w->error;
        RIGHT(w->verdict == 1 && w->n_actions == 2 && w->n_memories == 2);
        return 0;
}

static int run_client(void) {
        World w = { 0 };
        int r;

        r = world_open(&w);
        if (r >= 0)
                r = world_ask(&w);
        world_close(&w);
        return r;
}

const TortureCase torture_agents_client_cases[] = {
        { "what is asked about agents is answered once", run_client },
        { 0 },
};
