#pragma once
/* BadEvents: how many events of each relay were none: a wrong signature, id or form. pylon-relay
 * counts them for as long as it runs; where it does not answer there are none. */
#include "call.h"

#define BAD_EVENTS_MAX 32 /* relays */

typedef struct BadEvents {
        struct {
                char *relay;
                uint64_t n;
        } list[BAD_EVENTS_MAX];
        size_t n;
} BadEvents;

void bad_events_read(const Cli *cli, BadEvents *ret);
void bad_events_done(BadEvents *b);
