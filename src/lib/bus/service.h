#pragma once
/* Service: the main() that all our services share.
 *
 * Options, configuration, log, event loop, listening socket, message bus, READY=1, reload, drain,
 * the watchdog, and leaving when idle. A service fills in a ServiceClass and calls service_run().
 */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "basic/option.h"
#include "basic/paths.h"
#include "bus/server.h"

typedef struct Service Service;

typedef struct ServiceClass {
        const char *name;         /* "store": its socket, and pylon-store in the log */
        const char *purpose;      /* a sentence for --help; N_() */
        const char *bus_name;     /* also its public interface */
        const BusObject *objects; /* handlers get what start() returned */
        bool never_on_bus;        /* private only */
        PeerRole expected;        /* for a unit with PrivateUsers=: see bus_server_expect() */
        bool no_files; /* no settings, no paths: service_config() and service_paths() are NULL */

        /* Makes the object; READY=1 follows, so nothing here waits for the network or another
         * service. A failure has been told by service_fail(). */
        int (*start)(Service *s, void **ret);
        int (*reload)(void *object,
                        const Config *old); /* service_config() is the new one already */
        void (*drain)(void *object); /* SIGTERM: ends with service_exit(); NULL: leaves at once */
        bool (*busy)(void *object);  /* has work though nobody is connected; NULL: never */
        void (*gone)(sd_bus *bus, void *object); /* a private connection has ended */
        void *(*free)(void *object);
} ServiceClass;

int service_run(const ServiceClass *class, int argc, char *argv[]); /* the exit code of main() */

sd_event *service_event(Service *s);
const Config *service_config(Service *s);
const Paths *service_paths(Service *s);
BusServer *service_server(Service *s); /* nobody is connected before start() has returned */
/* The private socket of another service, owned by the caller. */
int service_socket(Service *s, const char *name, char **ret);
bool service_is_draining(const Service *s);

/* One useful line for `systemctl status` and `pylon status`. */
void service_status(Service *s, const char *format, ...) _printf_(2, 3);
/* Says why it cannot go on, to the log and to whoever waits for READY=1; returns error. */
int service_fail(Service *s, int exit_code, int error, const char *format, ...) _printf_(4, 5);
void service_exit(Service *s, int exit_code);
