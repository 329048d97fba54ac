#pragma once
/* The text of what was fetched: UTF-8 without control characters, HTML without its markup. Pure. */
#include "basic/buffer.h"

/* By its Content-Type (NULL: it has none). -EBADMSG: the reason is a sentence for the customer;
 * -ENOBUFS: it is too large for the buffer. */
int input_text(const char *type, const char *body, size_t size, Buffer *b, const char **reterr);
