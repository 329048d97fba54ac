#include "customer.h"

#define FORGET_PAUSE SEC

void customers_init(Customers *c, size_t max) {
        map_init(&c->open, max);
}

void customers_done(Customers *c) {
        Customer *customer;

        MAP_FOREACH (customer, &c->open)
                free(customer);
        map_done(&c->open);
}

Customer *customers_get(const Customers *c, const char *pubkey_hex) {
        return map_get_string(&c->open, pubkey_hex);
}

static int customer_new(Customers *c, const char *pubkey_hex, Customer **ret) {
        Customer *customer;
        int r;

        customer = new0(Customer, 1);
        if (!customer)
                return -ENOMEM;
        assert(strlen(pubkey_hex) < sizeof(customer->pubkey_hex));
        memcpy(customer->pubkey_hex, pubkey_hex, strlen(pubkey_hex) + 1);
        r = map_put_string(&c->open, customer->pubkey_hex, customer);
        if (r < 0) {
                free(customer);
                return r;
        }
        *ret = customer;
        return 0;
}

int customers_add_job(Customers *c, const char *pubkey_hex, size_t bytes, Customer **ret) {
        Customer *customer = customers_get(c, pubkey_hex);
        int r;

        if (!customer) {
                r = customer_new(c, pubkey_hex, &customer);
                if (r < 0)
                        return r;
        }
        customer->n_jobs++;
        customer->bytes += bytes;
        *ret = customer;
        return 0;
}

void customers_remove_job(Customers *c, Customer *customer, size_t bytes) {
        assert(customer->n_jobs > 0 && customer->bytes >= bytes);
        customer->bytes -= bytes;
        if (--customer->n_jobs > 0)
                return;

        (void) map_remove_string(&c->open, customer->pubkey_hex);
        free(customer);
}

/* ---- pace */

/* A bucket is one number: when it is full again. That is as long ahead as was taken out of it. */
typedef struct Bucket {
        char pubkey_hex[65];
        usec_t full_at;
        struct Bucket *next; /* among those that are forgotten */
} Bucket;

void pace_init(Pace *p, size_t max) {
        map_init(&p->buckets, max);
        p->shared_at = p->forgot_at = 0;
}

void pace_done(Pace *p) {
        Bucket *b;

        MAP_FOREACH (b, &p->buckets)
                free(b);
        map_done(&p->buckets);
}

/* Full ones say nothing that a new one does not. At most once in a while: it looks at all. */
static void forget_full(Pace *p, usec_t now) {
        Bucket *b, *full = NULL;

        if (now < p->forgot_at + FORGET_PAUSE)
                return;
        p->forgot_at = now;
        MAP_FOREACH (b, &p->buckets)
                if (b->full_at <= now) {
                        b->next = full;
                        full = b;
                }
        while ((b = full)) {
                full = b->next;
                (void) map_remove_string(&p->buckets, b->pubkey_hex);
                free(b);
        }
}

static usec_t *bucket(Pace *p, const char *pubkey_hex, usec_t now) {
        Bucket *b = map_get_string(&p->buckets, pubkey_hex);

        if (b)
                return &b->full_at;

        b = new0(Bucket, 1);
        if (!b)
                return &p->shared_at;
        assert(strlen(pubkey_hex) < sizeof(b->pubkey_hex));
        memcpy(b->pubkey_hex, pubkey_hex, strlen(pubkey_hex) + 1);
        if (map_size(&p->buckets) >= p->buckets.max)
                forget_full(p, now);
        if (map_put_string(&p->buckets, b->pubkey_hex, b) < 0) {
                free(b);
                return &p->shared_at;
        }
        return &b->full_at;
}

bool pace_take(Pace *p, const char *pubkey_hex, const PaceLimit *l, usec_t now, usec_t *ret_wait) {
        usec_t each, begin, *full_at;

        *ret_wait = 0;
        if (l->n == 0)
                return true;

        each = MAX(l->span / l->n, UINT64_C(1));
        full_at = bucket(p, pubkey_hex, now);
        begin = MAX(*full_at, now);
        if (begin - now + each > l->span) {
                *ret_wait = begin - now + each - l->span;
                return false;
        }
        *full_at = begin + each;
        return true;
}
