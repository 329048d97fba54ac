#pragma once
/* Census: what control.sock's "Status" tells, asked of those who know it. Who does not answer
 * within a second leaves the last known value. */
#include <systemd/sd-event.h>

#include "basic/paths.h"
#include "control-request.h"

typedef struct Census Census;
typedef void (*census_done_t)(Census *census, void *userdata); /* may free it */

/* Fills in *status, which holds what was known last. Provider and host are only asked where they
 * run; asking shall not start them. */
enum { CENSUS_PROVIDER = B(0), CENSUS_HOST = B(1) };
int census_new(sd_event *event, const Paths *paths, unsigned whom, ControlStatus *status,
                census_done_t done, void *userdata, Census **ret);
Census *census_free(Census *c);
DEFINE_CLEANUP(Census, census_free)
