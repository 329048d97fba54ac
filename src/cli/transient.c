/* One service for one command. */
#include "transient.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "basic/file.h"
#include "spawn.h"
#include "supervisor.h"

#define STOP_TIMEOUT_MSEC 5000

struct Transient {
        char *pid_path, *socket_path, *run;
        int lock_fd, listen_fd;
        pid_t pid;
};

static int transient_prepare(const Cli *cli, const char *service, Transient *t) {
        int r;

        t->run = strdup(cli->paths->run);
        if (!t->run)
                return -ENOMEM;
        r = mkdir_p(t->run);
        if (r >= 0)
                r = paths_file(cli->paths, "pylon.pid", &t->pid_path);
        if (r >= 0)
                r = lock_file(t->pid_path, &t->lock_fd, NULL);
        if (r >= 0)
                r = paths_socket(cli->paths, service, &t->socket_path);
        return r < 0 ? r : bind_socket(t->socket_path, &t->listen_fd);
}

int transient_start(const Cli *cli, const char *service, Transient **ret) {
        _cleanup_(transient_freep) Transient *t = new0(Transient, 1);
        _cleanup_free_ char *program = NULL;
        Spawn plan = {
                .name = service,
                .config = cli->args.config,
                .output_fd = -EBADF,
                .log_level = "warning",
        };
        int r;

        if (!t)
                return -ENOMEM;
        t->lock_fd = t->listen_fd = -EBADF;
        r = transient_prepare(cli, service, t);
        if (r >= 0)
                r = find_program(service, &program);
        if (r < 0)
                return r;
        plan.program = program;
        plan.listen_fd = t->listen_fd;
        r = spawn(&plan, &t->pid);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static void end_process(pid_t pid) {
        _cleanup_close_ int fd = pidfd_open(pid, 0);
        struct pollfd p = { .fd = fd, .events = POLLIN };

        (void) kill(pid, SIGTERM);
        if (fd < 0 || poll(&p, 1, STOP_TIMEOUT_MSEC) <= 0)
                (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

Transient *transient_free(Transient *t) {
        if (!t)
                return NULL;
        if (t->pid > 0)
                end_process(t->pid);
        if (t->listen_fd >= 0)
                (void) unlink(t->socket_path);
        if (t->lock_fd >= 0) {
                (void) unlink(t->pid_path);
                (void) rmdir(t->run);
        }
        closep(&t->listen_fd);
        closep(&t->lock_fd);
        free(t->pid_path);
        free(t->socket_path);
        free(t->run);
        return mfree(t);
}
