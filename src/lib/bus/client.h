#pragma once
/* BusClient: a connection to one of our services through its private socket.
 *
 * It connects at the first call, and again with growing pauses. A call that got no answer because
 * the connection ended is sent once more: every changing call of ours carries an id of its own, and
 * a repetition returns the first answer. How many calls may wait is bounded. */
#include <systemd/sd-bus.h>

#include "basic/macro.h"

typedef struct BusClient BusClient;
typedef struct BusCall BusCall;

int bus_client_new(sd_event *event, const char *socket_path, BusClient **ret);
BusClient *bus_client_free(BusClient *c); /* lets go of all calls; nothing is called back */
DEFINE_CLEANUP(BusClient, bus_client_free)

/* up: a connection has been made, before waiting calls are sent; down: it has ended. */
void bus_client_on_state(BusClient *c, void (*up)(void *userdata), void (*down)(void *userdata),
                void *userdata);
/* For those who wait for signals: the connection is made now and kept though nothing is asked. */
void bus_client_stay(BusClient *c, bool stay);
bool bus_client_is_up(const BusClient *c);

/* A signal of the service, on this and every later connection. Before the first call. */
int bus_client_match(BusClient *c, const char *interface, const char *member,
                sd_bus_message_handler_t handler, void *userdata);

/* A new method call to append arguments to. Works without a connection too. */
int bus_client_message(
                BusClient *c, const char *interface, const char *member, sd_bus_message **ret);

/* Called exactly once, never before bus_client_call() has returned, never after bus_call_free().
 * error < 0: reply is NULL; name is the D-Bus error's name ("" for ours), reason is for people. */
typedef void (*bus_reply_t)(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata);

/* deadline 0: as long as it takes. -ENOBUFS: too many calls wait. ret may be NULL where nobody will
 * let go of the call before its answer but the client itself; else *ret is cleared when the call is
 * over, so it must live as long. */
int bus_client_call(BusClient *c, sd_bus_message *m, usec_t deadline, bus_reply_t done,
                void *userdata, BusCall **ret);
BusCall *bus_call_free(BusCall *call); /* cancels */
DEFINE_CLEANUP(BusCall, bus_call_free)

size_t bus_client_n_waiting(const BusClient *c);
