/* The server's side of control.sock. */
#include "control-socket.h"

#include <stdio.h>
#include <sys/socket.h>

#include "basic/log.h"
#include "spawn.h"

#define CLIENTS_MAX 64
#define DEADLINE    (5 * SEC)

struct ControlClient {
        ControlSocket *socket;
        int fd;
        sd_event_source *input, *timer;
        Buffer line;
        bool asked; /* the request is with the handler */
        ControlClient *prev, *next;
};

struct ControlSocket {
        sd_event *event;
        char *path;
        int fd;
        sd_event_source *connection;
        const ControlHandler *handler;
        void *userdata;
        ControlClient *first, *last; /* the oldest first */
        size_t n_clients;
};

static void client_free(ControlClient *c) {
        ControlSocket *s = c->socket;

        *(c->prev ? &c->prev->next : &s->first) = c->next;
        *(c->next ? &c->next->prev : &s->last) = c->prev;
        s->n_clients--;
        sd_event_source_disable_unref(c->input);
        sd_event_source_disable_unref(c->timer);
        closep(&c->fd);
        buffer_done(&c->line);
        free(c);
}

static void client_leave(ControlClient *c) {
        if (c->asked)
                c->socket->handler->gone(c, c->socket->userdata);
        client_free(c);
}

/* A socket that is closed with something unread in it takes the answer back. */
static void client_skip_rest(const ControlClient *c) {
        char bytes[1024];

        for (int i = 0; i < 64 && recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
                ;
}

void control_answer(ControlClient *c, const char *line, size_t size) {
        client_skip_rest(c);
        /* A line fits into any socket buffer; who does not take it has lost it. */
        (void) send(c->fd, line, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        client_free(c);
}

static void client_refuse(ControlClient *c, const char *reason) {
        _cleanup_buffer_ Buffer b = { .max = CONTROL_LINE_MAX };

        (void) control_write_error(reason, &b);
        control_answer(c, b.data ?: "", b.size);
}

static int client_on_deadline(
                _unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        client_leave(userdata);
        return 0;
}

static void client_dispatch(ControlClient *c, size_t size) {
        const char *reason = "there is no memory";
        ControlRequest request;

        if (control_request_parse(c->line.data, size, &request, &reason) < 0) {
                client_refuse(c, reason);
                return;
        }
        c->asked = true;
        (void) sd_event_source_set_enabled(c->input, SD_EVENT_OFF); /* one request each */
        c->socket->handler->request(c, request, c->socket->userdata);
}

static int client_on_input(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        ControlClient *c = userdata;
        char bytes[256];
        const char *end;
        ssize_t n;

        n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                if (n == 0 && c->line.size > 0) /* the end of the input ends the line too */
                        client_dispatch(c, c->line.size);
                else
                        client_leave(c);
                return 0;
        }
        if (buffer_add(&c->line, bytes, (size_t) n) < 0) {
                client_refuse(c, "the request is too long");
                return 0;
        }
        end = memchr(c->line.data, '\n', c->line.size);
        if (end)
                client_dispatch(c, (size_t) (end - c->line.data));
        return 0;
}

static int client_new(ControlSocket *s, int fd) {
        ControlClient *c = new0(ControlClient, 1);
        int r;

        if (!c) {
                (void) close(fd);
                return -ENOMEM;
        }
        *c = (ControlClient){ .socket = s, .fd = fd, .prev = s->last };
        buffer_init(&c->line, CONTROL_LINE_MAX);
        *(s->last ? &s->last->next : &s->first) = c;
        s->last = c;
        s->n_clients++;

        r = sd_event_add_io(s->event, &c->input, fd, EPOLLIN, client_on_input, c);
        if (r >= 0)
                r = sd_event_add_time_relative(s->event, &c->timer, CLOCK_MONOTONIC, DEADLINE,
                                100 * MSEC, client_on_deadline, c);
        if (r < 0)
                client_free(c);
        return r;
}

static int on_connection(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        ControlSocket *s = userdata;
        int client, r;

        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
                return 0;
        if (s->n_clients >= CLIENTS_MAX)
                client_leave(s->first); /* who has waited longest had its time */
        r = client_new(s, client);
        if (r < 0)
                (void) log_warning_errno(r, "A client of control.sock was turned away: %m");
        return 0;
}

int control_socket_new(sd_event *event, const char *path, const ControlHandler *handler,
                void *userdata, ControlSocket **ret) {
        _cleanup_(control_socket_freep) ControlSocket *s = new0(ControlSocket, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->fd = -EBADF;
        s->event = event;
        s->handler = handler;
        s->userdata = userdata;
        s->path = strdup(path);
        if (!s->path)
                return -ENOMEM;
        r = bind_socket(s->path, &s->fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &s->connection, s->fd, EPOLLIN, on_connection, s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

ControlSocket *control_socket_free(ControlSocket *s) {
        if (!s)
                return NULL;
        while (s->first)
                client_free(s->first);
        sd_event_source_disable_unref(s->connection);
        if (s->fd >= 0)
                (void) unlink(s->path);
        closep(&s->fd);
        free(s->path);
        return mfree(s);
}
