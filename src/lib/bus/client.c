#include "bus/client.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "basic/log.h"
#include "bus/names.h"

#define CALLS_MAX   4096
#define MATCHES_MAX 8
#define PAUSE_FIRST (20 * MSEC)
#define PAUSE_MAX   (5 * SEC)

struct BusCall {
        BusClient *client;
        sd_bus_message *message; /* kept until the answer: copied where it must be repeated */
        sd_bus_slot *slot;       /* set while it is on the way */
        usec_t deadline;         /* CLOCK_MONOTONIC; 0: none */
        bus_reply_t done;
        void *userdata;
        BusCall **handle; /* the caller's pointer to us, cleared when we are gone */
        BusCall *prev, *next;
};

typedef struct Match {
        const char *interface, *member;
        sd_bus_message_handler_t handler;
        void *userdata;
} Match;

struct BusClient {
        sd_event *event;
        char *socket_path;
        sd_bus *bus;     /* NULL: no connection */
        sd_bus *scratch; /* never speaks; messages made while there is no connection hang on it */
        int scratch_peer;
        sd_event_source *retry, *timer;
        usec_t pause, armed;
        Match matches[MATCHES_MAX];
        size_t n_matches;
        BusCall *first, *last;
        size_t n_calls;
        bool stay;
        void (*up)(void *userdata);
        void (*down)(void *userdata);
        void *userdata;
};

static int client_connect(BusClient *c);

BusCall *bus_call_free(BusCall *call) {
        BusClient *c;

        if (!call)
                return NULL;

        c = call->client;
        *(call->prev ? &call->prev->next : &c->first) = call->next;
        *(call->next ? &call->next->prev : &c->last) = call->prev;
        c->n_calls--;
        if (call->handle)
                *call->handle = NULL;
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        return mfree(call);
}

static void call_finish(BusCall *call, sd_bus_message *reply, int error, const char *name,
                const char *reason) {
        bus_reply_t done = call->done;
        void *userdata = call->userdata;

        bus_call_free(call);
        if (done)
                done(reply, error, name, reason, userdata);
}

static int call_on_reply(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *ret_error) {
        BusCall *call = userdata;
        const sd_bus_error *error;
        int r;

        call->slot = sd_bus_slot_unref(call->slot);

        if (!sd_bus_message_is_method_error(m, NULL)) {
                call_finish(call, m, 0, "", NULL);
                return 0;
        }
        /* The connection ended under it: sd-bus says so in an error of its own making. */
        if (sd_bus_is_open(sd_bus_message_get_bus(m)) <= 0)
                return 0;

        error = sd_bus_message_get_error(m);
        r = sd_bus_error_get_errno(error);
        call_finish(call, NULL, r > 0 ? -r : -EIO, error->name,
                        error->message ?: "no reason was given");
        return 0;
}

/* A message belongs to the connection it was made for, so a repeated one is copied over. */
static int message_copy(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &copy, NULL, BUS_PATH,
                        sd_bus_message_get_interface(m), sd_bus_message_get_member(m));
        if (r < 0)
                return r;
        r = sd_bus_message_seal(m, 1, 0);
        if (r < 0 && r != -EPERM) /* sealed when it was sent before */
                return r;
        r = sd_bus_message_rewind(m, true);
        if (r < 0)
                return r;
        r = sd_bus_message_copy(copy, m, true);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(copy);
        return 0;
}

static int call_send(BusCall *call) {
        BusClient *c = call->client;
        int r;

        if (sd_bus_message_get_bus(call->message) != c->bus) {
                sd_bus_message *copy;

                r = message_copy(c->bus, call->message, &copy);
                if (r < 0)
                        return r;
                sd_bus_message_unref(call->message);
                call->message = copy;
        }
        return sd_bus_call_async(
                        c->bus, &call->slot, call->message, call_on_reply, call, UINT64_MAX);
}

/* One timer for all deadlines, armed for the earliest. */
static int client_on_timer(_unused_ sd_event_source *s, uint64_t now, void *userdata);

