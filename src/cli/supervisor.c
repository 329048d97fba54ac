/* The supervisor: binds the sockets, starts the services when they are needed, keeps them alive,
 * and stops them in the order in which they need each other. */
#include "supervisor.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "agent-sockets.h"
#include "basic/file.h"
#include "basic/json.h"
#include "basic/log.h"
#include "census.h"
#include "child.h"
#include "control-socket.h"
#include "notify.h"
#include "wish.h"

#define START_DEADLINE (40 * SEC)
#define STOP_DEADLINE  (10 * SEC)
#define DRAIN_EXTRA    (5 * SEC) /* for the provider to tell its relays */

/* Who is stopped after whom: those who work before those whom they ask. */
typedef enum Stage {
        STAGE_WORKERS,
        STAGE_AGENTS, /* the host ends their ticks before */
        STAGE_WALLET,
        STAGE_RELAY,
        STAGE_SIGNER,
        STAGE_STORE,
        _STAGE_MAX
} Stage;

enum { STORE, SIGNER, RELAY, WALLET, PROVIDER, HOST, N_SERVICES };

static const struct {
        const char *name;
        Stage stage;
} services[N_SERVICES] = {
        [STORE] = { "store", STAGE_STORE },
        [SIGNER] = { "signer", STAGE_SIGNER },
        [RELAY] = { "relay", STAGE_RELAY },
        [WALLET] = { "wallet", STAGE_WALLET },
        [PROVIDER] = { "provider", STAGE_WORKERS },
        [HOST] = { "host", STAGE_WORKERS },
};

typedef struct Visit { /* a client of control.sock that waits for the census */
        struct Supervisor *supervisor;
        ControlClient *client;
        Census *census;
        struct Visit *next;
} Visit;

typedef struct Supervisor {
        const Cli *cli;
        sd_event *event;
        LogFile *log;
        ChildSetup setup;
        Child *children[N_SERVICES];
        AgentSockets *agents;
        ControlSocket *control;
        NotifySocket *notify;
        sd_event_source *deadline;
        Wish *wish;
        Visit *visits;
        ControlStatus status;
        usec_t started, drain_timeout;
        int report_fd;
        bool ready, reported, stopping;
        Stage stage;
        int exit_code;
} Supervisor;

/* The answer to `pylon start`, which returns when the pipe is closed: at once when all is well, and
 * after everything was taken back when it is not. */
static void report(Supervisor *s, const char *name, const char *message) {
        char text[REPORT_MAX];
        int n;

        if (s->report_fd < 0 || s->reported)
                return;
        s->reported = true;
        n = snprintf(text, sizeof(text), "%s\n%s", name, message);
        (void) write_all(s->report_fd, text, MIN((size_t) n, sizeof(text) - 1));
        if (streq(name, REPORT_READY))
                closep(&s->report_fd);
}

static void stop_stage(Supervisor *s) {
        if (s->stage == STAGE_AGENTS)
                agent_sockets_stop(s->agents, STOP_DEADLINE);
        for (size_t i = 0; i < N_SERVICES; i++)
                if (services[i].stage == s->stage)
                        child_stop(s->children[i], s->stage == STAGE_WORKERS
                                                                   ? s->drain_timeout + DRAIN_EXTRA
                                                                   : STOP_DEADLINE);
}

static bool stage_is_over(const Supervisor *s) {
        if (s->stage == STAGE_AGENTS)
                return agent_sockets_are_stopped(s->agents);
        for (size_t i = 0; i < N_SERVICES; i++)
                if (services[i].stage == s->stage && child_state(s->children[i]) != CHILD_STOPPED)
                        return false;
        return true;
}

static void stop_next(Supervisor *s) {
        while (s->stage < _STAGE_MAX && stage_is_over(s)) {
                s->stage++;
                if (s->stage < _STAGE_MAX)
                        stop_stage(s);
        }
        if (s->stage == _STAGE_MAX)
                (void) sd_event_exit(s->event, 0);
}

static void stop_begin(Supervisor *s) {
        if (s->stopping)
                return;
        s->stopping = true;
        s->stage = STAGE_WORKERS;
        report(s, "StartFailed", "it was told to stop while it started");
        (void) sd_notify(false, "STOPPING=1");
        log_notice("Pylon stops.");
        stop_stage(s);
        stop_next(s);
}

