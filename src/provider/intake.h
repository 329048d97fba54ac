#pragma once
/* Intake: what the relay hands over becomes jobs, ends jobs, or is told to jobs. */
#include "client/relay-client.h"

extern const RelayHandler intake_handler; /* its userdata is the Provider */
