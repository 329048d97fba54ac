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

/* From a descriptor to its end, never through other memory. -EFBIG above max bytes; -EAGAIN where
 * it would have to be waited for. */
int secret_read(int fd, size_t max, Secret **ret);
/* What systemd passes by LoadCredential=. -ENOENT: none of this name was passed. */
int secret_credential(const char *name, size_t max, Secret **ret);

uint8_t *secret_data(Secret *s);
const char *secret_text(const Secret *s);
size_t secret_size(const Secret *s);
void secret_truncate(Secret *s, size_t size); /* wipes what is cut off */