static void stop_at_once(Supervisor *s) {
        stop_begin(s);
        for (size_t i = 0; i < N_SERVICES; i++) {
                child_stop(s->children[i], STOP_DEADLINE);
                child_kill(s->children[i]);
        }
        agent_sockets_kill(s->agents);
}

static void tell_failure(Supervisor *s, const char *name, const char *message) {
        s->exit_code = error_exit_code(name);
        if (s->report_fd >= 0)
                log_error("Pylon could not start: %s", message);
        else
                (void) cli_fail(s->cli, name, _("Pylon could not start: %s"), message);
        report(s, name, message);
}

/* The start has failed: says why to who waits, and takes everything back. */
static void start_failed(Supervisor *s, const char *name, const char *message) {
        if (s->ready || s->stopping)
                return;
        tell_failure(s, name, message);
        stop_begin(s);
}

static void start_is_done(Supervisor *s) {
        s->ready = true;
        s->deadline = sd_event_source_disable_unref(s->deadline);
        (void) sd_notify(false, "READY=1");
        log_event(LOG_NOTICE, LOG_ID_SERVICE_READY, NULL, "Pylon is up.");
        report(s, REPORT_READY, "");
}

static void on_wish(const char *name, const char *message, void *userdata) {
        Supervisor *s = userdata;

        if (name)
                start_failed(s, name, message); /* the words are the wish's */
        s->wish = wish_free(s->wish);
        if (name)
                return;
        s->status.provider_active = mode_wants_provider(s->cli->args.mode);
        s->status.host_active = mode_wants_host(s->cli->args.mode);
        start_is_done(s);
}

/* While starting: all services are up → the mode; one is not → the reason. */
static void start_next(Supervisor *s, const Child *changed) {
        ChildState state = child_state(changed);
        char message[REPORT_MAX];
        int r;

        if (state == CHILD_FAILED || state == CHILD_PAUSING || state == CHILD_LISTENING) {
                (void) snprintf(message, sizeof(message), "pylon-%s: %s", child_name(changed),
                                child_ending(changed));
                start_failed(s, "StartFailed", message);
                return;
        }
        for (size_t i = 0; i < N_SERVICES; i++)
                if (child_state(s->children[i]) != CHILD_RUNNING)
                        return;
        if (s->wish)
                return;
        r = wish_new(s->event, s->cli->paths, s->cli->args.mode, on_wish, s, &s->wish);
        if (r < 0)
                start_failed(s, "StartFailed", strerror(-r));
}

static void on_change(Child *child, void *userdata) {
        Supervisor *s = userdata;

        if (s->stopping)
                stop_next(s);
        else if (!s->ready)
                start_next(s, child);
}

static int on_start_deadline(
                _unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        start_failed(userdata, "TimedOut", "the services were not ready in time");
        return 0;
}

/* Signals. */

static int on_term(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *si,
                void *userdata) {
        Supervisor *s = userdata;

        if (s->stopping)
                stop_at_once(s); /* asked twice: somebody is in a hurry */
        else
                stop_begin(s);
        return 0;
}

static int on_quit(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *si,
                void *userdata) {
        stop_at_once(userdata);
        return 0;
}

static void apply_config(Supervisor *s, const Config *c) {
        s->drain_timeout = c->provider.drain_timeout;
        log_file_set_max(s->log, c->log.max_size);
        log_configure_level(c->log.level);
}

static int on_hangup(_unused_ sd_event_source *source, _unused_ const struct signalfd_siginfo *si,
                void *userdata) {
        Supervisor *s = userdata;
        _cleanup_(config_freep) Config *fresh = NULL;

        if (config_load_logged(s->cli->paths->config, &fresh) < 0) {
                log_error("The configuration is not valid; the one in use stays.");
                return 0;
        }
        apply_config(s, fresh);
        for (size_t i = 0; i < N_SERVICES; i++)
                child_reload(s->children[i]);
        agent_sockets_reload(s->agents);
        return 0;
}

