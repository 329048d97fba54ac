#include "tests/unit/http-server.h"

#include <netinet/in.h>

#include "basic/buffer.h"
#include "tests/unit/unit.h"

#define REQUEST_MAX (64 * 1024)

struct HttpPeer {
        HttpServer *server;
        sd_event_source *io, *later;
        int fd;
        Buffer in, out;
        unsigned n_sent;
        bool keep; /* the connection lives on after what is to be sent */
};

static void peer_free(HttpPeer *p) {
        if (!p)
                return;
        sd_event_source_disable_unref(p->io);
        sd_event_source_disable_unref(p->later);
        closep(&p->fd);
        buffer_done(&p->in);
        buffer_done(&p->out);
        free(p);
}

static void peer_close(HttpPeer *p) {
        HttpServer *s = p->server;

        for (unsigned i = 0; i < s->n_peers; i++)
                if (s->peers[i] == p)
                        s->peers[i] = NULL;
        s->n_closed++;
        peer_free(p);
}

static void peer_say(HttpPeer *p, const char *text) {
        assert_int_equal(buffer_add_string(&p->out, text), 0);
        assert_true(sd_event_source_set_io_events(p->io, EPOLLIN | EPOLLOUT) >= 0);
}

static void peer_answer(HttpPeer *p, const char *head, const char *body) {
        _cleanup_buffer_ Buffer text;

        buffer_init(&text, REQUEST_MAX);
        assert_int_equal(buffer_addf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head,
                                         strlen(body), body),
                        0);
        p->keep = true;
        peer_say(p, text.data);
}

static void do_hello(HttpPeer *p) {
        peer_answer(p, "200 OK\r\nContent-Type: text/plain", "hello");
}

static void do_missing(HttpPeer *p) {
        peer_answer(p, "404 Not Found\r\nRetry-After: 7", "no such model");
}

static void do_request(HttpPeer *p) {
        peer_answer(p, "200 OK", p->in.data);
}

static void do_mute(HttpPeer *p) {
        p->keep = true;
}

static void do_head(HttpPeer *p) {
        p->keep = true;
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
}

static void do_stall(HttpPeer *p) {
        do_head(p);
        peer_say(p, "data: 1\n\n");
}

static void do_close(HttpPeer *p) {
        peer_say(p, "");
}

static void do_cut(HttpPeer *p) {
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}

static void do_garbage(HttpPeer *p) {
        peer_say(p, "SSH-2.0-OpenSSH_9.2p1\r\n");
}

static void do_redirect(HttpPeer *p) {
        peer_answer(p, "302 Found\r\nLocation: /hello", "look there");
}

static void do_loop(HttpPeer *p) {
        peer_answer(p, "302 Found\r\nLocation: /loop", "");
}

static void do_elsewhere(HttpPeer *p) {
        _cleanup_buffer_ Buffer head;

        buffer_init(&head, 256);
        assert_int_equal(buffer_addf(&head, "307 Moved\r\nLocation: http://localhost:%u/request",
                                         p->server->port),
                        0);
        peer_answer(p, head.data, "");
}

static void do_file(HttpPeer *p) {
        peer_answer(p, "302 Found\r\nLocation: file:///etc/passwd", "");
}

static void pour(HttpPeer *p, const char *head) {
        _cleanup_free_ char *bytes = malloc(POUR_SIZE);

        assert_non_null(bytes);
        memset(bytes, 'x', POUR_SIZE);
        peer_say(p, head);
        assert_int_equal(buffer_add(&p->out, bytes, POUR_SIZE), 0);
}

static void do_pour(HttpPeer *p) {
        pour(p, "HTTP/1.1 200 OK\r\n\r\n");
}

static void do_pour_said(HttpPeer *p) {
        pour(p, "HTTP/1.1 200 OK\r\nContent-Length: 524288\r\n\r\n");
}

static void do_long_head(HttpPeer *p) {
        peer_say(p, "HTTP/1.1 200 OK\r\n");
        for (unsigned i = 0; i < 1000; i++)
                peer_say(p, "X: 0123456789012345678901234567890123456789\r\n");
}

static void do_long_line(HttpPeer *p) {
        pour(p, "HTTP/1.1 200 OK\r\nX: ");
}

