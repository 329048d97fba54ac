/* One service under the supervisor. */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "basic/buffer.h"
#include "basic/log.h"
#include "basic/option.h"
#include "basic/text.h"
#include "pause.h"
#include "spawn.h"

#define LINE_MAX_      4096
#define START_DEADLINE (30 * SEC)

struct Child {
        const ChildSetup *setup;
        const char *name;
        const char *option; /* NULL */
        bool on_demand;
        char *program, *socket_path;
        int listen_fd;
        ChildState state;
        pid_t pid;
        sd_event_source *connection, *exited, *timer, *output;
        sd_event_source *cleaning; /* what it left behind is taken back */
        bool start_when_clean;
        int output_fd;
        Buffer line;
        usec_t started, pause;
        unsigned restarts;
        bool late;          /* it was killed because it was not ready */
        bool says_it_stops; /* STOPPING=1: somebody else has told it to */
        char status[256], ending[320];
};

static const char *const state_names[_CHILD_STATE_MAX] = {
        [CHILD_LISTENING] = "listening",
        [CHILD_STARTING] = "starting",
        [CHILD_RUNNING] = "running",
        [CHILD_STOPPING] = "stopping",
        [CHILD_PAUSING] = "pausing",
        [CHILD_FAILED] = "failed",
        [CHILD_STOPPED] = "stopped",
};

static void child_enter(Child *c, ChildState state) {
        bool listens = state == CHILD_LISTENING || state == CHILD_FAILED;

        c->state = state;
        (void) sd_event_source_set_enabled(c->connection, listens ? SD_EVENT_ON : SD_EVENT_OFF);
        c->setup->changed(c, c->setup->userdata);
}

static int child_arm(Child *c, usec_t after, sd_event_time_handler_t handler) {
        c->timer = sd_event_source_disable_unref(c->timer);
        return sd_event_add_time_relative(
                        c->setup->event, &c->timer, CLOCK_MONOTONIC, after, 10 * MSEC, handler, c);
}

/* Lines of the service go to the log whole: several services write, and a line may come in pieces.
 */
static void child_log(Child *c, bool all) {
        char *end = memrchr(c->line.data, '\n', c->line.size);
        size_t n = end ? (size_t) (end - c->line.data) + 1 : 0;

        if (n == 0 && (all || c->line.size >= LINE_MAX_)) {
                (void) buffer_add(&c->line, "\n", 1);
                n = c->line.size;
        }
        if (n == 0)
                return;
        log_file_write(c->setup->log, c->line.data, n);
        buffer_drop(&c->line, n);
}

static int child_on_output(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                void *userdata) {
        Child *c = userdata;
        char bytes[1024];
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n > 0) {
                (void) buffer_add(&c->line, bytes, (size_t) n);
                child_log(c, false);
                return 0;
        }
        if (c->line.size > 0)
                child_log(c, true);
        c->output = sd_event_source_disable_unref(c->output);
        closep(&c->output_fd);
        return 0;
}

/* What it wrote last may still be in the pipe when it is gone. */
static void child_read_rest(Child *c) {
        for (int i = 0; c->output && i < 64; i++)
                (void) child_on_output(NULL, c->output_fd, 0, c);
}

static int child_on_exit(sd_event_source *source, const siginfo_t *si, void *userdata);

static int child_on_late_start(
                _unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Child *c = userdata;

        c->late = true;
        log_error("pylon-%s was not ready in time and is killed.", c->name);
        child_kill(c);
        return 0;
}

static int child_watch(Child *c, int output) {
        int r;

        r = sd_event_add_child(c->setup->event, &c->exited, c->pid, WEXITED, child_on_exit, c);
        if (r < 0)
                return r;
        r = sd_event_add_io(c->setup->event, &c->output, output, EPOLLIN, child_on_output, c);
        if (r < 0)
                return r;
        return child_arm(c, START_DEADLINE, child_on_late_start);
}

static int child_spawn(Child *c) {
        Spawn plan = {
                .program = c->program,
                .name = c->name,
                .option = c->option,
                .config = c->setup->config,
                .n_files = c->setup->n_files,
                .listen_fd = c->listen_fd,
                .notify_path = c->setup->notify_path,
        };
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void) fcntl(fds[0], F_SETFL, O_NONBLOCK);

        plan.output_fd = fds[1];
        r = spawn(&plan, &c->pid);
        (void) close(fds[1]);
        if (r < 0) {
                (void) close(fds[0]);
                return r;
        }

        child_read_rest(c);
        c->output = sd_event_source_disable_unref(c->output);
        closep(&c->output_fd);
        c->output_fd = fds[0];
        (void) sd_event_now(c->setup->event, CLOCK_MONOTONIC, &c->started);
        return child_watch(c, fds[0]);
}