static int add_signals(Supervisor *s) {
        static const struct {
                int signal;
                sd_event_signal_handler_t handler;
        } handlers[] = {
                { SIGTERM, on_term },
                { SIGINT, on_term },
                { SIGQUIT, on_quit },
                { SIGHUP, on_hangup },
        };
        sigset_t set;
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(handlers); i++) {
                r = sd_event_add_signal(s->event, NULL,
                                handlers[i].signal | SD_EVENT_SIGNAL_PROCMASK, handlers[i].handler,
                                s);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void on_notify(pid_t sender, const char *message, void *userdata) {
        Supervisor *s = userdata;

        for (size_t i = 0; i < N_SERVICES; i++)
                if (s->children[i] && child_pid(s->children[i]) == sender)
                        child_notified(s->children[i], message);
        (void) agent_sockets_notified(s->agents, sender, message);
}

static int add_notify(Supervisor *s) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/notify", s->cli->paths->run) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return notify_socket_new(s->event, path, on_notify, s, &s->notify);
}

/* control.sock */

static void visit_end(Visit *v) {
        Supervisor *s = v->supervisor;

        for (Visit **p = &s->visits; *p; p = &(*p)->next)
                if (*p == v) {
                        *p = v->next;
                        break;
                }
        census_free(v->census);
        free(v);
}

static void answer_text(ControlClient *client, const char *line) {
        control_answer(client, line, strlen(line));
}

static void answer_status(Supervisor *s, ControlClient *client) {
        _cleanup_buffer_ Buffer b = { .max = CONTROL_LINE_MAX };
        usec_t now = s->started;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &now);
        s->status.running = true;
        s->status.uptime_secs = (now - s->started) / SEC;
        s->status.provider_active &= child_pid(s->children[PROVIDER]) > 0;
        s->status.host_active &= child_pid(s->children[HOST]) > 0;
        (void) control_write_status(&s->status, &b);
        control_answer(client, b.data ?: "", b.size);
}

static void on_census(_unused_ Census *census, void *userdata) {
        Visit *v = userdata;

        answer_status(v->supervisor, v->client);
        visit_end(v);
}

/* Asking shall not start anybody. */
static unsigned who_runs(const Supervisor *s) {
        unsigned whom = 0;

        if (child_state(s->children[PROVIDER]) == CHILD_RUNNING)
                whom |= CENSUS_PROVIDER;
        if (child_state(s->children[HOST]) == CHILD_RUNNING)
                whom |= CENSUS_HOST;
        return whom;
}

static void visit_begin(Supervisor *s, ControlClient *client) {
        Visit *v = s->stopping ? NULL : new0(Visit, 1);

        if (!v) {
                answer_status(s, client);
                return;
        }
        *v = (Visit){ .supervisor = s, .client = client, .next = s->visits };
        s->visits = v;
        if (census_new(s->event, s->cli->paths, who_runs(s), &s->status, on_census, v, &v->census) <
                        0)
                on_census(NULL, v);
}

static int write_text(Buffer *b, const char *s) {
        return json_write_string(b, s, strlen(s));
}

static int write_services(const Supervisor *s, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{\"Services\":[");
        for (size_t i = 0; r >= 0 && i < N_SERVICES; i++) {
                const Child *c = s->children[i];

                r = buffer_addf(b,
                                "%s{\"name\":\"%s\",\"state\":\"%s\",\"pid\":%d,\"restarts\":%u,\"status\":",
                                i > 0 ? "," : "", child_name(c), child_state_name(c),
                                (int) child_pid(c), child_restarts(c));
                if (r >= 0)
                        r = write_text(b, child_pid(c) > 0 ? child_status(c) : child_ending(c));
                if (r >= 0)
                        r = buffer_add(b, "}", 1);
        }
        return r < 0 ? r : buffer_add_string(b, "]}\n");
}

static void answer_services(const Supervisor *s, ControlClient *client) {
        _cleanup_buffer_ Buffer b = { .max = 8192 };

        if (write_services(s, &b) < 0) {
                buffer_clear(&b);
                (void) control_write_error("there is no memory", &b);
        }
        control_answer(client, b.data ?: "", b.size);
}

static void on_request(ControlClient *client, ControlRequest request, void *userdata) {
        Supervisor *s = userdata;

        switch (request) {
        case CONTROL_PING:
                answer_text(client, "\"Pong\"\n");
                break;
        case CONTROL_STATUS:
                visit_begin(s, client);
                break;
        case CONTROL_SHUTDOWN:
                answer_text(client, "\"Ok\"\n");
                stop_begin(s);
                break;
        case CONTROL_SERVICES:
                answer_services(s, client);
                break;
        case _CONTROL_MAX:
                break;
        }
}

