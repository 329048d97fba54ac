#pragma once
/* Market: where one process buys, for one or many buyers. It owns the connections to relay, signer,
 * store and wallet that all purchases share, and hands each purchase the answers to its request. */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "client/purchases-client.h"
#include "client/relay-client.h"
#include "client/signer-client.h"

typedef struct Market Market;
typedef struct Purchase Purchase;

#define MARKET_PURCHASES_MAX 2048

typedef struct MarketSockets {
        const char *relay, *signer, *store, *wallet;
} MarketSockets;

/* key: the signer's, of purchases that name none. */
int market_new(sd_event *event, const MarketSockets *sockets, const char *key, Network network,
                Market **ret);
Market *market_free(Market *m); /* after its purchases */
DEFINE_CLEANUP(Market, market_free)

size_t market_n_purchases(const Market *m);
/* For those who take up what a former life has stored. */
PurchasesClient *market_purchases(const Market *m);
/* The connection to the relay is for all of this process: outcomes go to the latest one of a role,
 * so there must be one only. What concerns no purchase goes to `rest`, which forgets outcomes that
 * nobody waits for; without it they are forgotten here. */
RelayClient *market_relay(const Market *m);
void market_share_relay(Market *m, const RelayHandler *rest, void *userdata);
