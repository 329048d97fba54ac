#pragma once
/* Publication: one event that a person publishes and waits for. The answers are told when each
 * relay has given one, or when the time is over; whoever has not answered by then is tried some
 * minutes more, and nobody is told. */
#include <systemd/sd-bus.h>

#include "relay-hub.h"

typedef struct Publication Publication;

typedef struct PublicationInfo {
        sd_bus_message *call; /* is answered with a(sis) relay, verdict, its words */
        const char *json;     /* verified here: it comes from a person */
        char **urls;          /* none: all configured */
        uint32_t timeout_ms;  /* 0: as usual */
} PublicationInfo;

/* -EINVAL, -EBADMSG, … with a reason; -EBUSY: there are too many. */
int publication_start(Hub *h, const PublicationInfo *info, const char **reterr);
void publication_free_all(Hub *h);
/* A relay has answered for good. */
void publication_outcome(Hub *h, const Letter *l);
