#include "basic/map.h"

#include <sys/auxv.h>
#include <sys/random.h>

#define SLOTS_MIN 16

/* SipHash-1-3 (Aumasson, Bernstein): a short keyed hash, made for tables that strangers fill. */
static uint64_t rotl(uint64_t v, int n) {
        return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4]) {
        v[0] += v[1];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[0] = rotl(v[0], 32);
        v[2] += v[3];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[2] = rotl(v[2], 32);
}

static uint64_t map_hash(const void *key, size_t size) {
        static uint64_t secret[2]; /* the one thing a process decides once, at its first map */
        const uint8_t *p = key, *end = p + (size & ~(size_t) 7);
        uint64_t v[4], last = (uint64_t) size << 56, word;

        if (secret[0] == 0 && getrandom(secret, sizeof(secret), 0) != sizeof(secret))
                secret[0] = getauxval(AT_RANDOM); /* no kernel randomness: an address must do */

        v[0] = secret[0] ^ UINT64_C(0x736f6d6570736575);
        v[1] = secret[1] ^ UINT64_C(0x646f72616e646f6d);
        v[2] = secret[0] ^ UINT64_C(0x6c7967656e657261);
        v[3] = secret[1] ^ UINT64_C(0x7465646279746573);

        for (; p < end; p += 8) {
                memcpy(&word, p, sizeof(word));
                v[3] ^= word;
                sip_round(v);
                v[0] ^= word;
        }
        for (size_t i = 0; i < (size & 7); i++)
                last |= (uint64_t) p[i] << (8 * i);
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static MapEntry *map_slot(const Map *m, const void *key, size_t size, uint64_t hash) {
        for (size_t i = hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
                MapEntry *e = m->entries + i;

                if (!e->value || (e->hash == hash && e->key_size == size &&
                                                 memcmp(e->key, key, size) == 0))
                        return e;
        }
}

static int map_grow(Map *m) {
        Map bigger = { .n_slots = m->n_slots ? m->n_slots * 2 : SLOTS_MIN };

        bigger.entries = new0(MapEntry, bigger.n_slots);
        if (!bigger.entries)
                return -ENOMEM;

        for (size_t i = 0; i < m->n_slots; i++) {
                const MapEntry *e = m->entries + i;

                if (e->value)
                        *map_slot(&bigger, e->key, e->key_size, e->hash) = *e;
        }
        free(m->entries);
        m->entries = bigger.entries;
        m->n_slots = bigger.n_slots;
        return 0;
}

void map_init(Map *m, size_t max) {
        *m = (Map){ .max = max };
}

void map_done(Map *m) {
        free(m->entries);
        map_init(m, m->max);
}

void *map_get(const Map *m, const void *key, size_t key_size) {
        if (m->n_entries == 0)
                return NULL;

        return map_slot(m, key, key_size, map_hash(key, key_size))->value;
}

int map_put(Map *m, const void *key, size_t key_size, void *value) {
        uint64_t hash = map_hash(key, key_size);
        MapEntry *e;
        int r;

        assert(value);

        if (m->n_entries > 0 && map_slot(m, key, key_size, hash)->value)
                return -EEXIST;
        if (m->n_entries >= m->max)
                return -ENOBUFS;
        if ((m->n_entries + 1) * 4 > m->n_slots * 3) {
                r = map_grow(m);
                if (r < 0)
                        return r;
        }

        e = map_slot(m, key, key_size, hash);
        *e = (MapEntry){ .key = key, .key_size = key_size, .value = value, .hash = hash };
        m->n_entries++;
        return 0;
}

void *map_remove(Map *m, const void *key, size_t key_size) {
        MapEntry *e;
        void *value;
        size_t hole;

        if (m->n_entries == 0)
                return NULL;
        e = map_slot(m, key, key_size, map_hash(key, key_size));
        value = e->value;
        if (!value)
                return NULL;

        /* Close the gap: whoever follows moves up, unless its home lies behind the hole. */
        hole = (size_t) (e - m->entries);
        for (size_t i = (hole + 1) & (m->n_slots - 1); m->entries[i].value;
                        i = (i + 1) & (m->n_slots - 1)) {
                size_t home = m->entries[i].hash & (m->n_slots - 1);

                if (((i - home) & (m->n_slots - 1)) >= ((i - hole) & (m->n_slots - 1))) {
                        m->entries[hole] = m->entries[i];
                        hole = i;
                }
        }
        m->entries[hole] = (MapEntry){ 0 };
        m->n_entries--;
        return value;
}

void *map_next(const Map *m, size_t *cursor) {
        while (*cursor < m->n_slots) {
                void *value = m->entries[(*cursor)++].value;

                if (value)
                        return value;
        }
        return NULL;
}
