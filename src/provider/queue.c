#include "queue.h"

void queue_push(Queue *q, QueueItem *item) {
        assert(!item->waiting);

        item->waiting = true;
        item->next = NULL;
        item->prev = q->last;
        if (q->last)
                q->last->next = item;
        else
                q->first = item;
        q->last = item;
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

        if (item)
                queue_remove(q, item);
        return item;
}

typedef struct Customer {
        char pubkey_hex[65];
        size_t n_jobs;
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
