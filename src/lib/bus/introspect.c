#include "bus/introspect.h"

#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "bus/names.h"

#define DOCTYPE                                                                              \
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n" \
        "        \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
#define PATIENCE (5 * SEC) /* both ends are this process */

static int make_server(sd_event *event, int fd, const BusObject *objects, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(bus, true, id);
        for (const BusObject *o = objects; r >= 0 && o->interface; o++)
                if (!o->private) /* what is in folders is here for once, too */
                        r = sd_bus_add_object_vtable(
                                        bus, NULL, BUS_PATH, o->interface, o->vtable, NULL);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                (void) close(fd);
                return r;
        }
        r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                *ret = TAKE_PTR(bus);
        return r;
}

static int on_answer(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        char **text = userdata;
        const char *xml;

        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "s", &xml) >= 0)
                *text = strdup(xml);
        return 0;
}

static int ask(sd_event *event, int fd, char **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                (void) close(fd);
                return r;
        }
        r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, NULL, BUS_PATH,
                                "org.freedesktop.DBus.Introspectable", "Introspect", on_answer,
                                &text, NULL);
        while (r >= 0 && !text) {
                r = sd_event_run(event, PATIENCE);
                if (r == 0)
                        return -ETIMEDOUT;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(text);
        return 0;
}

/* One interface of the answer, to the end of its last line. */
static int print_interface(FILE *out, const char *xml, const char *interface) {
        static const char end[] = " </interface>\n";
        char head[128];
        const char *first, *last;

        (void) snprintf(head, sizeof(head), " <interface name=\"%s\">\n", interface);
        first = strstr(xml, head);
        last = first ? strstr(first, end) : NULL;
        if (!last)
                return -EBADMSG;
        (void) fwrite(first, 1, (size_t) (last - first) + strlen(end), out);
        return 0;
}

static bool is_in(const BusObject *o, const char *folder) {
        return folder ? o->folder && streq(o->folder, folder) : !o->folder;
}

static int print_public(FILE *out, const char *xml, const BusObject *objects, const char *folder) {
        int r = -ENOENT;

        (void) fputs(DOCTYPE "<node>\n", out);
        for (const BusObject *o = objects; o->interface; o++) {
                if (o->private || !is_in(o, folder))
                        continue;
                r = print_interface(out, xml, o->interface);
                if (r < 0)
                        return r;
        }
        (void) fputs("</node>\n", out);
        return r;
}

int introspect_public(const BusObject *objects, const char *folder, char **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *server = NULL;
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_free_ char *xml = NULL, *text = NULL;
        int fds[2], r;
        size_t size;
        FILE *out;

        r = sd_event_new(&event);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        r = make_server(event, fds[0], objects, &server);
        if (r < 0) {
                (void) close(fds[1]);
                return r;
        }
        r = ask(event, fds[1], &xml);
        if (r < 0)
                return r;

        out = open_memstream(&text, &size);
        if (!out)
                return -errno;
        r = print_public(out, xml, objects, folder);
        if (fclose(out) != 0 && r >= 0)
                r = -ENOMEM;
        if (r >= 0)
                *ret = TAKE_PTR(text);
        return r;
}
