/* pylon-host: buys for the owner of this machine, and lets agents live on it. */
#include <stdio.h>

#include "agents.h"
#include "basic/crypt.h"
#include "basic/log.h"
#include "bus/names.h"
#include "host.h"
#include "tick.h"

static int start(Service *s, void **ret) {
        Host *h;
        int r;

        r = host_new(s, &h);
        if (r < 0)
                return service_fail(s, EXIT_FAILURE, r, "Host mode could not be set up: %s.",
                                strerror(-r));
        *ret = h;
        return 0;
}

static int reload(void *object, _unused_ const Config *old) {
        Host *h = object;

        return agents_reload(h->agents);
}

static bool busy(void *object) {
        return host_busy(object);
}

static void *stop(void *object) {
        return host_free(object);
}

/* For the crash tests: a state that is added to the table is tested from that day. */
static int list_states(void) {
        for (PurchaseState s = 0; s < _PURCHASE_STATE_MAX; s++)
                if (purchase_state_is_durable(s))
                        (void) printf("%s\n", purchase_state_name(s));
        tick_print_states();
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const ServiceClass class = {
                .name = "host",
                .purpose = N_("Buys results on Nostr for the owner of this machine."),
                .bus_name = BUS_HOST,
                .objects = host_objects,
                .start = start,
                .reload = reload,
                .busy = busy,
                .free = stop,
        };

        if (argc == 2 && streq(argv[1], "--list-states"))
                return list_states();
        if (crypt_setup() < 0) {
                log_error("The cryptographic library does not work.");
                return EXIT_FAILURE;
        }
        return service_run(&class, argc, argv);
}
