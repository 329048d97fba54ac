#pragma once
/* Map: from a key of bytes (an event id, a name) to a pointer. The key belongs to the value or
 * lives at least as long. Hashed with a secret per process, because strangers choose the keys. */
#include "basic/macro.h"

typedef struct MapEntry {
        const void *key;
        size_t key_size;
        void *value;
        uint64_t hash;
} MapEntry;

typedef struct Map {
        MapEntry *entries; /* open addressing; a power of two, never more than 3/4 full */
        size_t n_entries, n_slots, max;
} Map;

void map_init(Map *m, size_t max);
void map_done(Map *m); /* does not free the values */

void *map_get(const Map *m, const void *key, size_t key_size);
int map_put(Map *m, const void *key, size_t key_size, void *value); /* -EEXIST, -ENOBUFS, -ENOMEM */
void *map_remove(Map *m, const void *key, size_t key_size);         /* the value, or NULL */

/* Entries in no order. The map must not change meanwhile. Start with *cursor = 0. */
void *map_next(const Map *m, size_t *cursor);

#define MAP_FOREACH(value, m) for (size_t _c = 0; ((value) = map_next((m), &_c));)

static inline size_t map_size(const Map *m) {
        return m->n_entries;
}
static inline void *map_get_string(const Map *m, const char *key) {
        return map_get(m, key, strlen(key));
}
static inline int map_put_string(Map *m, const char *key, void *value) {
        return map_put(m, key, strlen(key), value);
}
static inline void *map_remove_string(Map *m, const char *key) {
        return map_remove(m, key, strlen(key));
}
