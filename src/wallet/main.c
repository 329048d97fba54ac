/* pylon-wallet: the one purse. Pays, is paid, and knows what it does not know. */
#include "basic/crypt.h"
#include "basic/log.h"
#include "bus/names.h"
#include "purse.h"

static int start(Service *s, void **ret) {
        Purse *p;
        int r;

        r = purse_new(s, &p);
        if (r < 0)
                return service_fail(s, EXIT_FAILURE, r, "The wallet could not be set up: %s.",
                                strerror(-r));
        *ret = p;
        return 0;
}

static int reload(void *object, const Config *old) {
        purse_reload(object, old);
        return 0;
}

static bool busy(void *object) {
        return purse_is_busy(object);
}

static void gone(sd_bus *bus, void *object) {
        purse_gone(object, bus);
}

static void *stop(void *object) {
        return purse_free(object);
}

int main(int argc, char *argv[]) {
        static const ServiceClass class = {
                .name = "wallet",
                .purpose = N_("The one purse of Pylon: pays, and is paid."),
                .bus_name = BUS_WALLET,
                .objects = wallet_objects,
                .start = start,
                .reload = reload,
                .busy = busy,
                .gone = gone,
                .free = stop,
        };

        if (crypt_setup() < 0) {
                log_error("The cryptographic library does not work.");
                return EXIT_FAILURE;
        }
        return service_run(&class, argc, argv);
}