static void child_pause(Child *c);

int child_start(Child *c) {
        int r;

        c->status[0] = '\0';
        c->says_it_stops = c->late = false;
        r = child_spawn(c);
        if (r < 0) {
                (void) snprintf(c->ending, sizeof(c->ending), "it could not be started: %s",
                                strerror(-r));
                (void) log_error_errno(r, "pylon-%s could not be started: %m", c->name);
                child_kill(c);
                if (c->pid == 0)
                        child_pause(c);
                return r;
        }
        child_enter(c, CHILD_STARTING);
        return 0;
}

static int child_on_pause(_unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Child *c = userdata;

        if (c->on_demand)
                child_enter(c, CHILD_LISTENING);
        else if (c->cleaning)
                c->start_when_clean = true;
        else
                (void) child_start(c);
        return 0;
}

static void child_pause(Child *c) {
        usec_t now = 0;
        int r;

        (void) sd_event_now(c->setup->event, CLOCK_MONOTONIC, &now);
        c->pause = pause_after(c->pause, now - c->started);
        c->restarts++;
        r = child_arm(c, c->pause, child_on_pause);
        if (r < 0) {
                (void) log_error_errno(r, "pylon-%s is not tried again: %m", c->name);
                child_enter(c, CHILD_FAILED);
                return;
        }
        child_enter(c, CHILD_PAUSING);
}

static void child_describe_end(Child *c, const siginfo_t *si) {
        bool by_itself = si->si_code == CLD_EXITED;

        if (by_itself && *c->status && si->si_status != EXIT_SUCCESS)
                (void) snprintf(c->ending, sizeof(c->ending), "%s", c->status);
        else if (c->late)
                (void) snprintf(c->ending, sizeof(c->ending), "it was not ready in time");
        else if (by_itself)
                (void) snprintf(c->ending, sizeof(c->ending), "it ended with exit status %d",
                                si->si_status);
        else
                (void) snprintf(c->ending, sizeof(c->ending), "it was ended by signal %s",
                                sigabbrev_np(si->si_status) ?: "?");
}

static int on_cleaned(
                _unused_ sd_event_source *source, _unused_ const siginfo_t *si, void *userdata) {
        Child *c = userdata;

        c->cleaning = sd_event_source_disable_unref(c->cleaning);
        if (c->start_when_clean && c->state == CHILD_PAUSING)
                (void) child_start(c);
        return 0;
}

/* What the provider announced stands until it is taken back, and it cannot do so any more. It
 * begins again after that: else what it announces anew would be taken back, too. */
static void child_clean_up(Child *c) {
        const Spawn plan = {
                .program = c->program,
                .name = c->name,
                .option = "--withdraw",
                .config = c->setup->config,
                .listen_fd = c->listen_fd,
                .output_fd = -EBADF,
        };
        pid_t pid;
        int r;

        if (!streq(c->name, "provider") || c->cleaning)
                return;
        c->start_when_clean = false;
        r = spawn(&plan, &pid);
        if (r >= 0)
                r = sd_event_add_child(c->setup->event, &c->cleaning, pid, WEXITED, on_cleaned, c);
        if (r < 0)
                (void) log_warning_errno(
                                r, "What pylon-%s announced is not withdrawn: %m", c->name);
}

static int child_on_exit(_unused_ sd_event_source *source, const siginfo_t *si, void *userdata) {
        Child *c = userdata;
        bool success = si->si_code == CLD_EXITED && si->si_status == EXIT_SUCCESS;
        /* It may be over before we hear that it was ready. */
        bool ran = c->state == CHILD_RUNNING || (c->on_demand && c->state == CHILD_STARTING);

        child_read_rest(c);
        child_describe_end(c, si);
        c->exited = sd_event_source_disable_unref(c->exited);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->pid = 0;

        if (c->state == CHILD_STOPPING) {
                child_enter(c, CHILD_STOPPED);
        } else if (success && !c->says_it_stops && ran) {
                c->pause = 0;
                c->status[0] = '\0';
                child_enter(c, CHILD_LISTENING); /* it had nothing to do */
        } else if (si->si_code == CLD_EXITED && si->si_status == EXIT_CONFIG) {
                log_error("pylon-%s ended and is not tried before a reload: %s", c->name,
                                c->ending);
                child_clean_up(c);
                child_enter(c, CHILD_FAILED);
        } else {
                child_clean_up(c);
                log_warning("pylon-%s ended (%s) and is started again.", c->name, c->ending);
                child_pause(c);
        }
        return 0;
}

