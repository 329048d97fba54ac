#pragma once
/* What market.c and purchase.c share. */
#include "basic/map.h"
#include "market/market.h"

struct Market {
        sd_event *event;
        char *key;
        RelayClient *relay;
        SignerClient *signer;
        Map by_id;           /* the request's id as hex → Purchase */
        Map by_subscription; /* its name → Purchase */
};

void purchase_take(Purchase *p, const RelayEvent *e);
void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message);
