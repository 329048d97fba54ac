#pragma once
/* From a NIP-47 connection of somebody else to an invoice of his wallet, for what is paid back to
 * him. The address is his secret: it is in no text that leaves here, and neither are his wallet's
 * words. Its relays are a stranger's, which pylon-relay asks as it asks any stranger's. */
#include <systemd/sd-event.h>

#include "money/bolt11.h"

#define NWC_BILLS_MAX 4 /* at once; each has connections of its own */

typedef struct NwcBill NwcBill;

/* Which of the names under which pylon-relay knows them are in use. */
typedef struct NwcBills {
        sd_event *event;
        const char *relay_socket;
        bool used[NWC_BILLS_MAX];
} NwcBills;

bool nwc_bill_looks_like(const char *destination);

/* Exactly once, never before nwc_bill() has returned, never after nwc_bill_free(). error < 0: a
 * reason for people. bolt11 is borrowed: an invoice about the amount; nothing else was looked at.
 */
typedef void (*nwc_bill_t)(int error, const char *reason, const char *bolt11, void *userdata);
/* Negative with a reason: it never started. *ret is cleared when it is over, so it must live as
 * long, and so must bills. -EBUSY: too many are being asked. */
int nwc_bill(NwcBills *bills, const char *uri, int64_t msat, nwc_bill_t done, void *userdata,
                NwcBill **ret, const char **reterr);
NwcBill *nwc_bill_free(NwcBill *b); /* cancels */
DEFINE_CLEANUP(NwcBill, nwc_bill_free)
