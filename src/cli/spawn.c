/* Programs with a socket. */
#include "spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "basic/option.h"
#include "basic/paths.h"

#define LISTEN_FD 3
#define BACKLOG   1024 /* who comes while we are busy waits, and is not turned away */

static int pass_streams(const Spawn *s) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
                return -errno;
        if (s->output_fd >= 0 && (dup2(s->output_fd, STDOUT_FILENO) < 0 ||
                                                 dup2(s->output_fd, STDERR_FILENO) < 0))
                return -errno;
        if (s->listen_fd == LISTEN_FD ? fcntl(LISTEN_FD, F_SETFD, 0) < 0
                                      : dup2(s->listen_fd, LISTEN_FD) < 0)
                return -errno;
        return close_range(LISTEN_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int pass_environment(const Spawn *s) {
        char pid[16];

        (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
        if (setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0 ||
                        setenv("LISTEN_FDNAMES", s->name, 1) < 0 || unsetenv("WATCHDOG_USEC") < 0 ||
                        unsetenv("WATCHDOG_PID") < 0)
                return -errno;
        if (s->log_level && setenv("PYLON_LOG", s->log_level, 0) < 0)
                return -errno;
        if (s->notify_path)
                return setenv("NOTIFY_SOCKET", s->notify_path, 1) < 0 ? -errno : 0;
        return unsetenv("NOTIFY_SOCKET") < 0 ? -errno : 0;
}

static int limit_files(const Spawn *s) {
        struct rlimit l;

        if (s->n_files == 0)
                return 0;
        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        l.rlim_cur = MIN((rlim_t) s->n_files, l.rlim_max);
        return setrlimit(RLIMIT_NOFILE, &l) < 0 ? -errno : 0;
}

/* In the new process. */
static _Noreturn void become(const Spawn *s, pid_t parent) {
        const char *argv[5] = { s->program };
        size_t n = 1;
        sigset_t none;

        if (s->option)
                argv[n++] = s->option;
        if (s->config) {
                argv[n++] = "--config";
                argv[n++] = s->config;
        }
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        /* When we are killed it is too: services that go on without us would be in the way of the
         * next start, and nothing of theirs gets lost by it. A parent that is gone already sends
         * nothing. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || pass_streams(s) < 0 ||
                        pass_environment(s) < 0 || limit_files(s) < 0)
                _exit(EXIT_FAILURE);
        (void) execv(s->program, (char *const *) argv);
        (void) dprintf(STDERR_FILENO, "%s: %s\n", s->program, strerror(errno));
        _exit(EXIT_UNAVAILABLE);
}

int spawn(const Spawn *s, pid_t *ret) {
        pid_t parent = getpid(), pid;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become(s, parent);
        *ret = pid;
        return 0;
}

int bind_socket(const char *path, int *ret) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) > SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        (void) unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
                        chmod(path, 0600) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}