static void on_gone(ControlClient *client, void *userdata) {
        Supervisor *s = userdata;

        for (Visit *v = s->visits; v; v = v->next)
                if (v->client == client) {
                        visit_end(v);
                        return;
                }
}

static int add_control(Supervisor *s) {
        static const ControlHandler handler = { on_request, on_gone };
        _cleanup_free_ char *path = NULL;
        int r;

        r = paths_file(s->cli->paths, "control.sock", &path);
        return r < 0 ? r : control_socket_new(s->event, path, &handler, s, &s->control);
}

static int add_children(Supervisor *s) {
        int r;

        s->setup = (ChildSetup){
                .event = s->event,
                .log = s->log,
                .notify_path = notify_socket_path(s->notify),
                .config = s->cli->args.config,
                .changed = on_change,
                .userdata = s,
        };
        for (size_t i = 0; i < N_SERVICES; i++) {
                _cleanup_free_ char *program = NULL, *socket_path = NULL;

                r = find_program(services[i].name, &program);
                if (r >= 0)
                        r = paths_socket(s->cli->paths, services[i].name, &socket_path);
                if (r >= 0)
                        r = child_new(&s->setup, services[i].name, program, socket_path,
                                        &s->children[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void on_agent_change(_unused_ Child *child, void *userdata) {
        Supervisor *s = userdata;

        if (s->stopping)
                stop_next(s);
}

/* A descriptor for each; programs get the limit that we were given. */
static int add_agents(Supervisor *s) {
        ChildSetup setup = s->setup;
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        s->setup.n_files = setup.n_files = (unsigned) MIN(l.rlim_cur, (rlim_t) UINT_MAX);
        l.rlim_cur = l.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        setup.changed = on_agent_change;
        return agent_sockets_new(&setup, s->cli->paths, &s->agents);
}

static int add_log(Supervisor *s) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (s->cli->args.foreground)
                return log_file_new(NULL, 0, &s->log);
        r = paths_file(s->cli->paths, "pylon.log", &path);
        return r < 0 ? r : log_file_new(path, s->cli->config->log.max_size, &s->log);
}

static int supervisor_set_up(Supervisor *s) {
        int r;

        r = add_log(s);
        if (r >= 0)
                r = mkdir_p(s->cli->paths->run); /* another instance may have removed it as it ended
                                                  */
        if (r < 0)
                return r;
        r = sd_event_default(&s->event);
        if (r >= 0)
                r = sd_event_now(s->event, CLOCK_MONOTONIC, &s->started);
        if (r >= 0)
                r = add_signals(s);
        if (r >= 0)
                r = add_notify(s);
        if (r >= 0)
                r = add_children(s);
        if (r >= 0)
                r = add_agents(s);
        if (r >= 0)
                r = add_control(s);
        if (r >= 0)
                r = sd_event_add_time_relative(s->event, &s->deadline, CLOCK_MONOTONIC,
                                START_DEADLINE, SEC, on_start_deadline, s);
        return r;
}

static void supervisor_done(Supervisor *s) {
        while (s->visits)
                visit_end(s->visits);
        wish_free(s->wish);
        control_socket_free(s->control);
        agent_sockets_free(s->agents);
        for (size_t i = 0; i < N_SERVICES; i++)
                child_free(s->children[i]);
        notify_socket_free(s->notify);
        sd_event_source_disable_unref(s->deadline);
        sd_event_unref(s->event);
        log_file_free(s->log);
        (void) rmdir(s->cli->paths->run);
}

int supervisor_run(const Cli *cli, int report_fd) {
        Supervisor s = { .cli = cli, .report_fd = report_fd };
        int r;

        r = supervisor_set_up(&s);
        if (r < 0)
                tell_failure(&s, r == -ENOENT ? "NotInstalled" : "StartFailed", strerror(-r));
        else {
                apply_config(&s, cli->config);
                for (size_t i = 0; i < N_SERVICES && !s.stopping; i++)
                        (void) child_start(s.children[i]);
                r = sd_event_loop(s.event);
        }
        if (r < 0 && s.exit_code == EXIT_SUCCESS)
                s.exit_code = EXIT_FAILURE;
        supervisor_done(&s);
        return s.exit_code;
}
