#pragma once
/* The story of one request: what the store knows of its job, what the provider decided and
 * measured, and where it waits. */
#include "cli.h"

int story_print(Cli *cli, const char *id); /* the exit code */
