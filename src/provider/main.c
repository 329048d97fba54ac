/* pylon-provider: sells this machine's compute. The guided tour is in job.c. */
#include <stdio.h>

#include "bus/names.h"
#include "bus/service.h"
#include "market-bus.h"
#include "pow-worker.h"
#include "provider-bus.h"
#include "withdraw.h"

static void on_changed(Provider *p, void *userdata) {
        ProviderService *s = userdata;

        provider_bus_changed(s);
        service_status(s->service, "The provider is %s%s%s.", provider_state_name(p->state),
                        *p->trouble ? ". " : "", p->trouble);
        if (p->state == PROVIDER_OFFLINE && service_is_draining(s->service))
                service_exit(s->service, EXIT_SUCCESS);
}

static void on_moved(const Job *job, void *userdata) {
        market_bus_moved(userdata, job);
}

static void *stop(void *object) {
        ProviderService *s = object;

        provider_bus_done(s);
        s->provider = provider_free(s->provider);
        return mfree(s);
}

static int make(ProviderService *s) {
        _cleanup_free_ char *store = NULL, *signer = NULL, *relay = NULL, *wallet = NULL;
        int r;

        r = service_socket(s->service, "store", &store);
        if (r >= 0)
                r = service_socket(s->service, "signer", &signer);
        if (r >= 0)
                r = service_socket(s->service, "relay", &relay);
        if (r >= 0)
                r = service_socket(s->service, "wallet", &wallet);
        if (r < 0)
                return r;
        return provider_new(service_event(s->service), service_config(s->service),
                        &(ProviderSockets){ .store = store,
                                        .signer = signer,
                                        .relay = relay,
                                        .wallet = wallet },
                        on_changed, s, &s->provider);
}

static int start(Service *service, void **ret) {
        ProviderService *s;
        int r;

        s = new0(ProviderService, 1);
        if (!s)
                return service_fail(service, EXIT_FAILURE, -ENOMEM, "There is no memory.");

        s->service = service;
        r = make(s);
        if (r < 0) {
                (void) stop(s);
                return service_fail(service, EXIT_FAILURE, r, "The provider could not be made: %s.",
                                strerror(-r));
        }

        s->provider->moved = on_moved;
        service_status(service, "The provider is offline.");
        provider_go_as_wished(s->provider);
        *ret = s;
        return 0;
}

static int reload(void *object, _unused_ const Config *old) {
        ProviderService *s = object;

        provider_reload(s->provider, service_config(s->service));
        return 0;
}

static void drain(void *object) {
        ProviderService *s = object;

        provider_drain(s->provider, false); /* on_changed() leaves when it is over */
}

static bool busy(void *object) {
        const ProviderService *s = object;

        return provider_is_busy(s->provider);
}

/* For the crash tests: a state that is added to the table is tested from that day. */
static int list_states(void) {
        for (JobState s = 0; s < _JOB_STATE_MAX; s++)
                if (job_state_is_durable(s))
                        (void) printf("%s\n", job_state_name(s));
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const ServiceClass class = {
                .name = "provider",
                .purpose = N_("Sells this machine's compute: takes jobs, runs them, publishes the results."),
                .bus_name = BUS_PROVIDER,
                .objects = provider_objects,
                .start = start,
                .reload = reload,
                .drain = drain,
                .busy = busy,
                .free = stop,
        };

        if (argc == 2 && streq(argv[1], POW_WORKER_OPTION))
                return pow_worker_main();
        if (argc >= 2 && streq(argv[1], WITHDRAW_OPTION)) {
                argv[1] = argv[0];
                return withdraw_main(argc - 1, argv + 1);
        }
        if (argc == 2 && streq(argv[1], "--list-states"))
                return list_states();
        return service_run(&class, argc, argv);
}
