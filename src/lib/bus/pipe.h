#pragma once
/* Pipe: a long text on its way through a descriptor that came with a message, such as an agent's
 * memory that is exported. Whoever holds the other end may be slow, or never read: nobody else
 * waits for him, and the deadline ends it. No place for secrets. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct Pipe Pipe;

/* Called exactly once, never before the function below has returned, never after pipe_free(); the
 * pipe may be freed in it. The text is what was read, with a NUL behind it that does not count, and
 * is lent; NULL after an error and after writing. -ETIMEDOUT, -EFBIG, -EPIPE, -ENOMEM, -EIO. */
typedef void (*pipe_done_t)(int error, const char *text, size_t size, void *userdata);

/* Both duplicate the descriptor. -ENOSTR: it is no pipe. */
int pipe_read(sd_event *event, int fd, size_t max, usec_t deadline, pipe_done_t done,
                void *userdata, Pipe **ret);
/* Copies the text. */
int pipe_write(sd_event *event, int fd, const char *text, usec_t deadline, pipe_done_t done,
                void *userdata, Pipe **ret);
Pipe *pipe_free(Pipe *p);
DEFINE_CLEANUP(Pipe, pipe_free)
