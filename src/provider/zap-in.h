#pragma once
/* Zaps that pay for jobs (NIP-57), where the owner takes them: a receipt names the event that asked
 * for the payment, relays say which job that was about, and the wallet says what it is worth. */
#include "client/relay-client.h"

typedef struct Provider Provider;
typedef struct ZapIn ZapIn;

bool zaps_are_taken(const Provider *p);
/* True: it has taken the delivery over and finishes with it. */
bool zap_take(Provider *p, const RelayEvent *e);
void zaps_forget_deliveries(Provider *p);
void zaps_free_all(Provider *p);
