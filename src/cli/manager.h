#pragma once
/* systemd, where it is there and has Pylon's units: it then starts and stops pylon.target. */
#include "cli.h"

/* Is this machine's (or the user's) systemd running, with pylon.target installed? */
bool manager_has_pylon(Scope scope);
bool manager_runs_pylon(Scope scope);
/* systemctl VERB UNIT…; what it has to say it says itself. 0 or its exit status, negative errno. */
int manager_do(Scope scope, const char *verb, const char *const units[]);
