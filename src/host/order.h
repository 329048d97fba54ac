#pragma once
/* Order: one purchase and everybody who waits for its end. It outlives its purchase for a while, so
 * that a customer may ask for the result later. */
#include "host.h"

struct Order {
        Host *host;
        Order *next;
        Purchase *purchase; /* NULL when it is over */
        char id[HEX32_MAX];
        sd_bus_message *submitted; /* Submit(), until it has an id */
        sd_bus_message **waiting;  /* Result(), until it is over */
        size_t n_waiting;
        PurchaseState state;
        int error;
        char *reason;
        Event *result;
};

int order_new(Host *h, const JobOrder *what, usec_t timeout, sd_bus_message *submit,
                sd_bus_error *error);
Order *order_free(Order *o);
Order *order_find(Host *h, const char *id);
int order_wait(Order *o, sd_bus_message *m, sd_bus_error *error); /* answers now or at the end */
