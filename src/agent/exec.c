#include "exec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "basic/buffer.h"
#include "basic/file.h"
#include "basic/log.h"

#define READ_SIZE     (16 * 1024)
#define LOG_LINES_MAX 64 /* of its standard error; the rest is not read by anybody */
#define LOG_LINE_MAX  512
#define REASON_MAX    160

struct Exec {
        sd_event *event;
        exec_done_t done;
        void *userdata;
        pid_t pid;
        int out, err;
        sd_event_source *exited, *output, *errors, *deadline;
        Buffer answer, line;
        unsigned n_lines;
        char reason[REASON_MAX]; /* why it was stopped; "": it ended by itself */
};

/* ---- in the new process */

static int pass_streams(int in, int out, int err) {
        if (lseek(in, 0, SEEK_SET) < 0 || dup2(in, STDIN_FILENO) < 0 ||
                        dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
                return -errno;
        return close_range(STDERR_FILENO + 1, ~0U, 0) < 0 ? -errno : 0;
}

static _Noreturn void become(const ExecOrder *o, pid_t parent, int in, int out, int err) {
        char agent[128];
        char *environment[] = { (char *) "PATH=/usr/local/bin:/usr/bin:/bin", (char *) "HOME=/",
                (char *) "LANG=C.UTF-8", agent, NULL };
        sigset_t none;

        (void) snprintf(agent, sizeof(agent), "PYLON_AGENT=%s", o->agent);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
                        chdir("/") < 0 || pass_streams(in, out, err) < 0)
                _exit(EXIT_FAILURE);
        (void) execve(o->argv[0], o->argv, environment);
        (void) dprintf(STDERR_FILENO, "%s: %s\n", o->argv[0], strerror(errno));
        _exit(127);
}

/* ---- here */

static void kill_all(Exec *x) {
        if (x->pid > 0)
                (void) kill(-x->pid, SIGKILL);
}

static void stop(Exec *x, const char *reason) {
        if (!*x->reason)
                (void) snprintf(x->reason, sizeof(x->reason), "%s", reason);
        x->output = sd_event_source_disable_unref(x->output);
        kill_all(x); /* on_exit() follows */
}

static void log_lines(Exec *x, bool all) {
        while (x->line.size > 0) {
                char *end = memchr(x->line.data, '\n', x->line.size);
                size_t n = end ? (size_t) (end - x->line.data) : x->line.size;

                if (!end && !all && n < LOG_LINE_MAX)
                        return;
                n = MIN(n, (size_t) LOG_LINE_MAX);
                if (n > 0 && x->n_lines++ < LOG_LINES_MAX)
                        log_info("mind: %.*s", (int) n, x->line.data);
                buffer_drop(&x->line, MIN(n + (end == x->line.data + n), x->line.size));
        }
}

/* 1: there may be more. */
static int read_some(int fd, Buffer *b) {
        ssize_t n;
        int r;

        r = buffer_reserve(b, MIN((size_t) READ_SIZE, b->max - b->size));
        if (r < 0)
                return r;
        if (b->size == b->max)
                return -ENOBUFS;
        n = read(fd, b->data + b->size, MIN((size_t) READ_SIZE, b->max - b->size));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        b->size += (size_t) n;
        b->data[b->size] = 0;
        return n > 0 ? 1 : -EPIPE;
}

static int on_output(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        Exec *x = userdata;
        int r;

        r = read_some(fd, &x->answer);
        if (r == -EPIPE)
                x->output = sd_event_source_disable_unref(x->output);
        else if (r == -ENOBUFS)
                stop(x, "the mind wrote too much");
        else if (r < 0)
                stop(x, "what the mind wrote cannot be read");
        return 0;
}

static int on_errors(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        Exec *x = userdata;
        int r;

        r = read_some(fd, &x->line);
        log_lines(x, r == -EPIPE);
        if (r < 0)
                x->errors = sd_event_source_disable_unref(x->errors);
        return 0;
}

static int on_deadline(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        stop(userdata, "the mind took too long");
        return 0;
}

static void describe_end(Exec *x, const siginfo_t *si) {
        if (*x->reason || (si->si_code == CLD_EXITED && si->si_status == EXIT_SUCCESS))
                return;
        if (si->si_code == CLD_EXITED && si->si_status == 127)
                (void) snprintf(x->reason, sizeof(x->reason), "the mind cannot be run");
        else if (si->si_code == CLD_EXITED)
                (void) snprintf(x->reason, sizeof(x->reason), "the mind ended with exit status %d",
                                si->si_status);
        else
                (void) snprintf(x->reason, sizeof(x->reason), "the mind was ended by signal %s",
                                sigabbrev_np(si->si_status) ?: "?");
}

