#include "withdraw.h"

#include <stdio.h>

#include "announce.h"
#include "basic/config.h"
#include "basic/log.h"
#include "basic/option.h"
#include "basic/paths.h"

#define DEADLINE (8 * SEC)

typedef struct Withdrawal {
        sd_event *event;
        Announcer announcer;
        SignerCall *key_call;
} Withdrawal;

static void on_withdrawn(void *userdata) {
        Withdrawal *w = userdata;

        log_notice("The announcement of the provider that ended is withdrawn.");
        (void) sd_event_exit(w->event, EXIT_SUCCESS);
}

static void give_up(const Withdrawal *w, const char *reason) {
        log_warning("The announcement could not be withdrawn: %s.", reason);
        (void) sd_event_exit(w->event, EXIT_UNAVAILABLE);
}

static void on_key(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Withdrawal *w = userdata;
        uint64_t now = 0;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0) {
                give_up(w, reason);
                return;
        }
        (void) sd_event_now(w->event, CLOCK_REALTIME, &now);
        if (!announcer_withdraw(
                            &w->announcer, results[0].text, (int64_t) (now / SEC), on_withdrawn, w))
                give_up(w, "it could not be signed");
}

static void on_loaded(int error, const char *reason, void *userdata) {
        Withdrawal *w = userdata;

        if (error < 0) {
                give_up(w, reason);
                return;
        }
        if (w->announcer.n_out == 0) {
                (void) sd_event_exit(w->event, EXIT_SUCCESS);
                return;
        }
        if (signer_public_key(w->announcer.signer, "provider", on_key, w, &w->key_call) < 0)
                give_up(w, "the signer cannot be asked");
}

static int on_late(sd_event_source *s, _unused_ uint64_t usec, _unused_ void *userdata) {
        log_warning("The announcement could not be withdrawn in time.");
        return sd_event_exit(sd_event_source_get_event(s), EXIT_UNAVAILABLE);
}

static void on_events(_unused_ const char *name, _unused_ const RelayEvent *events,
                _unused_ size_t n, _unused_ void *userdata) {
}

static void on_outcome(_unused_ const char *id, _unused_ const char *relay,
                _unused_ RelayVerdict verdict, _unused_ const char *message,
                _unused_ void *userdata) {
}

static const RelayHandler handler = { .events = on_events, .outcome = on_outcome };

static int open_clients(Withdrawal *w, const Paths *paths) {
        _cleanup_free_ char *store = NULL, *signer = NULL, *relay = NULL;
        int r;

        r = paths_socket(paths, "store", &store) ?: paths_socket(paths, "signer", &signer)
                            ?: paths_socket(paths, "relay", &relay);
        if (r >= 0)
                r = store_client_new(w->event, store, &w->announcer.store);
        if (r >= 0)
                r = signer_client_new(w->event, signer, &w->announcer.signer);
        if (r >= 0)
                r = relay_client_new(w->event, relay, &handler, w, &w->announcer.relay);
        return r;
}

static int run(Withdrawal *w, const Paths *paths) {
        sd_event_source *late = NULL;
        int r;

        r = open_clients(w, paths);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                w->event, &late, CLOCK_BOOTTIME, DEADLINE, 0, on_late, NULL);
        if (r >= 0)
                r = announcer_load(&w->announcer, on_loaded, w);
        if (r >= 0)
                r = sd_event_loop(w->event);
        if (r < 0)
                r = log_error_errno(r, "The announcement could not be withdrawn: %m");
        sd_event_source_disable_unref(late);
        announcer_done(&w->announcer);
        w->key_call = signer_call_free(w->key_call);
        w->announcer.relay = relay_client_free(w->announcer.relay);
        w->announcer.signer = signer_client_free(w->announcer.signer);
        w->announcer.store = store_client_free(w->announcer.store);
        return r < 0 ? EXIT_FAILURE : r;
}

int withdraw_main(int argc, char *argv[]) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(paths_freep) Paths *usual = NULL, *paths = NULL;
        const char *reason = "there is no memory";
        Withdrawal w = { 0 };
        Options o;
        int r;

        r = options_parse(argc, argv, "pylon-provider", "", &o);
        if (r != 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        log_open("pylon-provider");
        r = paths_new(o.scope, o.config, NULL, &usual, &reason);
        if (r >= 0)
                r = config_load_logged(usual->config, &config);
        if (r >= 0)
                r = paths_new(o.scope, o.config, config->data_dir, &paths, &reason);
        if (r >= 0)
                r = sd_event_new(&event);
        if (r < 0) {
                log_error("The announcement could not be withdrawn: %s.", reason);
                return EXIT_FAILURE;
        }
        w.event = event;
        return run(&w, paths);
}
