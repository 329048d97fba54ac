/* pylon job watch: how jobs change, as it happens. The provider tells it by a signal; nothing is
 * asked again but that it goes on telling. */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "bus/names.h"
#include "call.h"
#include "out.h"
#include "text.h"
#include "verb.h"

#define OVER(state)                                                                        \
        (streq(state, "completed") || streq(state, "failed") || streq(state, "expired") || \
                        streq(state, "cancelled") || streq(state, "refused"))

typedef struct Watch {
        Cli *cli;
        const char *prefix; /* NULL: all jobs */
        sd_event *event;
        const Remote *provider;
        usec_t again; /* how often we say that we go on */
} Watch;

static void print_change(const Watch *w, const char *id, uint16_t kind, const char *customer,
                const char *state, const char *reason) {
        _cleanup_(out_done) Out o = OUT_INIT;
        _cleanup_free_ char *copy = NULL;

        if (w->cli->args.json) {
                out_object(&o, NULL);
                out_text(&o, "id", id);
                out_number(&o, "kind", kind);
                out_text(&o, "customer", customer);
                out_text(&o, "state", state);
                out_text(&o, "reason", *reason ? reason : NULL);
                out_number(&o, "at", now_seconds());
                out_end(&o);
                (void) out_print(&o);
        } else {
                copy = strdup(reason);
                (void) printf("%.12s  %u  %s%s%s\n", id, kind, state, *reason ? ": " : "",
                                copy ? printable(copy) : "");
        }
        (void) fflush(stdout); /* whoever reads it lives, too */
}

static int on_change(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *id, *customer, *state, *reason;
        Watch *w = userdata;
        uint16_t kind;
        int r;

        r = sd_bus_message_read(m, "sqsss", &id, &kind, &customer, &state, &reason);
        if (r < 0)
                return r;
        if (w->prefix && !startswith(id, w->prefix))
                return 0;
        print_change(w, id, kind, customer, state, reason);
        if (w->prefix && OVER(state))
                (void) sd_event_exit(
                                w->event, streq(state, "completed") ? EXIT_SUCCESS : EXIT_FAILURE);
        return 0;
}

static int on_gone(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Watch *w = userdata;

        (void) m;
        (void) sd_event_exit(w->event,
                        cli_fail(w->cli, "NotReachable", "%s", _("The provider has stopped.")));
        return 0;
}

static int say_so(const Watch *w, CallError *ret_error, uint32_t *ret_seconds) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = remote_call(w->provider, "Watch", &reply, ret_error, NULL);
        if (r < 0)
                return r;
        return sd_bus_message_read(reply, "u", ret_seconds);
}

static int on_again(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Watch *w = userdata;
        CallError error;
        uint32_t seconds;

        if (say_so(w, &error, &seconds) < 0)
                return sd_event_exit(w->event, call_fail(w->cli, &error));
        (void) sd_event_source_set_time_relative(s, w->again);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_stop(sd_event_source *s, _unused_ const struct signalfd_siginfo *info,
                _unused_ void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static int listen_to(Watch *w, sd_event_source **ret_timer) {
        sd_bus *bus = w->provider->bus;
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(w->event, NULL, SIGINT, on_stop, NULL);
        if (r >= 0)
                r = sd_event_add_signal(w->event, NULL, SIGTERM, on_stop, NULL);
        if (r >= 0)
                r = sd_bus_attach_event(bus, w->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, w->provider->destination, BUS_PATH,
                                w->provider->interface, "JobChanged", on_change, w);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_gone, w);
        return r < 0 ? r
                     : sd_event_add_time_relative(w->event, ret_timer, CLOCK_BOOTTIME, w->again,
                                       SEC, on_again, w);
}

int verb_job_watch(Cli *cli) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        sd_event_source *timer = NULL;
        Watch w = { .cli = cli, .provider = &provider };
        uint32_t seconds = 0;
        CallError error;
        int r;

        w.prefix = cli->args.n_rest > 0 ? cli->args.rest[0] : NULL;
        if (remote_open(cli, "provider", &provider, &error) < 0 || say_so(&w, &error, &seconds) < 0)
                return call_fail(cli, &error);
        w.again = MAX(seconds / 2, UINT32_C(1)) * SEC;
        r = sd_event_new(&event);
        w.event = event;
        if (r >= 0)
                r = listen_to(&w, &timer);
        if (r >= 0 && !cli->args.json)
                (void) fprintf(stderr, "%s\n", _("Watching; Ctrl+C ends it."));
        if (r >= 0)
                r = sd_event_loop(event);
        sd_event_source_disable_unref(timer);
        (void) sd_bus_detach_event(provider.bus);
        return r < 0 ? cli_fail(cli, "Failed", _("It cannot be watched: %s."), strerror(-r)) : r;
}
