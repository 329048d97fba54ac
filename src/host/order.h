#pragma once
/* Order: one purchase and everybody who waits for its end. It outlives its purchase for a while, so
 * that a customer may ask for the result later. */
#include "host.h"

/* A purchase that is over is read from the store by whoever asks for it later. */

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

int order_new(Host *h, const PurchaseOrder *what, sd_bus_message *submit, sd_bus_error *error);
Order *order_free(Order *o);
Order *order_find(Host *h, const char *id);
int order_wait(Order *o, sd_bus_message *m, sd_bus_error *error); /* answers now or at the end */
int order_look(const Order *o, sd_bus_message *m);                /* answers now */
/* Answers from the store, by the first characters of the id. */
int order_recall(Host *h, const char *id, bool wait, sd_bus_message *m, sd_bus_error *error);
Question *question_free(Question *q);
int orders_resume(Host *h); /* at the start */
