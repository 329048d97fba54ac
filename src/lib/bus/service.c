#include "bus/service.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "bus/introspect.h"

#define IDLE_AFTER (30 * SEC)

struct Service {
        const ServiceClass *class;
        Options options;
        Config *config;
        Paths *paths;
        sd_event *event;
        BusServer *server;
        void *object;
        sd_event_source *term, *interrupt, *hangup, *idle;
        int exit_code;
        bool draining;
};

static void service_check_idle(Service *s);

static int service_on_idle(
                _unused_ sd_event_source *source, _unused_ uint64_t now, void *userdata) {
        Service *s = userdata;

        s->idle = sd_event_source_disable_unref(s->idle);
        if (bus_server_n_private(s->server) > 0)
                return 0; /* armed again when they have gone */
        if (s->class->busy && s->class->busy(s->object)) {
                service_check_idle(s);
                return 0;
        }
        log_debug("Nothing to do; leaving until somebody connects.");
        service_exit(s, EXIT_SUCCESS);
        return 0;
}

/* Leaves when there is nothing to do: the socket stays open with whoever started us. */
static void service_check_idle(Service *s) {
        if (s->idle || bus_server_n_private(s->server) > 0)
                return;
        if (sd_event_add_time_relative(s->event, &s->idle, CLOCK_MONOTONIC, IDLE_AFTER,
                            IDLE_AFTER / 8, service_on_idle, s) < 0)
                log_debug("No timer is left; this service stays.");
}

static void service_on_gone(sd_bus *bus, void *userdata) {
        Service *s = userdata;

        if (s->class->gone)
                s->class->gone(bus, s->object);
        service_check_idle(s);
}

static int service_on_term(_unused_ sd_event_source *source,
                _unused_ const struct signalfd_siginfo *si, void *userdata) {
        Service *s = userdata;

        (void) sd_notify(false, "STOPPING=1");
        if (s->draining || !s->class->drain) {
                service_exit(s, EXIT_SUCCESS);
                return 0;
        }
        s->draining = true;
        s->class->drain(s->object);
        return 0;
}

static int service_reload(Service *s) {
        _cleanup_(config_freep) Config *old = NULL;
        Config *fresh;
        int r;

        if (s->class->no_files)
                return 0;
        r = config_load_logged(s->paths->config, &fresh);
        if (r < 0) {
                log_event(LOG_ERR, LOG_ID_CONFIG_INVALID, NULL,
                                "The configuration is not valid; the one in use stays.");
                return r;
        }

        old = s->config;
        s->config = fresh;
        log_configure_level(s->config->log.level);
        return s->class->reload ? s->class->reload(s->object, old) : 0;
}

static int service_on_hangup(_unused_ sd_event_source *source,
                _unused_ const struct signalfd_siginfo *si, void *userdata) {
        Service *s = userdata;
        int r;

        (void) sd_notify(false, "RELOADING=1");
        r = service_reload(s);
        if (r < 0)
                (void) log_error_errno(r, "The configuration could not be read again: %m");
        (void) sd_notify(false, "READY=1");
        return 0;
}

static int service_add_signals(Service *s) {
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        r = sd_event_add_signal(
                        s->event, &s->term, SIGTERM | SD_EVENT_SIGNAL_PROCMASK, service_on_term, s);
        if (r < 0)
                return r;
        r = sd_event_add_signal(s->event, &s->interrupt, SIGINT | SD_EVENT_SIGNAL_PROCMASK,
                        service_on_term, s);
        if (r < 0)
                return r;
        return sd_event_add_signal(s->event, &s->hangup, SIGHUP | SD_EVENT_SIGNAL_PROCMASK,
                        service_on_hangup, s);
}

/* The one socket of ours among what systemd or the supervisor passed. */
static int service_listen(Service *s) {
        char **names = NULL;
        int n, r = -ENOENT;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                if (r < 0 && names && streq(names[i], s->class->name))
                        r = bus_server_listen(s->server, SD_LISTEN_FDS_START + i);
                else
                        (void) close(SD_LISTEN_FDS_START + i);
                if (names)
                        free(names[i]);
        }
        free(names);
        if (r == -ENOENT)
                return service_fail(s, EXIT_USAGE, -ENOENT,
                                "No socket was passed. Start it with `systemctl start pylon.target` "
                                "or `pylon start`.");
        return r < 0 ? service_fail(s, EXIT_FAILURE, r, "The socket cannot be used: %s",
                                       strerror(-r))
                     : 0;
}

static void service_join_bus(Service *s) {
        int r;

        if (s->class->never_on_bus || s->options.scope == SCOPE_PRIVATE)
                return;
        r = bus_server_join(s->server, s->options.scope == SCOPE_SYSTEM);
        if (r < 0)
                (void) log_warning_errno(
                                r, "The message bus is not reachable; the private socket is: %m");
}

