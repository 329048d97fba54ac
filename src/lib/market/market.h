#pragma once
/* Market: one buyer. It owns the connections to relay and signer that all its purchases share, and
 * hands each purchase the answers to its request. */
#include <systemd/sd-event.h>

#include "client/relay-client.h"
#include "client/signer-client.h"

typedef struct Market Market;
typedef struct Purchase Purchase;

#define MARKET_PURCHASES_MAX 256

int market_new(sd_event *event, const char *relay_socket, const char *signer_socket,
                const char *key, Market **ret);
Market *market_free(Market *m); /* after its purchases */
DEFINE_CLEANUP(Market, market_free)

size_t market_n_purchases(const Market *m);
