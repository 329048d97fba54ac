#pragma once
/* Repair: bytes that come in pieces, as UTF-8 that is whole. A character that is cut between two
 * pieces waits for its rest; what never becomes one is U+FFFD, and so is NUL, which not
 * everybody can carry. Pure. */
#include "basic/buffer.h"

typedef struct Repair {
        char tail[4];
        size_t n;
} Repair;

int repair_add(Repair *r, const char *bytes, size_t size, Buffer *to);
int repair_end(Repair *r, Buffer *to); /* nothing follows */
