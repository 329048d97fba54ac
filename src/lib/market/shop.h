#pragma once
/* Shop: one result from whoever sells it. It knows who announces what (NIP-89) and how it went with
 * each of them before; a deal chooses one, buys, and where that one fails, refuses or is silent it
 * goes on to the next, three at most.
 *
 * A deal has an id, and its purchases have the refs ID/1, ID/2 and ID/3, so that whoever starts it
 * again after a crash goes on with what was bought. One is bought at a time. What was paid is given
 * up only when its time is over; a payment whose outcome is open, never. All that is paid stays
 * within max_msat, fees included. */
#include "market/purchase.h"

#define DEAL_TRIES 3

typedef struct Shop Shop;
typedef struct Deal Deal;

int shop_new(sd_event *event, Market *m, Network network, Shop **ret);
Shop *shop_free(Shop *s); /* after its deals, before the market */
DEFINE_CLEANUP(Shop, shop_free)

typedef struct DealOrder {
        const char *id;
        const char *key, *account, *grant; /* as in PurchaseBuyer */
        JobOrder job;                      /* without provider, bid and encrypted */
        const char *model;                 /* "": any; who says what he has must have it */
        int64_t max_msat, fee_max_msat;    /* of all; what the wallet allows, -1: not said */
        usec_t timeout;
        const char *const *providers; /* hex, ends with NULL; NULL or none: anybody */
        bool encrypt;                 /* where the provider takes it */
} DealOrder;

typedef struct DealResult {
        const char *content; /* NULL where there is none */
        const char *provider, *model;
        int64_t spent_msat; /* for all tries, as far as is known */
} DealResult;

/* Exactly once, never before deal_start() has returned, never after deal_free(). error < 0 with a
 * reason: -EDQUOT -EHOSTDOWN -ENOKEY of our own, -ENOENT nobody sells it, -ETIMEDOUT, -EREMOTEIO,
 * -EAGAIN nothing is decided. The result is there in any case. */
typedef void (*deal_done_t)(int error, const char *reason, const DealResult *d, void *userdata);

/* The order's strings are borrowed during the call only. -EINVAL, -EBUSY: this id is being dealt
 * with. */
int deal_start(Shop *s, const DealOrder *o, deal_done_t done, void *userdata, Deal **ret);
Deal *deal_free(Deal *d); /* lets go: what is bought stays bought */
DEFINE_CLEANUP(Deal, deal_free)
