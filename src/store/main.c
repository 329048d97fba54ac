/* pylon-store: the one disk. Jobs, earnings and settings of all the other services. */
#include "books-bus.h"
#include "bus/names.h"
#include "bus/service.h"
#include "request.h"
#include "store-bus.h"
#include "store.h"

static int start(Service *service, void **ret) {
        Store *s;
        int r;

        r = store_new(service, &s);
        if (r < 0)
                return r;
        r = request_prepare(s);
        if (r < 0) {
                (void) store_free(s);
                return service_fail(service, EXIT_FAILURE, r, "There is no timer.");
        }

        service_status(service, "The database is open.");
        *ret = s;
        return 0;
}

static void drain(void *object) {
        Store *s = object;

        (void) sql_group_commit(s->group); /* who waited has been told */
        service_exit(s->service, EXIT_SUCCESS);
}

static bool busy(void *object) {
        Store *s = object;

        return s->backup || s->verification || s->redone || !sql_group_is_idle(s->group);
}

static void *stop(void *object) {
        books_bus_done(object);
        request_done(object);
        return store_free(object);
}

int main(int argc, char *argv[]) {
        static const ServiceClass class = {
                .name = "store",
                .purpose = N_("The one disk of Pylon: jobs, earnings, settings."),
                .bus_name = BUS_STORE,
                .objects = store_objects,
                .start = start,
                .drain = drain,
                .busy = busy,
                .free = stop,
        };

        return service_run(&class, argc, argv);
}
