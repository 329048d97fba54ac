#pragma once
/* Waiting for the end of a purchase: what pylon-host says of it on stderr, the result on stdout. It
 * goes on where pylon-host is started again meanwhile: the purchase does so, too. */
#include "call.h"

typedef struct Await {
        const Cli *cli;
        Remote host;
        char *job_id;
        usec_t timeout;
        sd_bus_message *reply; /* of Result() */
} Await;

void await_done(Await *a);

/* Before it is ordered, so that nothing is missed. The exit code. */
int await_open(Await *a);
/* Prints the result, or says why there is none. */
int await_result(Await *a);
/* How far it is; the result where it is there. */
int await_look(Await *a);
