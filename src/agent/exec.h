#pragma once
/* Exec: a mind that is a program. It gets the context on its standard input, and what it writes to
 * its standard output until it ends is the answer. It knows nothing else of ours: no environment,
 * no descriptors. When it is over, or let go of, its whole process group is killed. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct Exec Exec;

typedef struct ExecOrder {
        char *const *argv; /* the path of the program first */
        const char *agent; /* PYLON_AGENT in its environment */
        const char *input;
        size_t input_size;
        size_t output_max; /* with more it is stopped */
        usec_t timeout;
} ExecOrder;

/* Exactly once, never before exec_start() has returned. error < 0: a reason for people. */
typedef void (*exec_done_t)(
                int error, const char *reason, const char *output, size_t size, void *userdata);

/* SIGCHLD has to be blocked. */
int exec_start(sd_event *event, const ExecOrder *order, exec_done_t done, void *userdata,
                Exec **ret);
Exec *exec_free(Exec *x); /* kills it; nothing is called back */
DEFINE_CLEANUP(Exec, exec_free)
