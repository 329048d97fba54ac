#pragma once
/* One service for the time of one command, where no instance runs: its socket at the usual place,
 * the PID file locked so that no `pylon start` comes between. */
#include "cli.h"

typedef struct Transient Transient;

/* -EAGAIN: an instance is there, or just starting. */
int transient_start(const Cli *cli, const char *service, Transient **ret);
Transient *transient_free(Transient *t); /* ends it */
DEFINE_CLEANUP(Transient, transient_free)
