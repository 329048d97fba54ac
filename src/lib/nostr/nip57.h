#pragma once
/* NIP-57: zaps. What is asked of a recipient's LNURL server, and whether a receipt is good. A
 * receipt trusts that server; it is no proof of payment to anybody else. */
#include "nostr/event.h"

#define NIP57_REQUEST_KIND 9734
#define NIP57_RECEIPT_KIND 9735
#define NIP57_RELAYS_MAX   16

typedef struct ZapRequest {
        const char *recipient_hex; /* "p" */
        const char *event_hex;     /* "e": what is zapped; NULL */
        const char *kind;          /* "k": of that event; NULL */
        const char *const *relays; /* where the receipt goes; NULL-terminated, at least one */
        int64_t msat;              /* 0: not said */
        const char *lnurl;         /* NULL */
        const char *comment;
} ZapRequest;
int zap_request_draft(const ZapRequest *z, int64_t now, Draft **ret);

/* A request as its server must see it: a good signature (an Event has one), exactly one "p", at
 * most one "e", relays, and the amount where it says one. -EBADMSG with a reason. */
int zap_request_check(const Event *request, int64_t msat, const char **reterr);

/* What we know ourselves, not from the receipt. */
typedef struct ZapExpected {
        const uint8_t *server;    /* nostrPubkey of the recipient's LNURL server, as fetched */
        const uint8_t *recipient; /* us */
        const char *event_hex;    /* the event of ours that was to be zapped; NULL: any */
        const char *lnurl;        /* of the recipient; NULL: not compared */
} ZapExpected;

/* What the caller compares with the invoice, which is money's: decode `bolt11`; its amount is
 * `msat` where that is not 0; it describes `request_json` byte for byte; its payment hash was not
 * counted before. */
typedef struct ZapReceipt {
        Event *request;           /* verified; its author is the sender */
        const char *request_json; /* borrowed from the receipt */
        const char *bolt11;       /* borrowed from the receipt */
        const char *preimage;     /* borrowed; NULL */
        int64_t msat;             /* what the request asked for; 0: not said */
} ZapReceipt;
/* -EBADMSG with a reason. */
int zap_receipt_parse(const Event *receipt, const ZapExpected *expected, ZapReceipt *ret,
                const char **reterr);
void zap_receipt_done(ZapReceipt *z);
#define _cleanup_zap_receipt_ _cleanup_(zap_receipt_done)