static void client_arm(BusClient *c) {
        usec_t earliest = UINT64_MAX;

        for (const BusCall *call = c->first; call; call = call->next)
                if (call->deadline > 0 && call->deadline < earliest)
                        earliest = call->deadline;
        if (earliest == c->armed)
                return;

        c->armed = earliest;
        c->timer = sd_event_source_disable_unref(c->timer);
        if (earliest == UINT64_MAX)
                return;
        if (sd_event_add_time(c->event, &c->timer, CLOCK_MONOTONIC, earliest, 10 * MSEC,
                            client_on_timer, c) < 0)
                c->armed = UINT64_MAX; /* tried again with the next call */
}

static BusCall *client_find_late(BusClient *c, uint64_t now) {
        for (BusCall *call = c->first; call; call = call->next)
                if (call->deadline > 0 && call->deadline <= now)
                        return call;
        return NULL;
}

static int client_on_timer(_unused_ sd_event_source *s, uint64_t now, void *userdata) {
        BusClient *c = userdata;
        BusCall *late;

        c->armed = UINT64_MAX;
        c->timer = sd_event_source_disable_unref(c->timer);
        while ((late = client_find_late(c, now)))
                call_finish(late, NULL, -ETIMEDOUT, "", "the service did not answer in time");
        client_arm(c);
        return 0;
}

static int client_on_retry(_unused_ sd_event_source *s, _unused_ uint64_t now, void *userdata) {
        BusClient *c = userdata;

        c->retry = sd_event_source_disable_unref(c->retry);
        (void) client_connect(c);
        return 0;
}

static void client_retry_later(BusClient *c) {
        uint16_t chance;
        usec_t pause;

        if (c->retry || (!c->stay && !c->first))
                return;

        c->pause = c->pause == 0 ? PAUSE_FIRST : MIN(c->pause * 2, PAUSE_MAX);
        if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != sizeof(chance))
                chance = 0; /* without chance the shorter half of the pause */
        pause = c->pause / 2 + c->pause / 2 * chance / UINT16_MAX;
        if (sd_event_add_time_relative(c->event, &c->retry, CLOCK_MONOTONIC, pause, pause / 8 + 1,
                            client_on_retry, c) < 0)
                log_debug("No timer is left to connect to %s again.", c->socket_path);
}

static int client_on_disconnect(
                _unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        BusClient *c = userdata;

        for (BusCall *call = c->first; call; call = call->next)
                call->slot = sd_bus_slot_unref(call->slot);
        c->bus = sd_bus_close_unref(c->bus);
        if (c->down)
                c->down(c->userdata);
        client_retry_later(c);
        return 0;
}

static int socket_connect(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        memcpy(sa.sun_path, path, strlen(path) + 1);

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int client_add_matches(BusClient *c, sd_bus *bus) {
        int r;

        r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                        client_on_disconnect, c);
        for (const Match *m = c->matches; r >= 0 && m < c->matches + c->n_matches; m++)
                r = sd_bus_match_signal(bus, NULL, NULL, BUS_PATH, m->interface, m->member,
                                m->handler, m->userdata);
        return r;
}

static int client_open(BusClient *c, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = socket_connect(c->socket_path);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        r = sd_bus_negotiate_fds(bus, 1);
        if (r < 0)
                return r;
        r = sd_bus_set_exit_on_disconnect(bus, false);
        if (r < 0)
                return r;
        /* Else the end of the loop waits 90 s for a service that does not come. */
        r = sd_bus_set_close_on_exit(bus, false);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        r = client_add_matches(c, bus);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, c->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int client_connect(BusClient *c) {
        int r;

        if (c->bus || c->retry)
                return 0;

        r = client_open(c, &c->bus);
        if (r < 0) {
                (void) log_debug_errno(r, "No connection to %s: %m", c->socket_path);
                client_retry_later(c);
                return r;
        }
        c->pause = 0;
        if (c->up)
                c->up(c->userdata);

        for (BusCall *call = c->first; call; call = call->next) {
                r = call->slot ? 0 : call_send(call);
                if (r < 0)
                        (void) log_debug_errno(r, "A call to %s waits for its deadline: %m",
                                        c->socket_path);
        }
        return 0;
}

/* A connection to ourselves that nobody serves: sd-bus makes messages only for started ones. */
static int scratch_new(sd_bus **ret, int *ret_peer) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int peer = -EBADF;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        peer = fds[1];
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fds[0], fds[0]);
        if (r < 0) {
                (void) close(fds[0]);
                return r;
        }
        r = sd_bus_set_server(bus, 1, SD_ID128_ALLF);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        *ret_peer = TAKE_FD(peer);
        return 0;
}

