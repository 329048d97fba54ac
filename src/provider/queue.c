#include "queue.h"

void queue_push(Queue *q, QueueItem *item, uint64_t round) {
        QueueItem *before = q->last;

        assert(!item->waiting);

        while (before && before->round > round)
                before = before->prev;
        *item = (QueueItem){
                .prev = before,
                .next = before ? before->next : q->first,
                .round = round,
                .waiting = true,
        };
        *(before ? &before->next : &q->first) = item;
        *(item->next ? &item->next->prev : &q->last) = item;
        q->n++;
}

void queue_remove(Queue *q, QueueItem *item) {
        if (!item->waiting)
                return;

        if (item->prev)
                item->prev->next = item->next;
        else
                q->first = item->next;
        if (item->next)
                item->next->prev = item->prev;
        else
                q->last = item->prev;
        q->n--;
        *item = (QueueItem){};
}

QueueItem *queue_pop(Queue *q) {
        QueueItem *item = q->first;

        if (item) {
                q->round = item->round;
                queue_remove(q, item);
        }
        return item;
}

typedef struct Customer {
        char pubkey_hex[65];
        size_t n_jobs;
        uint64_t round; /* of his last job */
} Customer;

void customers_init(Customers *c, size_t max) {
        map_init(&c->counts, max);
}

void customers_done(Customers *c) {
        Customer *customer;

        MAP_FOREACH (customer, &c->counts)
                free(customer);
        map_done(&c->counts);
}

size_t customers_n_jobs(const Customers *c, const char *pubkey_hex) {
        const Customer *customer = map_get_string(&c->counts, pubkey_hex);

        return customer ? customer->n_jobs : 0;
}

int customers_add_job(Customers *c, const char *pubkey_hex) {
        Customer *customer = map_get_string(&c->counts, pubkey_hex);
        int r;

        if (customer) {
                customer->n_jobs++;
                return 0;
        }

        customer = new0(Customer, 1);
        if (!customer)
                return -ENOMEM;
        assert(strlen(pubkey_hex) < sizeof(customer->pubkey_hex));
        memcpy(customer->pubkey_hex, pubkey_hex, strlen(pubkey_hex) + 1);
        customer->n_jobs = 1;
        r = map_put_string(&c->counts, customer->pubkey_hex, customer);
        if (r < 0)
                free(customer);
        return r;
}

void customers_remove_job(Customers *c, const char *pubkey_hex) {
        Customer *customer = map_get_string(&c->counts, pubkey_hex);

        assert(customer);
        if (--customer->n_jobs > 0)
                return;

        (void) map_remove_string(&c->counts, pubkey_hex);
        free(customer);
}

uint64_t customers_next_round(Customers *c, const char *pubkey_hex, const Queue *q) {
        Customer *customer = map_get_string(&c->counts, pubkey_hex);

        assert(customer);
        customer->round = MAX(customer->round, q->round) + 1;
        return customer->round;
}
