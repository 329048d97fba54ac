#pragma once
/* Asking our services and waiting for the answer: on the system bus in a system instance, else
 * through their private sockets. */
#include <systemd/sd-bus.h>

#include "cli.h"

typedef struct Remote {
        sd_bus *bus;
        const char *interface;   /* the public one */
        const char *path;        /* NULL: the one path; an agent has its own */
        const char *destination; /* NULL on a private socket */
        bool may_start;          /* a service that left when idle comes back when it is asked */
} Remote;

void remote_done(Remote *r);

typedef struct CallError {
        const char *name; /* of the table in error.c */
        char message[512];
} CallError;

#define CALL_TIMEOUT (30 * SEC)

/* "store", "signer", "relay", "provider", "host". Negative errno with the error. */
int remote_open(const Cli *cli, const char *service, Remote *ret, CallError *ret_error);
int remote_message(const Remote *r, const char *member, sd_bus_message **ret);
/* Sends and waits; timeout 0: CALL_TIMEOUT. */
int remote_send(const Remote *r, sd_bus_message *m, usec_t timeout, sd_bus_message **ret,
                CallError *ret_error);
int remote_call(const Remote *r, const char *member, sd_bus_message **ret, CallError *ret_error,
                const char *types, ...);
/* All properties of the public interface, as a{sv}. */
int remote_properties(const Remote *r, sd_bus_message **ret, CallError *ret_error);

/* Says it; the exit code. */
int call_fail(const Cli *cli, const CallError *error);
int call_unreadable(const Cli *cli); /* the answer is not what it should be */

/* Tells provider and host their mode. */
int call_mode(const Cli *cli, Mode mode);
