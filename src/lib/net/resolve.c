/* getaddrinfo() blocks for as long as it likes, so it runs in a child with a deadline. The child
 * holds no descriptor but its end of a pipe and answers with one numeric address per line. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "basic/buffer.h"
#include "basic/text.h"
#include "net/address.h"
#include "net/resolve.h"

#define RESOLVE_USEC (10 * SEC)
#define ANSWER_MAX   (RESOLVE_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 1))

struct Resolve {
        sd_event_source *io, *deadline, *defer;
        int fd;
        pid_t child;
        Buffer answer;
        char **addresses;
        resolve_done_t done;
        void *userdata;
};

static const char *const localhost[] = { "127.0.0.1", "::1", NULL };

static void child_answer(const char *name, int fd) {
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
        struct addrinfo *list = NULL;
        char host[INET6_ADDRSTRLEN + 1];
        unsigned n = 0;

        if (getaddrinfo(name, NULL, &hints, &list) != 0)
                return;

        for (struct addrinfo *a = list; a && n < RESOLVE_ADDRESSES_MAX; a = a->ai_next, n++) {
                size_t size;

                if (getnameinfo(a->ai_addr, a->ai_addrlen, host, INET6_ADDRSTRLEN, NULL, 0,
                                    NI_NUMERICHOST) != 0)
                        continue;
                size = strlen(host);
                host[size++] = '\n';
                if (write(fd, host, size) < 0)
                        return;
        }
}

static _Noreturn void child_main(const char *name, int fd, pid_t parent) {
        sigset_t none;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);

        /* The sockets of the service must not outlive it in here. */
        if (dup2(fd, 3) < 0 || close_range(4, ~0U, 0) < 0)
                _exit(1);
        child_answer(name, 3);
        _exit(0);
}

static void resolve_stop(Resolve *q) {
        q->io = sd_event_source_disable_unref(q->io);
        q->deadline = sd_event_source_disable_unref(q->deadline);
        q->defer = sd_event_source_disable_unref(q->defer);
        closep(&q->fd);
        if (q->child > 0) {
                (void) kill(q->child, SIGKILL);
                (void) waitpid(q->child, NULL, 0); /* killed, so this does not wait */
                q->child = 0;
        }
}

static void resolve_end(Resolve *q, int error, const char *reason) {
        char **addresses = q->addresses;

        resolve_stop(q);
        q->addresses = NULL; /* done() may free us while it reads them */
        q->done(q, error, reason, addresses, q->userdata);
        strv_free(addresses);
}

static int read_addresses(Resolve *q) {
        char *text = q->answer.data ?: (char[]){ "" }, *line;
        int r;

        while ((line = strsep(&text, "\n"))) {
                if (!address_is_numeric(line))
                        continue;
                r = strv_add(&q->addresses, line);
                if (r < 0)
                        return r;
        }
        return strv_length(q->addresses) > 0 ? 0 : -EHOSTUNREACH;
}

static int on_answer(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t revents, void *userdata) {
        Resolve *q = userdata;
        char bytes[256];
        ssize_t n;
        int r;

        n = read(fd, bytes, sizeof(bytes));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0 && buffer_add(&q->answer, bytes, (size_t) n) >= 0)
                return 0;

        r = read_addresses(q);
        resolve_end(q, r, r < 0 ? "the name has no address" : NULL);
        return 0;
}

static int on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        resolve_end(userdata, -ETIMEDOUT, "the name was not resolved in time");
        return 0;
}

static int on_known(_unused_ sd_event_source *s, void *userdata) {
        resolve_end(userdata, 0, NULL);
        return 0;
}

static int resolve_fork(Resolve *q, sd_event *e, const char *name) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        pid_t parent = getpid();
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];

        q->child = fork();
        if (q->child < 0)
                return -errno;
        if (q->child == 0)
                child_main(name, theirs, parent);

        q->fd = TAKE_FD(ours);
        r = sd_event_add_io(e, &q->io, q->fd, EPOLLIN, on_answer, q);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(
                        e, &q->deadline, CLOCK_MONOTONIC, RESOLVE_USEC, SEC, on_deadline, q);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(q->io, "resolve-io");
        (void) sd_event_source_set_description(q->deadline, "resolve-deadline");
        return 0;
}

static int resolve_known(Resolve *q, sd_event *e, const char *name) {
        int r;

        if (address_is_numeric(name))
                r = strv_add(&q->addresses, name);
        else
                r = strv_copy((char *const *) localhost, &q->addresses);
        if (r < 0)
                return r;
        return sd_event_add_defer(e, &q->defer, on_known, q);
}

int resolve_name(
                sd_event *e, const char *name, resolve_done_t done, void *userdata, Resolve **ret) {
        Resolve *q;
        int r;

        q = new0(Resolve, 1);
        if (!q)
                return -ENOMEM;
        q->fd = -EBADF;
        q->done = done;
        q->userdata = userdata;
        buffer_init(&q->answer, ANSWER_MAX);

        if (address_is_numeric(name) || streq(name, "localhost"))
                r = resolve_known(q, e, name);
        else
                r = resolve_fork(q, e, name);
        if (r < 0) {
                resolve_free(q);
                return r;
        }

        *ret = q;
        return 0;
}

Resolve *resolve_free(Resolve *q) {
        if (!q)
                return NULL;

        resolve_stop(q);
        strv_free(q->addresses);
        buffer_done(&q->answer);
        return mfree(q);
}