/* What is still in the pipes. Nobody holds them open any more but who left the group. */
static void read_rest(Exec *x) {
        while (x->output && read_some(x->out, &x->answer) == 1)
                ;
        if (x->answer.size == x->answer.max && !*x->reason)
                (void) snprintf(x->reason, sizeof(x->reason), "the mind wrote too much");
        for (unsigned i = 0; x->errors && i < LOG_LINES_MAX && read_some(x->err, &x->line) == 1;
                        i++)
                log_lines(x, false);
        log_lines(x, true);
}

static int on_ended(_unused_ sd_event_source *source, const siginfo_t *si, void *userdata) {
        Exec *x = userdata;
        exec_done_t done = TAKE_PTR(x->done);

        /* It is not reaped before this returns, so the number of its group is nobody else's. */
        kill_all(x);
        x->pid = 0;
        describe_end(x, si);
        read_rest(x);
        x->exited = sd_event_source_disable_unref(x->exited);
        x->output = sd_event_source_disable_unref(x->output);
        x->errors = sd_event_source_disable_unref(x->errors);
        x->deadline = sd_event_source_disable_unref(x->deadline);
        if (*x->reason)
                done(-ECHILD, x->reason, NULL, 0, x->userdata);
        else
                done(0, NULL, x->answer.data ?: "", x->answer.size, x->userdata);
        return 0;
}

static int watch(Exec *x, usec_t timeout) {
        int r;

        r = sd_event_add_child(x->event, &x->exited, x->pid, WEXITED, on_ended, x);
        if (r >= 0) /* the answer is read before its end is looked at */
                r = sd_event_source_set_priority(x->exited, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_io(x->event, &x->output, x->out, EPOLLIN, on_output, x);
        if (r >= 0)
                r = sd_event_add_io(x->event, &x->errors, x->err, EPOLLIN, on_errors, x);
        if (r >= 0)
                r = sd_event_add_time_relative(x->event, &x->deadline, CLOCK_MONOTONIC, timeout,
                                10 * MSEC, on_deadline, x);
        return r;
}

/* A file in memory: however slowly it reads, nobody waits for it. */
static int open_input(const ExecOrder *o, int *ret) {
        _cleanup_close_ int fd = memfd_create("context", MFD_CLOEXEC);
        int r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, o->input, o->input_size);
        if (r < 0)
                return r;
        *ret = TAKE_FD(fd);
        return 0;
}

static int open_pipe(int *ret_read, int *ret_write) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ret_read = fds[0];
        *ret_write = fds[1];
        return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int run(Exec *x, const ExecOrder *o) {
        _cleanup_close_ int in = -EBADF, out = -EBADF, err = -EBADF;
        pid_t parent = getpid();
        int r;

        r = open_input(o, &in);
        if (r >= 0)
                r = open_pipe(&x->out, &out);
        if (r >= 0)
                r = open_pipe(&x->err, &err);
        if (r < 0)
                return r;
        x->pid = fork();
        if (x->pid < 0)
                return -errno;
        if (x->pid == 0)
                become(o, parent, in, out, err);
        (void) setpgid(x->pid, x->pid); /* whoever of us comes first */
        return watch(x, o->timeout);
}

int exec_start(sd_event *event, const ExecOrder *order, exec_done_t done, void *userdata,
                Exec **ret) {
        _cleanup_(exec_freep) Exec *x = NULL;
        int r;

        x = new0(Exec, 1);
        if (!x)
                return -ENOMEM;
        *x = (Exec){
                .event = event, .done = done, .userdata = userdata, .out = -EBADF, .err = -EBADF
        };
        buffer_init(&x->answer, order->output_max + 1);
        buffer_init(&x->line, LOG_LINE_MAX + READ_SIZE);
        r = run(x, order);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(x);
        return 0;
}

Exec *exec_free(Exec *x) {
        if (!x)
                return NULL;
        sd_event_source_disable_unref(x->exited);
        sd_event_source_disable_unref(x->output);
        sd_event_source_disable_unref(x->errors);
        sd_event_source_disable_unref(x->deadline);
        if (x->pid > 0) {
                kill_all(x);
                (void) waitpid(x->pid, NULL, 0);
        }
        closep(&x->out);
        closep(&x->err);
        buffer_done(&x->answer);
        buffer_done(&x->line);
        return mfree(x);
}
