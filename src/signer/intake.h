#pragma once
/* Intake: a mnemonic on its way in through a pipe. Whoever holds the other end may be slow, or
 * never close it: nobody else waits for him, and he has ten seconds. */
#include <systemd/sd-event.h>

#include "basic/secret.h"

typedef struct Intake Intake;

/* Called exactly once, later; the intake is gone then. On success the text is the callee's.
 * -ETIMEDOUT, -EFBIG, or what reading said. */
typedef void (*intake_done_t)(int error, Secret *text, void *userdata);

/* Duplicates the descriptor. `list` is where the intake stays until it is over; `release` frees the
 * userdata in any case. */
int intake_start(sd_event *event, int fd, intake_done_t done, void (*release)(void *userdata),
                void *userdata, Intake **list);
Intake *intake_free(Intake *i); /* done() is not called */