static int service_configure(Service *s) {
        _cleanup_(paths_freep) Paths *first = NULL;
        const char *reason = "there is no memory";
        int r;

        if (s->class->no_files)
                return 0;
        r = paths_new(s->options.scope, s->options.config, NULL, &first, &reason);
        if (r < 0)
                return service_fail(s, EXIT_CONFIG, r, "The files cannot be found: %s.", reason);

        r = config_load_logged(first->config, &s->config);
        if (r < 0)
                return service_fail(s, EXIT_CONFIG, r,
                                "The configuration \"%s\" is not valid. `pylon config check` says why.",
                                first->config);
        log_configure_level(s->config->log.level);

        r = paths_new(s->options.scope, s->options.config, s->config->data_dir, &s->paths, &reason);
        if (r < 0)
                return service_fail(s, EXIT_CONFIG, r, "The files cannot be found: %s.", reason);
        return 0;
}

static int service_start(Service *s) {
        int r;

        r = service_configure(s);
        if (r < 0)
                return r;
        r = sd_event_default(&s->event);
        if (r >= 0)
                r = service_add_signals(s);
        if (r >= 0)
                r = sd_event_set_watchdog(s->event, true);
        if (r < 0)
                return service_fail(s, EXIT_FAILURE, r, "No event loop could be made: %s",
                                strerror(-r));

        r = bus_server_new(s->event, s->class->bus_name, s->class->objects,
                        s->options.scope == SCOPE_SYSTEM, NULL, &s->server);
        if (r < 0)
                return service_fail(s, EXIT_FAILURE, r, "There is no memory.");
        r = s->class->start(s, &s->object);
        if (r < 0)
                return r;
        bus_server_set_userdata(s->server, s->object);
        bus_server_on_gone(s->server, service_on_gone, s);
        bus_server_expect(s->server, s->class->expected);
        r = service_listen(s);
        if (r < 0)
                return r;
        service_join_bus(s);
        service_check_idle(s);
        return 0;
}

static void service_done(Service *s) {
        if (s->server)
                bus_server_on_gone(s->server, NULL, NULL);
        if (s->object)
                s->class->free(s->object);
        bus_server_free(s->server);
        sd_event_source_disable_unref(s->term);
        sd_event_source_disable_unref(s->interrupt);
        sd_event_source_disable_unref(s->hangup);
        sd_event_source_disable_unref(s->idle);
        sd_event_unref(s->event);
        paths_free(s->paths);
        config_free(s->config);
}

static int service_print_xml(const ServiceClass *class, const char *folder) {
        _cleanup_free_ char *xml = NULL;
        int r;

        if (class->never_on_bus) {
                (void) fprintf(stderr, "pylon-%s has no public interface\n", class->name);
                return EXIT_USAGE;
        }
        r = introspect_public(class->objects, folder, &xml);
        if (r == -ENOENT) {
                (void) fprintf(stderr, "pylon-%s has no objects in \"%s\"\n", class->name, folder);
                return EXIT_USAGE;
        }
        if (r < 0) {
                (void) log_error_errno(r, "The interface could not be described: %m");
                return EXIT_FAILURE;
        }
        return fputs(xml, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int service_run(const ServiceClass *class, int argc, char *argv[]) {
        Service s = { .class = class };
        char program[64];
        int r;

        (void) snprintf(program, sizeof(program), "pylon-%s", class->name);
        log_open(program);
        (void) umask(0077);

        r = options_parse(argc, argv, program, class->purpose, &s.options);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        if (s.options.print_xml)
                return service_print_xml(class, s.options.folder);

        r = service_start(&s);
        if (r >= 0) {
                (void) sd_notify(false, "READY=1");
                log_debug("Ready.");
                r = sd_event_loop(s.event);
                if (r < 0)
                        (void) log_error_errno(r, "The event loop failed: %m");
        }
        if (r < 0 && s.exit_code == EXIT_SUCCESS)
                s.exit_code = EXIT_FAILURE;
        service_done(&s);
        return s.exit_code;
}

sd_event *service_event(Service *s) {
        return s->event;
}

const Config *service_config(Service *s) {
        return s->config;
}

const Paths *service_paths(Service *s) {
        return s->paths;
}

BusServer *service_server(Service *s) {
        return s->server;
}

int service_socket(Service *s, const char *name, char **ret) {
        return paths_socket(s->paths, name, ret);
}

bool service_is_draining(const Service *s) {
        return s->draining;
}

void service_status(_unused_ Service *s, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        (void) sd_notifyf(false, "STATUS=%s", text);
}

int service_fail(Service *s, int exit_code, int error, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        s->exit_code = exit_code;
        log_event(LOG_ERR, LOG_ID_SERVICE_FAILED, NULL, "%s", text);
        (void) sd_notifyf(false, "STATUS=%s\nERRNO=%i", text, -error);
        return error;
}

void service_exit(Service *s, int exit_code) {
        s->exit_code = exit_code;
        (void) sd_event_exit(s->event, 0);
}
