#pragma once
/* Places: where the open jobs wait, as the provider says. Where it does not answer there are none.
 */
#include "call.h"

typedef struct Place {
        const char *id, *class;
        uint32_t position; /* from 1; 0: it does not wait for a slot */
        int64_t seconds;   /* until it is done, as far as anybody knows; -1: nobody does */
} Place;

typedef struct Places {
        sd_bus_message *reply; /* what the texts belong to */
        Place *list;
        size_t n;
} Places;

void places_read(const Cli *cli, Places *ret);
void places_done(Places *p);
const Place *places_find(const Places *p, const char *id); /* NULL: it is not open there */
