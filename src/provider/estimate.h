#pragma once
/* Estimate: how long somebody will wait, from how long work took. Pure. */
#include "basic/map.h"

#define ESTIMATE_NAME_MAX 96  /* "backend/model"; what is longer is cut */
#define ESTIMATE_KEYS_MAX 256 /* further ones are counted together */

typedef struct Durations {
        Map means; /* by name */
        usec_t mean;
        uint64_t n;
} Durations;

void durations_init(Durations *d);
void durations_done(Durations *d);
/* What this kind of work took, lately weighing more. */
void durations_note(Durations *d, const char *name, usec_t took);
/* 0: nobody knows yet. Work of a name that is new takes as long as all the other did. */
usec_t durations_mean(const Durations *d, const char *name);

/* Until somebody at this position (from 1) is done, where n_slots work at a time and n_running of
 * them do; 0: nobody knows. */
usec_t estimate_wait(size_t position, unsigned n_slots, unsigned n_running, usec_t mean);
