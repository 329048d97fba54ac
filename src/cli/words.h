#pragma once
/* Words that nobody else shall see: typed without echo, and handed on by pipes. */
#include <sys/types.h>

#include "cli.h"

/* Reads one line without echo, where a person types it; else as it is. */
ssize_t words_read(const Cli *cli, const char *prompt, char *ret, size_t size);
/* A pipe with this in it, whose writing end is closed: less than a pipe holds. */
int words_pipe(const void *data, size_t size);
