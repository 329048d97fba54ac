#pragma once
/* Queue: who waits for his turn, first come first served, and how many jobs each customer has open.
 * Pure, and bounded by admission. */
#include "basic/map.h"

typedef struct QueueItem {
        struct QueueItem *prev, *next;
        bool waiting;
} QueueItem;

typedef struct Queue {
        QueueItem *first, *last;
        size_t n;
} Queue;

void queue_push(Queue *q, QueueItem *item);
QueueItem *queue_pop(Queue *q);
void queue_remove(Queue *q, QueueItem *item); /* nothing where it does not wait */

typedef struct Customers {
        Map counts; /* public key as hex → Customer */
} Customers;

void customers_init(Customers *c, size_t max);
void customers_done(Customers *c);
size_t customers_n_jobs(const Customers *c, const char *pubkey_hex);
int customers_add_job(Customers *c, const char *pubkey_hex);
void customers_remove_job(Customers *c, const char *pubkey_hex);
