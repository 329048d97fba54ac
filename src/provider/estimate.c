#include "estimate.h"

#include <stdio.h>

#define WEIGHT   UINT64_C(8) /* a new one is worth an eighth */
#define WAIT_MAX (30 * 24 * HOUR)

typedef struct Duration {
        char name[ESTIMATE_NAME_MAX];
        usec_t mean;
        uint64_t n;
} Duration;

void durations_init(Durations *d) {
        *d = (Durations){};
        map_init(&d->means, ESTIMATE_KEYS_MAX);
}

void durations_done(Durations *d) {
        Duration *one;

        MAP_FOREACH (one, &d->means)
                free(one);
        map_done(&d->means);
}

/* The first few count alike, so that the very first does not count for long. */
static void note(usec_t *mean, uint64_t *n, usec_t took) {
        uint64_t weight = MIN(++*n, WEIGHT);

        took = MIN(took, WAIT_MAX);
        *mean = took >= *mean ? *mean + (took - *mean) / weight : *mean - (*mean - took) / weight;
}

static Duration *find(Durations *d, const char *name) {
        char key[ESTIMATE_NAME_MAX];
        Duration *one;

        (void) snprintf(key, sizeof(key), "%s", name);
        one = map_get_string(&d->means, key);
        if (one)
                return one;

        one = new0(Duration, 1);
        if (!one)
                return NULL;
        memcpy(one->name, key, sizeof(key));
        if (map_put_string(&d->means, one->name, one) < 0)
                return mfree(one);
        return one;
}

void durations_note(Durations *d, const char *name, usec_t took) {
        Duration *one = find(d, name);

        note(&d->mean, &d->n, took);
        if (one)
                note(&one->mean, &one->n, took);
}

usec_t durations_mean(const Durations *d, const char *name) {
        char key[ESTIMATE_NAME_MAX];
        const Duration *one;

        (void) snprintf(key, sizeof(key), "%s", name);
        one = map_get_string(&d->means, key);
        return one ? one->mean : d->mean;
}

usec_t estimate_wait(size_t position, unsigned n_slots, unsigned n_running, usec_t mean) {
        usec_t rounds, wait;

        n_slots = MAX(n_slots, 1U);
        /* What runs is half done, on the average. */
        rounds = (MAX(position, (size_t) 1) + n_slots - 1) / n_slots;
        if (rounds > WAIT_MAX / MAX(mean, UINT64_C(1)))
                return WAIT_MAX;
        wait = rounds * mean;
        return n_running >= n_slots ? MIN(wait + mean / 2, WAIT_MAX) : wait;
}
