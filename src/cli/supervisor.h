#pragma once
/* The supervisor: the small service manager of an instance without systemd. */
#include "cli.h"

/* Runs until it is told to stop; everything it made is removed then. report_fd (or -EBADF) is where
 * `pylon start` waits for REPORT_READY, or the name of an error, a newline and its sentence;
 * after an error it stays open until the process ends. Returns the exit code. */
int supervisor_run(const Cli *cli, int report_fd);
#define REPORT_READY "Ready"
#define REPORT_MAX   1024

/* Where a service's program is: beside us in a build tree, or where it was installed. -ENOENT. */
int find_program(const char *service, char **ret);
