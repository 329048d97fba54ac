#pragma once
/* Queue: who waits for his turn, and how many jobs each customer has open. First come first served,
 * but the second job of a customer comes after the first of everybody else who waits: nobody locks
 * others out with a heap of jobs. Pure, and bounded by admission. */
#include "basic/map.h"

typedef struct QueueItem {
        struct QueueItem *prev, *next;
        uint64_t round;
        bool waiting;
} QueueItem;

typedef struct Queue {
        QueueItem *first, *last;
        size_t n;
        uint64_t round; /* of who was last in the queue and had his turn */
} Queue;

/* Behind all of the same round. */
void queue_push(Queue *q, QueueItem *item, uint64_t round);
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
/* In which round the next job of a customer has its turn; he is counted already. */
uint64_t customers_next_round(Customers *c, const char *pubkey_hex, const Queue *q);
