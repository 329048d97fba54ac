#include "keyset.h"

#include "nostr/nip19.h"

static int compare(const void *a, const void *b) {
        return memcmp(a, b, 32);
}

int keyset_add(KeySet *s, const uint8_t key[static 32]) {
        if ((s->n & (s->n - 1)) == 0) {
                uint8_t(*keys)[32] = reallocarray(s->keys, s->n == 0 ? 1 : 2 * s->n, sizeof(*keys));

                if (!keys)
                        return -ENOMEM;
                s->keys = keys;
        }
        memcpy(s->keys[s->n++], key, 32);
        return 0;
}

void keyset_sort(KeySet *s) {
        size_t n = 0;

        if (s->n == 0)
                return;
        qsort(s->keys, s->n, sizeof(*s->keys), compare);
        for (size_t i = 0; i < s->n; i++)
                if (n == 0 || compare(s->keys[n - 1], s->keys[i]) != 0)
                        memmove(s->keys[n++], s->keys[i], 32);
        /* The room is a power of two that is not smaller; adding goes on from there. */
        s->n = n;
}

bool keyset_has(const KeySet *s, const uint8_t key[static 32]) {
        return s->n > 0 && bsearch(key, s->keys, s->n, sizeof(*s->keys), compare);
}

int keyset_parse(KeySet *s, char *const *texts, const char **ret_culprit) {
        const char *reason;
        uint8_t key[32];
        int r = 0;

        for (; texts && *texts; texts++)
                if (pubkey_parse(*texts, key, &reason) < 0) {
                        *ret_culprit = *texts;
                        r = -EINVAL;
                } else if (keyset_add(s, key) < 0)
                        return -ENOMEM;
        keyset_sort(s);
        return r;
}

void keyset_done(KeySet *s) {
        free(s->keys);
        *s = (KeySet){};
}
