#include "basic/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#define SIZE_FIRST 64

void buffer_init(Buffer *b, size_t max) {
        *b = (Buffer){ .max = max };
}

void buffer_done(Buffer *b) {
        free(b->data);
        buffer_init(b, b->max);
}

void buffer_clear(Buffer *b) {
        b->size = 0;
        if (b->data)
                b->data[0] = 0;
}

int buffer_reserve(Buffer *b, size_t more) {
        size_t want, size;
        char *p;

        if (more > b->max || b->size > b->max - more)
                return -ENOBUFS;

        want = b->size + more + 1;
        if (b->data && want <= b->allocated)
                return 0;

        size = MAX(b->allocated * 2, (size_t) SIZE_FIRST);
        size = MAX(want, MIN(size, b->max + 1));
        p = realloc(b->data, size);
        if (!p)
                return -ENOMEM;

        b->data = p;
        b->allocated = size;
        return 0;
}

int buffer_add(Buffer *b, const void *data, size_t size) {
        int r;

        r = buffer_reserve(b, size);
        if (r < 0)
                return r;

        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
        b->data[b->size] = 0;
        return 0;
}

int buffer_add_string(Buffer *b, const char *s) {
        return buffer_add(b, s, strlen(s));
}

/* Formats into what is there, and a second time only where that was too small. */
int buffer_addf(Buffer *b, const char *format, ...) {
        va_list ap;
        int n, r;

        r = buffer_reserve(b, 0);
        if (r < 0)
                return r;
        va_start(ap, format);
        n = vsnprintf(b->data + b->size, b->allocated - b->size, format, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;

        if ((size_t) n >= b->allocated - b->size) {
                r = buffer_reserve(b, (size_t) n);
                if (r < 0) {
                        b->data[b->size] = 0;
                        return r;
                }
                va_start(ap, format);
                (void) vsnprintf(b->data + b->size, (size_t) n + 1, format, ap);
                va_end(ap);
        }
        b->size += (size_t) n;
        return 0;
}

void buffer_drop(Buffer *b, size_t from_start) {
        assert(from_start <= b->size);

        if (from_start == 0)
                return;

        b->size -= from_start;
        memmove(b->data, b->data + from_start, b->size + 1);
}

char *buffer_take(Buffer *b, size_t *ret_size) {
        char *p;

        if (!b->data && buffer_add(b, "", 0) < 0)
                return NULL;

        if (ret_size)
                *ret_size = b->size;
        p = b->data;
        buffer_init(b, b->max);
        return p;
}
