/* What pylon-host does with an agent's process, for tests:
 *   tool-agent tick SOCKET             Tick() with the context on stdin; with "answer TEXT",
 * Answer(), too tool-agent start|stop SCOPE NAME   its socket, by the manager Prints what came
 * back; the exit status says whether it went well. */
#include <stdio.h>

#include "basic/file.h"
#include "bus/client.h"
#include "bus/names.h"
#include "mind/context.h"
#include "unit.h"

#define DEADLINE (60 * SEC)

typedef struct Tool {
        sd_event *event;
        BusClient *client;
        BusCall *call;
        const char *answer; /* NULL: none is given */
        int exit_code;
} Tool;

static void end(Tool *t, int exit_code) {
        t->exit_code = exit_code;
        (void) sd_event_exit(t->event, 0);
}

static int ask(Tool *t, const char *method, const char *text);

static void on_reply(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        const char *what, *text;
        Tool *t = userdata;

        if (error < 0) {
                (void) printf("%s: %s\n", name, reason);
                end(t, EXIT_FAILURE);
                return;
        }
        if (sd_bus_message_read(reply, "ss", &what, &text) < 0) {
                end(t, EXIT_FAILURE);
                return;
        }
        (void) printf("%s %s\n", what, text);
        if (streq(what, "think") && t->answer && ask(t, "Answer", TAKE_PTR(t->answer)) >= 0)
                return;
        end(t, EXIT_SUCCESS);
}

static int ask(Tool *t, const char *method, const char *text) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(t->client, BUS_AGENT_SERVICE, method, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", text);
        return r < 0 ? r : bus_client_call(t->client, m, DEADLINE, on_reply, t, &t->call);
}

static int tick(Tool *t, const char *socket) {
        _cleanup_free_ char *context = NULL;
        size_t size;
        int r;

        r = read_stream(STDIN_FILENO, 2 * CONTEXT_SIZE_MAX, &context, &size);
        if (r >= 0)
                r = bus_client_new(t->event, socket, &t->client);
        return r < 0 ? r : ask(t, "Tick", context);
}

static void on_unit(int error, const char *reason, void *userdata) {
        (void) printf("%s\n", error < 0 ? reason : "done");
        end(userdata, error < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int unit(Tool *t, Units *u, bool start, const char *name) {
        return start ? units_start(u, name, on_unit, t, NULL)
                     : units_stop(u, name, on_unit, t, NULL);
}

static Scope scope(const char *name) {
        return streq(name, "system") ? SCOPE_SYSTEM
               : streq(name, "user") ? SCOPE_USER
                                     : SCOPE_PRIVATE;
}

int main(int argc, char *argv[]) {
        _cleanup_(units_freep) Units *units = NULL;
        Tool t = { 0 };
        int r;

        if (argc < 3)
                return 2;
        r = sd_event_new(&t.event);
        if (r >= 0 && streq(argv[1], "tick")) {
                t.answer = argc > 3 ? argv[3] : NULL;
                r = tick(&t, argv[2]);
        } else if (r >= 0 && argc == 4) {
                r = units_new(t.event, scope(argv[2]), &units);
                if (r >= 0)
                        r = unit(&t, units, streq(argv[1], "start"), argv[3]);
        }
        if (r >= 0)
                r = sd_event_loop(t.event);
        if (r < 0)
                (void) fprintf(stderr, "%s\n", strerror(-r));
        (void) bus_client_free(t.client);
        units = units_free(units);
        sd_event_unref(t.event);
        return r < 0 ? EXIT_FAILURE : t.exit_code;
}