/* One chunk for each turn of a timer. */
static int on_later(sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        static const char *const chunks[] = { "3\r\none\r\n", "3\r\ntwo\r\n", "5\r\nthree\r\n",
                "0\r\n\r\n" };
        HttpPeer *p = userdata;

        peer_say(p, chunks[p->n_sent++]);
        if (p->n_sent == ELEMENTSOF(chunks))
                return 0;
        assert_true(sd_event_source_set_time_relative(source, 10 * MSEC) >= 0);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void do_chunks(HttpPeer *p) {
        p->keep = true;
        peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_true(sd_event_add_time_relative(p->server->event, &p->later, CLOCK_MONOTONIC,
                                    10 * MSEC, 1, on_later, p) >= 0);
}

static const struct {
        const char *path;
        void (*act)(HttpPeer *p);
} paths[] = {
        { "/hello", do_hello },
        { "/missing", do_missing },
        { "/request", do_request },
        { "/mute", do_mute },
        { "/head", do_head },
        { "/stall", do_stall },
        { "/close", do_close },
        { "/cut", do_cut },
        { "/garbage", do_garbage },
        { "/redirect", do_redirect },
        { "/loop", do_loop },
        { "/elsewhere", do_elsewhere },
        { "/file", do_file },
        { "/pour", do_pour },
        { "/pour-said", do_pour_said },
        { "/long-head", do_long_head },
        { "/long-line", do_long_line },
        { "/chunks", do_chunks },
};

static bool request_is_whole(const Buffer *in) {
        const char *end = strstr(in->data, "\r\n\r\n");
        const char *length = strstr(in->data, "Content-Length: ");

        return end && (!length || strlen(end + 4) >= strtoull(length + 16, NULL, 10));
}

static bool peer_serve(HttpPeer *p, const char *path, size_t size) {
        _cleanup_free_ char *copy = strndup(path, size), *body = NULL;

        assert_non_null(copy);
        if (p->server->serve)
                body = p->server->serve(copy, p->server->userdata);
        if (!body)
                return false;
        peer_answer(p, "200 OK", body);
        buffer_clear(&p->in);
        return true;
}

static void peer_act(HttpPeer *p) {
        const char *path = strchr(p->in.data, ' ') + 1;
        size_t size = strcspn(path, " ");

        p->server->n_requests++;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (strlen(paths[i].path) == size && memcmp(path, paths[i].path, size) == 0) {
                        paths[i].act(p);
                        return buffer_clear(&p->in);
                }
        if (!peer_serve(p, path, size))
                fail_msg("asked for %s", path);
}

static void peer_read(HttpPeer *p) {
        char bytes[4096];
        ssize_t n = read(p->fd, bytes, sizeof(bytes));

        if (n <= 0) {
                if (n == 0 || errno != EAGAIN)
                        peer_close(p);
                return;
        }
        assert_int_equal(buffer_add(&p->in, bytes, (size_t) n), 0);
        if (request_is_whole(&p->in))
                peer_act(p);
}

static void peer_write(HttpPeer *p) {
        ssize_t n = send(p->fd, p->out.data, p->out.size, MSG_NOSIGNAL);

        if (n < 0)
                return errno == EAGAIN ? (void) 0 : peer_close(p);
        buffer_drop(&p->out, (size_t) n);
        if (p->out.size > 0)
                return;
        if (!p->keep)
                return peer_close(p);
        assert_true(sd_event_source_set_io_events(p->io, EPOLLIN) >= 0);
}

static int on_peer(_unused_ sd_event_source *source, _unused_ int fd, uint32_t revents,
                void *userdata) {
        if (revents & EPOLLOUT)
                peer_write(userdata);
        else
                peer_read(userdata);
        return 0;
}

static int on_accept(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents,
                void *userdata) {
        HttpServer *s = userdata;
        HttpPeer *p = new0(HttpPeer, 1);

        assert_non_null(p);
        assert_true(s->n_peers < PEERS_MAX);
        p->server = s;
        p->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(p->fd >= 0);
        buffer_init(&p->in, REQUEST_MAX);
        buffer_init(&p->out, 2 * POUR_SIZE);
        assert_true(sd_event_add_io(s->event, &p->io, p->fd, EPOLLIN, on_peer, p) >= 0);
        s->peers[s->n_peers++] = p;
        return 0;
}

void http_server_listen(HttpServer *s, const struct sockaddr *address, socklen_t size) {
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, address, size), 0);
        assert_int_equal(listen(fd, 128), 0);
        s->accept = sd_event_source_disable_unref(s->accept);
        assert_true(sd_event_add_io(s->event, &s->accept, fd, EPOLLIN, on_accept, s) >= 0);
        assert_true(sd_event_source_set_io_fd_own(s->accept, true) >= 0);
}

void http_server_done(HttpServer *s) {
        for (unsigned i = 0; i < s->n_peers; i++)
                peer_free(s->peers[i]);
        s->accept = sd_event_source_disable_unref(s->accept);
}
