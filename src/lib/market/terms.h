#pragma once
/* Terms: may this invoice be paid for that order? Pure: the invoice is decoded and compared with
 * everything that was said before: the order's bid and limit, what the provider announced, the
 * amount in the event that brought it, the network and the time. */
#include "basic/codec.h"
#include "basic/config.h"

typedef struct PayTerms {
        Network network;
        int64_t now;
        int64_t asked_msat; /* the event's `amount`; -1: it has none */
        int64_t bid_msat;   /* the order's; -1: none */
        int64_t max_msat;   /* the most that is paid; -1: whoever pays decides */
        int64_t offer_msat; /* what the provider announced for one request; -1: not known */
} PayTerms;

typedef struct PayDemand {
        int64_t amount_msat, expires_at;
        char hash_hex[HEX32_MAX];
} PayDemand;

/* -EINVAL: it is no invoice that could be paid here; -EPERM: more than the terms allow; -ETIME: it
 * has expired. With a reason. */
int pay_terms_check(const PayTerms *t, const char *bolt11, PayDemand *ret, const char **reterr);
