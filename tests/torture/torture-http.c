/* A request to a server that sends on for ever: whichever allocation fails, it ends once. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "net/http.h"
#include "tests/torture/torture.h"

typedef struct World {
        sd_event *event;
        sd_event_source *accept;
        Http *http;
        HttpCall *call;
        unsigned n_done, n_peers;
        int error, peers[2];
} World;

static int on_accept(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        World *w = userdata;
        const char text[] =
                        "HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";

        /* Closed at the end: with the request unread in it that would take the answer back. */
        if (peer < 0 || w->n_peers == ELEMENTSOF(w->peers))
                abort();
        w->peers[w->n_peers++] = peer;
        (void) send(peer, text, strlen(text), MSG_NOSIGNAL);
        return 0;
}

static void on_done(_unused_ HttpCall *call, int error, _unused_ const char *reason,
                _unused_ const HttpAnswer *answer, void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->error = error;
}

static int serve(World *w, uint16_t *ret_port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(a);
        int fd, r;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &a, sizeof(a)) < 0 || listen(fd, 8) < 0 ||
                        getsockname(fd, (struct sockaddr *) &a, &size) < 0)
                return -errno;
        r = sd_event_add_io(w->event, &w->accept, fd, EPOLLIN, on_accept, w);
        if (r < 0)
                return r;
        *ret_port = ntohs(a.sin_port);
        return sd_event_source_set_io_fd_own(w->accept, true);
}

static int ask(World *w, uint16_t port) {
        char *headers[] = { (char *) "X: y", NULL };
        char url[64];
        HttpRequest request = { .url = url, .headers = headers, .redirects_max = 1 };
        const char *reason = NULL;
        int r;

        (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
        r = http_new(w->event, "", &w->http);
        if (r < 0)
                return r;
        r = http_start(w->http, &request, NULL, on_done, w, &w->call, &reason);
        if (r < 0)
                return r;

        while (w->n_done == 0) {
                r = sd_event_run(w->event, 20 * SEC);
                if (r <= 0)
                        return r < 0 ? r : TORTURE_WRONG; /* nothing will ever happen */
        }
        RIGHT(w->n_done == 1);
        return w->error == -ELOOP ? 0 : w->error; /* the second redirect is one too many */
}

static int run_request(void) {
        World w = { 0 };
        uint16_t port = 0;
        int r;

        r = sd_event_new(&w.event);
        if (r >= 0)
                r = serve(&w, &port);
        if (r >= 0)
                r = ask(&w, port);
        http_call_free(w.call);
        http_unref(w.http);
        for (unsigned i = 0; i < w.n_peers; i++)
                closep(&w.peers[i]);
        sd_event_source_disable_unref(w.accept);
        sd_event_unref(w.event);
        return r;
}

const TortureCase torture_http_cases[] = {
        { "an HTTP request ends once", run_request },
        { 0 },
};
