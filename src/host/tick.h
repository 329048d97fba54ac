#pragma once
/* Tick: one agent wakes once, from its trigger to the last action done. The table of its states is
 * in tick.c.
 *
 * The agent's process thinks up actions, and nothing else: it is asked with all it may know, and
 * its answer is checked here (policy.c), written down, and then done (deed.c). A tick that was
 * begun is taken up after every crash where it was. */
#include "agent.h"

/* -EBUSY: one runs already; -EAGAIN: what a former life has left is not taken up yet; -ENOMEM.
 * host_agent_tick_ended() comes exactly once, never before this has returned. dry: it thinks, and
 * does nothing. */
int tick_start(HostAgent *a, const char *trigger, bool dry, Tick **ret);
/* Lets go of it: nothing is called back, and what is on disk is taken up by the next life. */
Tick *tick_free(Tick *t);
DEFINE_CLEANUP(Tick, tick_free)

int64_t tick_number(const Tick *t); /* 0 until it is on disk */
const char *tick_state(const Tick *t);
/* Once, when it has its number, or with an error when it has ended without one. */
typedef void (*tick_numbered_t)(int64_t tick, int error, const char *reason, void *userdata);
void tick_tell_number(Tick *t, tick_numbered_t told, void *userdata);
/* The owner wants it to stop: it fails with this reason, and what is not begun is not done. */
void tick_stop(Tick *t, const char *reason);

/* The same context once more, with all doors shut: nothing is written down, bought or done, but a
 * fresh answer is thought (and paid). The text is {"actions":[{"action":…,"verdict":…,"reason":…}],
 * "refused":[…],"answer":…}. done comes exactly once, never before this has returned, never after
 * tick_replay_free(). */
typedef struct TickReplay TickReplay;
typedef void (*tick_replayed_t)(int error, const char *reason, const char *json, void *userdata);
int tick_replay(HostAgent *a, int64_t tick, bool fresh, tick_replayed_t done, void *userdata,
                TickReplay **ret);
TickReplay *tick_replay_free(TickReplay *r);

/* At the start, when the agents are known: ticks and actions which a former life has left are taken
 * up. ready comes once they are; until then no tick starts. */
int ticks_resume(Host *h, void (*ready)(void *userdata), void *userdata);

/* For --list-states. */
void tick_print_states(void);
