#pragma once
/* JSON on stdout, written piece by piece. A failure is remembered and told once, by out_print(). */
#include "basic/buffer.h"

typedef struct Out {
        Buffer buffer;
        bool comma;
        unsigned depth;
        uint64_t arrays; /* a bit for each level that is an array */
        int error;
} Out;

#define OUT_MAX (64 << 20)
#define OUT_INIT                            \
        {                                   \
                .buffer = {.max = OUT_MAX } \
        }

/* key is NULL in arrays and for the outermost value. */
void out_object(Out *o, const char *key);
void out_array(Out *o, const char *key);
void out_end(Out *o);

void out_text(Out *o, const char *key, const char *value); /* NULL: null */
void out_number(Out *o, const char *key, int64_t value);
void out_boolean(Out *o, const char *key, bool value);
void out_null(Out *o, const char *key);
void out_raw(Out *o, const char *key, const char *json); /* is JSON already */

/* With a newline. 0, or the first error. */
int out_print(Out *o);
void out_done(Out *o);
