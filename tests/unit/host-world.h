#pragma once
/* A host in a box: everything a tick talks to is played here, in one process and without a disk.
 * What it was asked for is written into a trail, and every answer comes in a later turn of the
 * loop. */
#include <systemd/sd-bus.h>

#include "approve-private.h"
#include "basic/crypt.h"
#include "basic/text.h"
#include "tick-private.h"
#include "unit.h"

#define TRAIL_MAX 16384
#define ROWS_MAX  64
#define ME        "1111111111111111111111111111111111111111111111111111111111111111"

/* One answer that is on its way. All the calls' types are this one. */
typedef struct Later Later;
struct Later {
        Later *next;
        void (*fire)(Later *l);
        void *done, *userdata;
        void **handle;
        int64_t number;
        int error;
        char *text;
        const char *what;
        sd_bus_message *message;
};

typedef struct World {
        sd_event *event;
        Later *later;
        char trail[TRAIL_MAX];
        Config *config;
        Host host;
        HostAgent agent;
        AgentSettings *settings;
        sd_bus *scratch;
        int scratch_peer;
        Keypair *key;
        uint8_t secret[32];

        /* the agent */
        const char *answers[8]; /* "think:TEXT", "done:TEXT", "crash", "hang", "error:NAME" */
        size_t n_asked;
        /* the store */
        int64_t tick;
        const char *observations; /* members of the context */
        char tick_state[32], context[65536];
        OpenTick open;
        ActionRow rows[ROWS_MAX];
        size_t n_rows;
        char *kept[ROWS_MAX * 4];
        size_t n_kept;
        const char *refuse; /* the move to this state */
        int64_t counted;
        const char *record;
        /* the others */
        const char *thought;    /* NULL: it fails */
        const char *relay_says; /* "accept", "refuse", "nothing" */
        const char *paid[8];    /* "settled", "pending", "error", "absent" */
        size_t n_paid;
        const char *found[4]; /* events the relays have, as JSON of a draft of ours */
        size_t n_found;
        unsigned n_ended, n_published;
        TickResult result;
        char result_reason[256];
} World;

extern World *world;
/* More than 0: these allocations are the box's own, and no test of memory makes them fail. */
extern unsigned world_inside;

void world_trail(const char *format, ...) _printf_(1, 2);
int world_setup(void **state);
int world_teardown(void **state);
void world_run(void);     /* until nothing is left to happen */
void world_restart(void); /* a kill: what is in memory is gone, what is on disk is taken up */
void world_tick(const char *trigger, bool dry);