int bus_client_new(sd_event *event, const char *socket_path, BusClient **ret) {
        _cleanup_(bus_client_freep) BusClient *c = NULL;

        c = new0(BusClient, 1);
        if (!c)
                return -ENOMEM;
        c->armed = UINT64_MAX;
        c->scratch_peer = -EBADF;
        c->event = sd_event_ref(event);
        c->socket_path = strdup(socket_path);
        if (!c->socket_path)
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

BusClient *bus_client_free(BusClient *c) {
        if (!c)
                return NULL;

        while (c->first)
                bus_call_free(c->first);
        sd_bus_close_unref(c->bus);
        sd_bus_close_unref(c->scratch);
        closep(&c->scratch_peer);
        sd_event_source_disable_unref(c->retry);
        sd_event_source_disable_unref(c->timer);
        sd_event_unref(c->event);
        free(c->socket_path);
        return mfree(c);
}

void bus_client_on_state(BusClient *c, void (*up)(void *userdata), void (*down)(void *userdata),
                void *userdata) {
        c->up = up;
        c->down = down;
        c->userdata = userdata;
}

void bus_client_stay(BusClient *c, bool stay) {
        c->stay = stay;
        if (stay)
                (void) client_connect(c);
}

bool bus_client_is_up(const BusClient *c) {
        return c->bus;
}

int bus_client_match(BusClient *c, const char *interface, const char *member,
                sd_bus_message_handler_t handler, void *userdata) {
        assert(!c->bus);

        if (c->n_matches >= MATCHES_MAX)
                return -ENOBUFS;
        c->matches[c->n_matches++] = (Match){ interface, member, handler, userdata };
        return 0;
}

int bus_client_message(
                BusClient *c, const char *interface, const char *member, sd_bus_message **ret) {
        int r;

        (void) client_connect(c);
        if (!c->bus && !c->scratch) {
                r = scratch_new(&c->scratch, &c->scratch_peer);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_new_method_call(
                        c->bus ?: c->scratch, ret, NULL, BUS_PATH, interface, member);
}

/* The connection ended, and its Disconnected has not been read yet. */
static bool is_disconnect(int r) {
        return r == -ENOTCONN || r == -ECONNRESET || r == -EPIPE || r == -ESHUTDOWN;
}

int bus_client_call(BusClient *c, sd_bus_message *m, usec_t deadline, bus_reply_t done,
                void *userdata, BusCall **ret) {
        BusCall *call;
        uint64_t now;
        int r;

        if (c->n_calls >= CALLS_MAX)
                return -ENOBUFS;
        r = sd_event_now(c->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;

        call = new0(BusCall, 1);
        if (!call)
                return -ENOMEM;
        *call = (BusCall){
                .client = c,
                .message = sd_bus_message_ref(m),
                .deadline = deadline > 0 ? now + deadline : 0,
                .done = done,
                .userdata = userdata,
                .prev = c->last,
        };
        *(c->last ? &c->last->next : &c->first) = call;
        c->last = call;
        c->n_calls++;

        if (c->bus) {
                r = call_send(call);
                if (is_disconnect(r))
                        r = 0; /* sd-bus tells of the end later; the call waits for the next one */
                if (r < 0) {
                        bus_call_free(call);
                        return r;
                }
        } else
                client_retry_later(c);
        if (deadline > 0)
                client_arm(c);
        if (ret)
                *ret = call;
        call->handle = ret;
        return 0;
}

size_t bus_client_n_waiting(const BusClient *c) {
        return c->n_calls;
}
