#pragma once
/* Starts a program with a listening socket, as systemd would: LISTEN_FDS, NOTIFY_SOCKET, an empty
 * signal mask, nothing else of ours. It does not outlive us. */
#include <sys/types.h>

#include "basic/macro.h"

typedef struct Spawn {
        const char *program, *name; /* the name of the socket */
        const char *option;         /* comes first; NULL: none */
        const char *config;         /* --config; NULL: none */
        unsigned n_files;           /* it may have open; 0: as we */
        int listen_fd;
        const char *notify_path; /* NULL: nobody listens */
        int output_fd;           /* stdout and stderr; -EBADF: ours */
        const char *log_level;   /* where PYLON_LOG does not say otherwise; NULL: its config does */
} Spawn;

int spawn(const Spawn *s, pid_t *ret);
/* A listening socket at the path, in the place of what a dead process has left there. */
int bind_socket(const char *path, int *ret);
