/* What is here needs no GnuTLS: a program that wants no more than this is not linked with it, and
 * starts in half the time. */
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <sys/random.h>

#include "basic/crypt.h"

struct Sha256 {
        struct sha256_ctx state;
};

int sha256(const void *data, size_t size, uint8_t ret[static 32]) {
        struct sha256_ctx state;

        sha256_init(&state);
        sha256_update(&state, size, data);
        sha256_digest(&state, 32, ret);
        return 0;
}

int sha256_new(Sha256 **ret) {
        Sha256 *h = new0(Sha256, 1);

        if (!h)
                return -ENOMEM;

        sha256_init(&h->state);
        *ret = h;
        return 0;
}

int sha256_add(Sha256 *h, const void *data, size_t size) {
        sha256_update(&h->state, size, data);
        return 0;
}

int sha256_end(Sha256 *h, uint8_t ret[static 32]) {
        sha256_digest(&h->state, 32, ret);
        return 0;
}

void sha256_copy(Sha256 *to, const Sha256 *from) {
        *to = *from;
}

Sha256 *sha256_free(Sha256 *h) {
        return mfree(h);
}

int crypt_random(void *ret, size_t size) {
        uint8_t *p = ret;

        while (size > 0) {
                ssize_t n = getrandom(p, size, 0);

                if (n < 0 && errno != EINTR)
                        return -EIO;
                p += MAX(n, (ssize_t) 0);
                size -= (size_t) MAX(n, (ssize_t) 0);
        }
        return 0;
}

bool memory_equal(const void *a, const void *b, size_t size) {
        return memeql_sec(a, b, size);
}

void memory_wipe(void *p, size_t size) {
        explicit_bzero(p, size);
}
