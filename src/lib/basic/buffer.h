#pragma once
/* Buffer: bytes that grow up to a maximum which is given at birth. Always followed by a NUL that
 * does not count, so that text in it can be used as a C string. */
#include "basic/macro.h"

typedef struct Buffer {
        char *data;
        size_t size, allocated, max;
} Buffer;

void buffer_init(Buffer *b, size_t max);
void buffer_done(Buffer *b); /* usable again afterwards, with the same maximum */
void buffer_clear(Buffer *b);

/* All return -ENOBUFS where the maximum would be passed; the buffer is then as it was. */
int buffer_reserve(Buffer *b, size_t more);
int buffer_add(Buffer *b, const void *data, size_t size);
int buffer_add_string(Buffer *b, const char *s);
int buffer_addf(Buffer *b, const char *format, ...) _printf_(2, 3);
void buffer_drop(Buffer *b, size_t from_start);

/* Hands the bytes over; the caller frees them. NULL only where there was no memory. */
char *buffer_take(Buffer *b, size_t *ret_size);

#define _cleanup_buffer_ _cleanup_(buffer_done)
