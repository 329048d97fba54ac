#pragma once
/* Secret: bytes that must not outlive their use, such as a mnemonic or a seed. They live in pages
 * of their own: locked into memory where the limit allows it, left out of core dumps, empty in a
 * forked child, and wiped when freed. Always followed by a NUL that does not count. */
#include "basic/macro.h"

typedef struct Secret Secret;

int secret_new(size_t size, Secret **ret); /* all zero */
int secret_copy(const void *data, size_t size, Secret **ret);
Secret *secret_free(Secret *s);
DEFINE_CLEANUP(Secret, secret_free)

uint8_t *secret_data(Secret *s);
const char *secret_text(const Secret *s);
size_t secret_size(const Secret *s);
void secret_truncate(Secret *s, size_t size); /* wipes what is cut off */

/* For plain arrays of secret bytes on the stack. */
typedef struct Wiped32 {
        uint8_t bytes[32];
} Wiped32;
static inline void wiped32_done(Wiped32 *w) {
        explicit_bzero(w, sizeof(*w));
}
#define _cleanup_wiped32_ _cleanup_(wiped32_done)
