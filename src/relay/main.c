/* pylon-relay: the one door to Nostr. Verifies what comes, delivers what goes, and serves a relay
 * to the other programs of this machine. */
#include "bus/names.h"
#include "relay-bus.h"
#include "relay-hub.h"

static int start(Service *service, void **ret) {
        Hub *h;
        int r;

        r = hub_new(service, &h);
        if (r < 0)
                return r;
        *ret = h;
        return 0;
}

static int reload(void *object, const Config *old) {
        return hub_reload(object, old);
}

static void drain(void *object) {
        hub_drain(object);
}

static bool busy(void *object) {
        return hub_is_busy(object);
}

static void gone(sd_bus *bus, void *object) {
        hub_gone(object, bus);
}

static void *stop(void *object) {
        return hub_free(object);
}

int main(int argc, char *argv[]) {
        static const ServiceClass class = {
                .name = "relay",
                .purpose = N_("The one door to Nostr: verifies, delivers, and serves a local relay."),
                .bus_name = BUS_RELAY,
                .objects = relay_objects,
                .start = start,
                .reload = reload,
                .drain = drain,
                .busy = busy,
                .gone = gone,
                .free = stop,
        };

        return service_run(&class, argc, argv);
}
