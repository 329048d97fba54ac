#pragma once
/* Host: what pylon-host holds: the purchases of this machine's owner, and the wish to be online. */
#include "bus/service.h"
#include "client/store-client.h"
#include "market/purchase.h"

typedef struct Order Order;
typedef struct Question Question;

typedef struct Host {
        Service *service;
        StoreClient *store;
        StoreCall *asking; /* for the wish, at the start */
        Market *market;
        Order *orders;
        size_t n_orders, n_open;
        char last_resumed[HEX32_MAX];
        bool resumed;            /* all of them are here */
        PurchasesCall *resuming; /* what a former life has stored is being read */
        sd_event_source *retry;  /* the store did not answer; it is asked again */
        Question *questions;     /* for the end of purchases that only the store knows */
        size_t n_questions;
        struct Agents *agents; /* agents.h */
        struct Asked *asked;   /* calls about agents that are answered later */
        size_t n_asked;
        struct Hands *hands; /* what agents act with: hands.h */
        bool online;
} Host;

int host_new(Service *s, Host **ret);
Host *host_free(Host *h);
DEFINE_CLEANUP(Host, host_free)

bool host_busy(Host *h);
void host_set_online(Host *h, bool online); /* after it is durable */
extern const BusObject host_objects[];
