#include "bus/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "basic/log.h"
#include "bus/names.h"
#include "bus/server-private.h"

#define PRIVATE_MAX    64
#define SLOW_QUEUE     1024 /* messages not yet taken by the kernel */
#define GREETING_STEPS 16   /* of sd-bus, after the last words of a greeting */

static Link *link_free(Link *l) {
        BusServer *s = l->server;

        for (Link **p = &s->links; *p; p = &(*p)->next)
                if (*p == l) {
                        *p = l->next;
                        break;
                }
        if (l->private) {
                s->n_private--;
                if (s->gone)
                        s->gone(l->bus, s->gone_userdata);
        }
        sd_event_source_disable_unref(l->greeting);
        sd_bus_close_unref(l->bus);
        return mfree(l);
}

static int link_on_disconnect(
                _unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Link *l = userdata;

        if (!l->private)
                log_warning("The message bus went away; the private socket goes on.");
        link_free(l);
        return 0;
}

/* A first call that came together with the end of the greeting (GDBus sends so) is in sd-bus's
 * buffer already, where it would stay until more comes: only the socket says that there is work. So
 * after each event we look whether the greeting is over, and then into the buffer; more than once,
 * because a signal that was sent meanwhile is written out first, in a step of its own. */
static int link_on_post(_unused_ sd_event_source *source, void *userdata) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        Link *l = userdata;

        if (sd_bus_is_ready(l->bus) == 0)
                return 0;

        l->greeting = sd_event_source_disable_unref(l->greeting);
        bus = sd_bus_ref(l->bus);
        for (unsigned i = 0; i < GREETING_STEPS && sd_bus_process(bus, NULL) > 0;)
                i++; /* may be the end of the link */
        return 0;
}

/* busctl and GDBus greet every bus; on a socket of our own we play along. */
static int method_hello(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "s", ":0.1");
}

static const sd_bus_vtable hello_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_HIDDEN),
        SD_BUS_METHOD("Hello", NULL, "s", method_hello, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int link_add_objects(BusServer *s, sd_bus *bus, bool private) {
        int r;

        for (const BusObject *o = s->objects; o->interface; o++) {
                if (o->private && !private)
                        continue;
                r = o->folder ? link_add_folder(s, bus, o)
                              : sd_bus_add_object_vtable(bus, NULL, BUS_PATH, o->interface,
                                                o->vtable, s->userdata);
                if (r < 0)
                        return r;
        }
        if (!private)
                return 0;

        return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                        hello_vtable, NULL);
}

static int link_new(BusServer *s, sd_bus *bus, const Peer *peer) {
        Link *l;
        int r;

        r = link_add_objects(s, bus, peer != NULL);
        if (r < 0)
                return r;

        l = new0(Link, 1);
        if (!l)
                return -ENOMEM;
        *l = (Link){ .server = s, .private = peer != NULL };
        if (peer)
                l->peer = *peer;

        r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local",
                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                        link_on_disconnect, NULL, l);
        if (r >= 0 && peer)
                r = sd_event_add_post(s->event, &l->greeting, link_on_post, l);
        if (r < 0) {
                free(l);
                return r;
        }

        l->bus = sd_bus_ref(bus);
        l->next = s->links;
        s->links = l;
        s->n_private += l->private;
        return 0;
}

/* Left to itself, sd-bus writes out at the end of the loop what it still holds, and would wait 90 s
 * there for a peer that connected and never said a word. */
static int server_attach(BusServer *s, sd_bus *bus) {
        int r;

        r = sd_bus_set_close_on_exit(bus, false);
        return r < 0 ? r : sd_bus_attach_event(bus, s->event, SD_EVENT_PRIORITY_NORMAL);
}

/* Last words: what a peer takes at once, it gets. */
static int server_on_exit(_unused_ sd_event_source *source, void *userdata) {
        BusServer *s = userdata;
        uint64_t n;

        for (Link *l = s->links, *next; l; l = next) {
                next = l->next;
                if (sd_bus_is_ready(l->bus) > 0 && sd_bus_get_n_queued_write(l->bus, &n) >= 0 &&
                                n > 0)
                        (void) sd_bus_process(l->bus, NULL); /* may be the end of the link */
        }
        return 0;
}

/* The same steps as pid 1 takes for /run/systemd/private. */
static int server_accept(BusServer *s, int fd, const Peer *peer) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd); /* owned by the bus from here on */
        if (r < 0)
                return r;
        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        r = sd_bus_set_server(bus, 1, id);
        if (r < 0)
                return r;
        r = sd_bus_negotiate_fds(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_set_sender(bus, s->name); /* so that clients may match on the sender */
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        r = link_new(s, bus, peer);
        if (r < 0)
                return r;
        r = server_attach(s, bus);
        if (r < 0) {
                link_free(s->links);
                return r;
        }
        sd_bus_unref(TAKE_PTR(bus)); /* the link has its own reference */
        return 0;
}