/* Nobody shall wait for a service that cannot come. */
static void child_turn_away(Child *c) {
        int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
                (void) close(fd);
}

static int child_on_connection(_unused_ sd_event_source *source, _unused_ int fd,
                _unused_ uint32_t events, void *userdata) {
        Child *c = userdata;

        if (c->state == CHILD_FAILED)
                child_turn_away(c);
        else
                (void) child_start(c);
        return 0;
}

int child_new(const ChildSetup *setup, const char *name, const char *program,
                const char *socket_path, Child **ret) {
        _cleanup_(child_freep) Child *c = new0(Child, 1);
        int r;

        if (!c)
                return -ENOMEM;
        c->setup = setup;
        c->name = name;
        c->listen_fd = c->output_fd = -EBADF;
        buffer_init(&c->line, LINE_MAX_ + 1024 + 1);
        c->program = strdup(program);
        c->socket_path = strdup(socket_path);
        if (!c->program || !c->socket_path)
                return -ENOMEM;
        r = bind_socket(c->socket_path, &c->listen_fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(setup->event, &c->connection, c->listen_fd, EPOLLIN,
                        child_on_connection, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

void child_set_on_demand(Child *c, const char *option) {
        c->option = option;
        c->on_demand = true;
}

Child *child_free(Child *c) {
        if (!c)
                return NULL;
        if (c->pid > 0) {
                (void) kill(c->pid, SIGKILL);
                (void) waitpid(c->pid, NULL, 0);
        }
        child_read_rest(c);
        sd_event_source_disable_unref(c->connection);
        sd_event_source_disable_unref(c->cleaning);
        sd_event_source_disable_unref(c->exited);
        sd_event_source_disable_unref(c->timer);
        sd_event_source_disable_unref(c->output);
        closep(&c->output_fd);
        if (c->listen_fd >= 0)
                (void) unlink(c->socket_path);
        closep(&c->listen_fd);
        buffer_done(&c->line);
        free(c->program);
        free(c->socket_path);
        return mfree(c);
}

static int child_on_late_stop(
                _unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Child *c = userdata;

        log_warning("pylon-%s did not stop in time and is killed.", c->name);
        child_kill(c);
        return 0;
}

void child_stop(Child *c, usec_t patience) {
        if (c->state == CHILD_STOPPING || c->state == CHILD_STOPPED)
                return;
        c->timer = sd_event_source_disable_unref(c->timer);
        if (c->pid == 0) {
                child_enter(c, CHILD_STOPPED);
                return;
        }
        if (child_arm(c, patience, child_on_late_stop) < 0 || kill(c->pid, SIGTERM) < 0)
                child_kill(c);
        child_enter(c, CHILD_STOPPING);
}

void child_kill(Child *c) {
        if (c->pid > 0)
                (void) kill(c->pid, SIGKILL);
}

void child_reload(Child *c) {
        if (c->state == CHILD_RUNNING)
                (void) kill(c->pid, SIGHUP);
        else if (c->state == CHILD_FAILED)
                child_enter(c, CHILD_LISTENING);
}

static void child_notified_line(Child *c, const char *line) {
        const char *text = startswith(line, "STATUS=");

        if (text)
                (void) snprintf(c->status, sizeof(c->status), "%s", text);
        else if (streq(line, "STOPPING=1"))
                c->says_it_stops = true;
        else if (streq(line, "READY=1") && c->state == CHILD_STARTING) {
                c->timer = sd_event_source_disable_unref(c->timer);
                child_enter(c, CHILD_RUNNING);
        }
}

void child_notified(Child *c, const char *message) {
        char line[sizeof(c->status)];

        while (*message) {
                size_t n = strcspn(message, "\n"), fit = utf8_prefix(message, n, sizeof(line) - 1);

                (void) snprintf(line, sizeof(line), "%.*s", (int) fit, message);
                child_notified_line(c, line);
                message += n + (message[n] == '\n');
        }
}

const char *child_name(const Child *c) {
        return c->name;
}

ChildState child_state(const Child *c) {
        return c->state;
}

const char *child_state_name(const Child *c) {
        return state_names[c->state];
}

pid_t child_pid(const Child *c) {
        return c->pid;
}

unsigned child_restarts(const Child *c) {
        return c->restarts;
}

const char *child_status(const Child *c) {
        return c->status;
}

const char *child_ending(const Child *c) {
        return c->ending;
}
