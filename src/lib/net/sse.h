#pragma once
/* Server-sent events, read bit by bit as the WHATWG's rules have them. Pure: bytes go in, events
 * come out. */
#include "basic/buffer.h"

typedef struct SseEvent {
        const char *type; /* "message" where the stream names none */
        const char *id;   /* the last one of the stream, "" where it has none */
        const char *data; /* lines joined with \n; bytes as they came, so UTF-8 is not certain */
        size_t size;      /* of data, which a NUL follows */
} SseEvent;

typedef struct Sse {
        Buffer line, data, type, id;
        SseEvent event;
        usec_t retry; /* what the stream asks for; UINT64_MAX: nothing so far */
        bool begun;   /* a byte order mark may stand only in the very first line */
        bool skip_lf; /* the line ended with CR, an LF still belongs to that */
        bool in_data; /* an empty data field counts too */
        bool given;   /* the event is with the caller until the next call */
} Sse;

void sse_init(Sse *s, size_t line_max, size_t event_max);
void sse_done(Sse *s);

/* Takes bytes from the front of *bytes until an event is whole: 1 and the event, which is good
 * until the next call; 0 where all of them are used up. -EMSGSIZE: a line or an event is larger
 * than its limit, the stream is of no use any more. */
int sse_read(Sse *s, const char **bytes, size_t *size, const SseEvent **ret);
#define _cleanup_sse_ _cleanup_(sse_done)
