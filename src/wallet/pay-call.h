#pragma once
/* PayCall: somebody on the bus who waits for the end of a payment. He is answered when it is
 * certain, or after a minute with what is known. */
#include "purse.h"

/* Takes over the message's answer. */
int pay_call(Purse *p, sd_bus_message *m, const PaymentOrder *order, sd_bus_error *error);
/* (s state, s hash, s preimage, x fee_msat, s reason), of a payment that may be over. */
int lookup_call(Purse *p, sd_bus_message *m, const char *id_or_hash, sd_bus_error *error);
/* Pays what a job brought back. */
int refund_call(Purse *p, sd_bus_message *m, const char *job, const char *destination,
                sd_bus_error *error);

/* Pay(), of both interfaces; wallet-bus.c. */
int wallet_bus_pay(Purse *p, sd_bus_message *m, sd_bus_error *error);
