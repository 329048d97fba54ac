#pragma once
/* What a verb reads: a file, or standard input where it is called "-". */
#include "cli.h"

/* Says what is wrong; the exit code. Larger than max bytes is refused. */
int input_read(const Cli *cli, const char *path, size_t max, char **ret, size_t *ret_size);
