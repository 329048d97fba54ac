/* pylon start: by systemd where its units are installed, else by forking a supervisor. */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "basic/file.h"
#include "call.h"
#include "instance.h"
#include "manager.h"
#include "out.h"
#include "supervisor.h"
#include "verb.h"

#define ALREADY "AlreadyRunning"

static int say_started(const Cli *cli, pid_t pid, bool already) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (already)
                cli_say(cli, _("Pylon is running already (process %d)."), (int) pid);
        else
                cli_say(cli, _("Pylon is up (process %d)."), (int) pid);
        if (!cli->args.json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_boolean(&o, "running", true);
        out_boolean(&o, "already", already);
        out_number(&o, "pid", pid);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What must be there before anything is started. */
static int check_before(const Cli *cli) {
        _cleanup_free_ char *identity = NULL;
        int r;

        r = mkdir_p(cli->paths->data);
        if (r >= 0)
                r = mkdir_p(cli->paths->run);
        if (r < 0)
                return cli_fail(cli, "CannotCreate", _("The folder \"%s\" could not be made: %s."),
                                cli->paths->run, strerror(-r));
        if (paths_file(cli->paths, "identity.mnemonic", &identity) < 0)
                return cli_out_of_memory(cli);
        if (access(identity, F_OK) < 0 && errno == ENOENT)
                return cli_fail(cli, "NoKey", "%s", _("This Pylon has no identity yet."));
        return EXIT_SUCCESS;
}

static int take_pid_file(const Cli *cli, char **ret_path, int *ret_fd, pid_t *ret_holder) {
        int r;

        r = paths_file(cli->paths, "pylon.pid", ret_path);
        return r < 0 ? r : lock_file(*ret_path, ret_fd, ret_holder);
}

static int start_foreground(const Cli *cli) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int lock = -EBADF;
        pid_t holder = 0;
        int r;

        r = take_pid_file(cli, &path, &lock, &holder);
        if (r == -EAGAIN)
                return cli_fail(cli, ALREADY, _("Pylon is running already (process %d)."),
                                (int) holder);
        if (r < 0)
                return cli_fail(cli, "CannotCreate", _("The PID file could not be made: %s."),
                                strerror(-r));
        r = supervisor_run(cli, -EBADF);
        (void) unlink(path);
        return r;
}

/* Standard streams of a daemon; the log takes stderr over, and is English. */
static int leave_terminal(void) {
        _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void) setlocale(LC_MESSAGES, "C");
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
                        dup2(null, STDERR_FILENO) < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}

/* In the daemon. What goes wrong is told through the pipe. */
static int run_daemon(const Cli *cli, int report) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int lock = -EBADF;
        pid_t holder = 0;
        int r;

        r = leave_terminal();
        if (r >= 0)
                r = take_pid_file(cli, &path, &lock, &holder);
        if (r == -EAGAIN)
                (void) dprintf(report, "%s\n%d", ALREADY, (int) holder);
        else if (r < 0)
                (void) dprintf(report, "CannotCreate\n%s", strerror(-r));
        if (r < 0) {
                (void) close(report);
                return EXIT_FAILURE;
        }
        r = supervisor_run(cli, report);
        (void) unlink(path);
        return r;
}

/* Twice, so that the daemon leads no session and never gets a terminal. Returns in the caller with
 * 1 and the pipe's end, in the daemon with 0 and the other. */
static int fork_twice(int *ret_fd) {
        int fds[2];
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fflush(NULL);
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid > 0) {
                (void) close(fds[1]);
                (void) waitpid(pid, NULL, 0);
                *ret_fd = fds[0];
                return 1;
        }
        (void) close(fds[0]);
        (void) setsid();
        pid = fork();
        if (pid != 0)
                _exit(pid < 0);
        *ret_fd = fds[1];
        return 0;
}

static void read_report(int fd, char *text, size_t size) {
        size_t n = 0;
        ssize_t k;

        while (n < size - 1 && (k = read(fd, text + n, size - 1 - n)) != 0)
                if (k > 0)
                        n += (size_t) k;
                else if (errno != EINTR)
                        break;
        text[n] = '\0';
}

static int wait_for_daemon(const Cli *cli, int fd) {
        Instance i = INSTANCE_INIT;
        char text[REPORT_MAX], *message;
        pid_t pid = 0;

        read_report(fd, text, sizeof(text));
        message = strchr(text, '\n');
        if (!message)
                return cli_fail(cli, "StartFailed", "%s",
                                _("Pylon could not start: the supervisor ended without a reason."));
        *message++ = '\0';
        if (!streq(text, REPORT_READY) && !streq(text, ALREADY))
                return cli_fail(cli, text, _("Pylon could not start: %s"), message);
        if (instance_find(cli->paths, &i) > 0)
                pid = i.pid;
        instance_done(&i);
        return say_started(cli, pid, streq(text, ALREADY));
}

static int start_daemon(const Cli *cli) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = fork_twice(&fd);
        if (r < 0)
                return cli_fail(cli, "StartFailed", _("Pylon could not start: %s"), strerror(-r));
        return r > 0 ? wait_for_daemon(cli, fd) : run_daemon(cli, TAKE_FD(fd));
}

/* systemd starts it; the mode is then told to who keeps it. */
static int start_units(Cli *cli) {
        static const char *const units[] = { "pylon.target", NULL };
        _cleanup_(out_done) Out o = OUT_INIT;
        int r;

        r = manager_do(cli->scope, "start", units);
        if (r != 0)
                return cli_fail(cli, "StartFailed", "%s",
                                _("systemd could not start pylon.target."));
        r = call_mode(cli, cli->args.mode);
        if (r != EXIT_SUCCESS)
                return r;
        cli_say(cli, "%s", _("Pylon is up; systemd keeps it."));
        if (!cli->args.json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_boolean(&o, "running", true);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Two instances would take each other's sockets away, so whoever runs is asked about first. */
static int start_self_fork(Cli *cli) {
        Instance i = INSTANCE_INIT;
        int r;

        if (manager_runs_pylon(SCOPE_USER))
                return cli_fail(cli, ALREADY, "%s",
                                _("Pylon is running already; systemd keeps it."));
        r = check_before(cli);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.foreground)
                return start_foreground(cli);
        if (instance_find(cli->paths, &i) <= 0)
                return start_daemon(cli);
        instance_done(&i);
        r = cli->args.mode_given ? call_mode(cli, cli->args.mode) : EXIT_SUCCESS;
        return r != EXIT_SUCCESS ? r : say_started(cli, i.pid, true);
}

int verb_start(Cli *cli) {
        const Arguments *a = &cli->args;
        bool explicit = a->detach || a->foreground;

        if (a->detach && a->foreground)
                return cli_fail(cli, "Usage", "%s", _("Only one of -d and -f can be given."));
        if (cli->scope == SCOPE_SYSTEM)
                return manager_has_pylon(SCOPE_SYSTEM)
                                       ? start_units(cli)
                                       : cli_fail(cli, "NotInstalled", "%s",
                                                         _("The system instance is started by systemd, which has no pylon.target."));
        if (explicit || instance_runs(cli->paths) || !manager_has_pylon(SCOPE_USER))
                return start_self_fork(cli);
        return start_units(cli);
}
