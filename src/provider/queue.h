#pragma once
/* Queue: who waits for his turn. The owner's own calls come first, then his agents, then who pays,
 * then who does not; but a class that was passed over often enough has a turn in between, so that
 * nobody starves. Within a class each customer has a lane, and the lanes take turns: nobody locks
 * others out with a heap of jobs. Pure, every step takes the same time however many wait, and
 * bounded by admission. */
#include "basic/macro.h"

typedef enum QueueClass {
        QUEUE_OWNER, /* this machine's own calls */
        QUEUE_AGENT, /* its agents */
        QUEUE_PAID,
        QUEUE_FREE,
        _QUEUE_CLASS_MAX,
} QueueClass;
const char *queue_class_name(QueueClass c);

typedef struct QueueLane QueueLane;

typedef struct QueueItem {
        struct QueueItem *prev, *next;
        QueueLane *lane; /* NULL: does not wait */
        QueueClass class;
        uint64_t number; /* in its lane */
} QueueItem;

/* Of one customer in one class: first come, first served. */
struct QueueLane {
        QueueLane *prev, *next; /* those who wait, in the order of their turns */
        QueueItem *first, *last;
        size_t n;
        uint64_t number, turn; /* of the next item; of the lane among the others */
};

typedef struct Queue {
        struct {
                QueueLane *first, *last;
                QueueLane common; /* of those who have no lane of their own */
                size_t n;         /* items */
                unsigned passed;  /* turns of others while somebody waited here */
                uint64_t turn;    /* of the next lane */
        } classes[_QUEUE_CLASS_MAX];
        size_t n;
} Queue;

/* At the end of its lane; NULL: of the common one. A lane serves one queue and one class. */
void queue_push(Queue *q, QueueItem *item, QueueClass class, QueueLane *lane);
void queue_remove(Queue *q, QueueItem *item); /* nothing where it does not wait */

/* May this one start now? What may not is left in its place, and others have their turn. */
typedef bool (*queue_may_t)(const QueueItem *item, void *userdata);
/* The next one; NULL: nobody waits, or none of the foremost may. */
QueueItem *queue_take(Queue *q, queue_may_t may, void *userdata);
QueueItem *queue_pop(Queue *q);

static inline bool queue_is_waiting(const QueueItem *item) {
        return item->lane;
}
/* From 1: how many turns it takes at most, if nobody else comes; what may pass from a lower class
 * is not counted. It looks at each lane of the class, so it is for people who ask. */
size_t queue_position(const Queue *q, const QueueItem *item);
