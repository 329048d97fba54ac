#pragma once
/* The parts of a payment among each other: what its states do, in payment-begin.c until something
 * is reserved, in payment-outcome.c from there. */
#include "payment.h"
#include "wallet.h"

#define PAYMENT_INTERNAL "internal" /* the driver of what stays in the books */

Payment *flow_payment(Flow *f);
void payment_set_reason(Payment *p, const char *reason);
Step payment_refuse(Payment *p, const char *name, int error, const char *reason);

/* What the books refuse for good; anything else is a trouble that passes. */
static inline bool payment_is_refusal(int verdict) {
        return verdict == -EINVAL || verdict == -ENOENT || verdict == -EALREADY ||
               verdict == -EEXIST || verdict == -EACCES;
}

void payment_forget_destination(Payment *p);
int payment_take_invoice(Payment *p, const Bolt11 *b);
Step payment_ask(Flow *f);
Step payment_resolve_destination(Flow *f);
Step payment_check(Flow *f);

Step payment_prepare(Flow *f);
Step payment_send(Flow *f);
Step payment_lookup(Flow *f);
Step payment_pause(Flow *f);
