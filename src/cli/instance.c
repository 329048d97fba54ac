/* The running instance, seen from outside. */
#include "instance.h"

#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/buffer.h"
#include "basic/file.h"

#define ANSWER_MAX      16384
#define ANSWER_DEADLINE (5 * SEC)
#define TRIES           50 /* for the moment between taking the lock and writing the PID */

static int find_once(const char *path, Instance *ret) {
        _cleanup_close_ int fd = -EBADF;
        pid_t before = 0, after = 0;
        int r;

        r = lock_probe(path, &before);
        if (r <= 0)
                return r;
        fd = before > 0 ? pidfd_open(before, 0) : -EBADF;
        /* Still held by the same one: so the descriptor is of that process, not of a later one
         * which got its number. */
        r = lock_probe(path, &after);
        if (r <= 0)
                return r;
        if (fd < 0 || before != after)
                return -EAGAIN;
        *ret = (Instance){ .pid = before, .pidfd = TAKE_FD(fd) };
        return 1;
}

int instance_find(const Paths *paths, Instance *ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = paths_file(paths, "pylon.pid", &path);
        if (r < 0)
                return r;
        for (int i = 0; i < TRIES; i++) {
                r = find_once(path, ret);
                if (r != -EAGAIN)
                        return r;
                (void) poll(NULL, 0, 10);
        }
        return r;
}

bool instance_runs(const Paths *paths) {
        Instance i = INSTANCE_INIT;
        bool runs = instance_find(paths, &i) > 0;

        instance_done(&i);
        return runs;
}

void instance_done(Instance *i) {
        closep(&i->pidfd);
}

int instance_signal(const Instance *i, int signal) {
        return pidfd_send_signal(i->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int instance_wait(const Instance *i, usec_t timeout) {
        struct pollfd p = { .fd = i->pidfd, .events = POLLIN };
        int n;

        n = poll(&p, 1, (int) MIN(timeout / MSEC, (usec_t) INT32_MAX));
        return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int control_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval limit = { .tv_sec = ANSWER_DEADLINE / SEC };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) > SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
                        connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int read_answer(int fd, Buffer *b) {
        char bytes[1024];
        ssize_t n;
        int r;

        while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
                r = buffer_add(b, bytes, (size_t) n);
                if (r < 0)
                        return r;
        }
        if (n < 0)
                return errno == EAGAIN ? -ETIMEDOUT : -errno;
        return b->size > 0 ? 0 : -ECONNRESET;
}

int instance_ask(const Paths *paths, const char *request, char **ret_answer) {
        _cleanup_buffer_ Buffer b = { .max = ANSWER_MAX };
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        char line[64];
        int n, r;

        r = paths_file(paths, "control.sock", &path);
        if (r < 0)
                return r;
        fd = control_connect(path);
        if (fd < 0)
                return fd;
        n = snprintf(line, sizeof(line), "\"%s\"\n", request);
        if (send(fd, line, (size_t) n, MSG_NOSIGNAL) != n)
                return -EPIPE;
        r = read_answer(fd, &b);
        if (r < 0)
                return r;
        *ret_answer = buffer_take(&b, NULL);
        return *ret_answer ? 0 : -ENOMEM;
}
