#include "queue.h"

#define LOOKS_MAX 256 /* at those who may not start, in one search */
#define DEEP_MAX  8   /* of them in one lane */

/* After how many turns of others a class that waits has one. The owner is asked first anyway. */
/* clang-format off */
static const struct {
        const char *name;
        unsigned patience;
} classes[_QUEUE_CLASS_MAX] = {
        [QUEUE_OWNER] = { "owner",  1 },
        [QUEUE_AGENT] = { "agent",  4 },
        [QUEUE_PAID]  = { "paid",   8 },
        [QUEUE_FREE]  = { "free",  32 },
};
/* clang-format on */

const char *queue_class_name(QueueClass c) {
        return classes[c].name;
}

/* ---- lanes of a class */

static void lane_append(Queue *q, QueueClass c, QueueLane *lane) {
        lane->prev = q->classes[c].last;
        lane->next = NULL;
        *(lane->prev ? &lane->prev->next : &q->classes[c].first) = lane;
        q->classes[c].last = lane;
        lane->turn = q->classes[c].turn++;
}

static void lane_unlink(Queue *q, QueueClass c, QueueLane *lane) {
        *(lane->prev ? &lane->prev->next : &q->classes[c].first) = lane->next;
        *(lane->next ? &lane->next->prev : &q->classes[c].last) = lane->prev;
        lane->prev = lane->next = NULL;
}

/* ---- items of a lane */

void queue_push(Queue *q, QueueItem *item, QueueClass class, QueueLane *lane) {
        assert(!item->lane);

        lane = lane ?: &q->classes[class].common;
        if (lane->n == 0)
                lane_append(q, class, lane);
        *item = (QueueItem){
                .prev = lane->last,
                .lane = lane,
                .class = class,
                .number = lane->number++,
        };
        *(item->prev ? &item->prev->next : &lane->first) = item;
        lane->last = item;
        lane->n++;
        q->classes[class].n++;
        q->n++;
}

void queue_remove(Queue *q, QueueItem *item) {
        QueueLane *lane = item->lane;

        if (!lane)
                return;

        *(item->prev ? &item->prev->next : &lane->first) = item->next;
        *(item->next ? &item->next->prev : &lane->last) = item->prev;
        if (--lane->n == 0)
                lane_unlink(q, item->class, lane);
        if (--q->classes[item->class].n == 0)
                q->classes[item->class].passed = 0;
        q->n--;
        *item = (QueueItem){};
}

/* ---- turns */

typedef struct Search {
        queue_may_t may;
        void *userdata;
        unsigned n_looks;
} Search;

static QueueItem *look_into_lane(const QueueLane *lane, Search *s) {
        QueueItem *item = lane->first;

        for (unsigned n = 0; item && n < DEEP_MAX && s->n_looks < LOOKS_MAX; n++) {
                if (!s->may || s->may(item, s->userdata))
                        return item;
                s->n_looks++;
                item = item->next;
        }
        return NULL;
}

static QueueItem *look_into_class(const Queue *q, QueueClass c, Search *s) {
        QueueItem *item = NULL;

        for (const QueueLane *l = q->classes[c].first; l && !item && s->n_looks < LOOKS_MAX;
                        l = l->next)
                item = look_into_lane(l, s);
        return item;
}

static bool was_passed_often(const Queue *q, QueueClass c) {
        return q->classes[c].n > 0 && q->classes[c].passed >= classes[c].patience;
}

/* First those who were passed over too often, then in the order of the classes. */
static QueueItem *find(const Queue *q, queue_may_t may, void *userdata) {
        QueueItem *item = NULL;

        for (QueueClass c = 0; c < _QUEUE_CLASS_MAX && !item; c++)
                if (was_passed_often(q, c))
                        item = look_into_class(q, c, &(Search){ .may = may, .userdata = userdata });
        for (QueueClass c = 0; c < _QUEUE_CLASS_MAX && !item; c++)
                if (!was_passed_often(q, c))
                        item = look_into_class(q, c, &(Search){ .may = may, .userdata = userdata });
        return item;
}

QueueItem *queue_take(Queue *q, queue_may_t may, void *userdata) {
        QueueItem *item = find(q, may, userdata);
        QueueLane *lane;
        QueueClass c;

        if (!item)
                return NULL;

        lane = item->lane;
        c = item->class;
        for (QueueClass o = 0; o < _QUEUE_CLASS_MAX; o++)
                if (o == c)
                        q->classes[o].passed = 0;
                else if (q->classes[o].n > 0 && q->classes[o].passed < classes[o].patience)
                        q->classes[o].passed++;
        queue_remove(q, item);
        if (lane->n > 0) { /* the other customers come first */
                lane_unlink(q, c, lane);
                lane_append(q, c, lane);
        }
        return item;
}

QueueItem *queue_pop(Queue *q) {
        return queue_take(q, NULL, NULL);
}

size_t queue_position(const Queue *q, const QueueItem *item) {
        const QueueLane *own = item->lane;
        size_t before, position = 1;

        assert(own);

        /* Each of its lane that comes before it lets the others have a turn. */
        before = MIN((size_t) (item->number - own->first->number), own->n - 1);
        for (QueueClass c = 0; c < item->class; c++)
                position += q->classes[c].n;
        for (const QueueLane *l = q->classes[item->class].first; l; l = l->next)
                if (l != own)
                        position += MIN(l->n, before + (l->turn < own->turn));
        return position + before;
}
