#pragma once
/* Units: under systemd each agent has a socket, pylon-agent@NAME.socket, which the manager starts
 * and stops on our demand; polkit allows us these units and no others. Without systemd the
 * supervisor has a socket for each agent's file, and nothing is to be done here. */
#include <systemd/sd-event.h>

#include "basic/paths.h"

typedef struct Units Units;
typedef struct UnitCall UnitCall;

int units_new(sd_event *event, Scope scope, Units **ret);
Units *units_free(Units *u); /* nothing is called back; not from within a done() */
DEFINE_CLEANUP(Units, units_free)

/* The socket is there, or the agent's process and socket are gone. Exactly once, never before the
 * function has returned, never after unit_call_free(). error < 0: a reason for people. */
typedef void (*unit_done_t)(int error, const char *reason, void *userdata);

/* What is so already is done soon. ret may be NULL; else *ret is cleared when the call is over. */
int units_start(Units *u, const char *agent, unit_done_t done, void *userdata, UnitCall **ret);
int units_stop(Units *u, const char *agent, unit_done_t done, void *userdata, UnitCall **ret);
UnitCall *unit_call_free(UnitCall *c);
DEFINE_CLEANUP(UnitCall, unit_call_free)
