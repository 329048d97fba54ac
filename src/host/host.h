#pragma once
/* Host: what pylon-host holds: the purchases of this machine's owner, and the wish to be online. */
#include "bus/service.h"
#include "client/store-client.h"
#include "market/purchase.h"

typedef struct Order Order;

typedef struct Host {
        Service *service;
        StoreClient *store;
        StoreCall *asking; /* for the wish, at the start */
        Market *market;
        Order *orders;
        size_t n_orders, n_open;
        bool online;
} Host;

int host_new(Service *s, Host **ret);
Host *host_free(Host *h);
DEFINE_CLEANUP(Host, host_free)

bool host_busy(Host *h);
void host_set_online(Host *h, bool online); /* after it is durable */
extern const BusObject host_objects[];