static int server_on_connection(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        BusServer *s = userdata;
        _cleanup_close_ int c = -EBADF;
        Peer peer;
        int r;

        c = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (c < 0)
                return 0;

        r = peer_identify(c, s->system_instance, &peer);
        if (r == -EACCES && s->expected != PEER_PERSON && peer_is_hidden(&peer)) {
                peer.role = s->expected;
                r = 0;
        }
        if (r < 0) {
                (void) log_warning_errno(
                                r, "A connection from uid %u was refused: %m", (unsigned) peer.uid);
                return 0;
        }
        if (s->n_private >= PRIVATE_MAX) {
                log_warning("A connection was refused: %d are open.", PRIVATE_MAX);
                return 0;
        }

        r = server_accept(s, TAKE_FD(c), &peer);
        if (r < 0)
                (void) log_warning_errno(r, "A connection could not be served: %m");
        return 0;
}

int bus_server_new(sd_event *event, const char *bus_name, const BusObject *objects,
                bool system_instance, void *userdata, BusServer **ret) {
        _cleanup_(bus_server_freep) BusServer *s = NULL;
        int r;

        s = new0(BusServer, 1);
        if (!s)
                return -ENOMEM;
        s->listen_fd = -EBADF;
        s->name = strdup(bus_name);
        if (!s->name)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->objects = objects;
        map_init(&s->children, BUS_OBJECTS_MAX);
        s->system_instance = system_instance;
        s->userdata = userdata;
        r = sd_event_add_exit(event, &s->exit, server_on_exit, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

BusServer *bus_server_free(BusServer *s) {
        if (!s)
                return NULL;

        s->gone = NULL;
        while (s->links)
                link_free(s->links);
        auth_query_free_all(s->queries);
        children_done(s);
        sd_event_source_disable_unref(s->listener);
        sd_event_source_disable_unref(s->exit);
        closep(&s->listen_fd);
        sd_event_unref(s->event);
        free(s->name);
        return mfree(s);
}

void bus_server_set_userdata(BusServer *s, void *userdata) {
        assert(!s->links);

        s->userdata = userdata;
}

int bus_server_listen(BusServer *s, int fd) {
        int r;

        assert(!s->listener);

        r = sd_event_add_io(s->event, &s->listener, fd, EPOLLIN, server_on_connection, s);
        if (r < 0)
                return r;
        s->listen_fd = fd;
        (void) sd_event_source_set_description(s->listener, "bus-listener");
        return 0;
}

int bus_server_join(BusServer *s, bool system_bus) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = system_bus ? sd_bus_open_system(&bus) : sd_bus_open_user(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_exit_on_disconnect(bus, false);
        if (r < 0)
                return r;
        r = sd_bus_request_name_async(bus, NULL, s->name, 0, NULL, NULL);
        if (r < 0)
                return r;
        r = server_attach(s, bus);
        if (r < 0)
                return r;
        r = link_new(s, bus, NULL);
        if (r < 0)
                return r;
        sd_bus_unref(TAKE_PTR(bus));
        return 0;
}

void bus_server_expect(BusServer *s, PeerRole role) {
        s->expected = role;
}

void bus_server_on_gone(BusServer *s, void (*gone)(sd_bus *bus, void *userdata), void *userdata) {
        s->gone = gone;
        s->gone_userdata = userdata;
}

size_t bus_server_n_private(const BusServer *s) {
        return s->n_private;
}

const Peer *bus_server_peer(BusServer *s, sd_bus_message *m) {
        sd_bus *bus = sd_bus_message_get_bus(m);

        for (const Link *l = s->links; l; l = l->next)
                if (l->bus == bus)
                        return l->private ? &l->peer : NULL;
        return NULL;
}

PeerRole bus_server_role(BusServer *s, sd_bus_message *m) {
        const Peer *p = bus_server_peer(s, m);

        return p ? p->role : PEER_PERSON;
}

void bus_server_changed(BusServer *s, const char *interface, const char *property, ...) {
        char *names[PROPERTIES_MAX + 1];
        va_list ap;

        va_start(ap, property);
        collect_names(property, ap, names);
        va_end(ap);
        bus_server_object_changed_strv(s, BUS_PATH, interface, names);
}

void bus_server_signal(
                BusServer *s, const char *interface, const char *member, const char *types, ...) {
        for (Link *l = s->links; l; l = l->next) {
                va_list ap;

                if (bus_is_slow(l->bus))
                        continue;
                va_start(ap, types);
                (void) sd_bus_emit_signalv(l->bus, BUS_PATH, interface, member, types, ap);
                va_end(ap);
        }
}

AuthQuery **bus_server_queries(BusServer *s) {
        return &s->queries;
}

bool bus_is_slow(sd_bus *bus) {
        uint64_t n;

        return sd_bus_get_n_queued_write(bus, &n) < 0 || n > SLOW_QUEUE;
}
