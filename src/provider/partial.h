#pragma once
/* Partial: an answer while it is written, said now and then. Not so often that it floods relays:
 * after a pause, and the longer the answer is, the more must be new. Each part holds all that is
 * there, so that a lost one does no harm. */
#include <systemd/sd-event.h>

#include "basic/buffer.h"

/* Whole characters of UTF-8, everything so far. */
typedef void (*partial_send_t)(const char *text, size_t size, void *userdata);

typedef struct Partial {
        Buffer text;
        size_t said; /* bytes of it */
        usec_t interval, last;
        sd_event *event;
        sd_event_source *timer;
        partial_send_t send;
        void *userdata;
} Partial;

/* interval 0: nothing is said, the text is kept only. */
void partial_init(Partial *p, sd_event *event, size_t size_max, usec_t interval,
                partial_send_t send, void *userdata);
void partial_done(Partial *p); /* also of one that is all zeros */

int partial_add(Partial *p, const char *bytes, size_t size); /* -ENOBUFS: more than the maximum */
void partial_clear(Partial *p);                              /* somebody begins again */

/* Pure: is so much new that it is worth an event? */
bool partial_is_worth(size_t said, size_t size);
