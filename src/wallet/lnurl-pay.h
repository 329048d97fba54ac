#pragma once
/* From "name@host" or an LNURL to an invoice that is what was asked for: two questions to a
 * stranger's server, with a zap request (NIP-57) in the second. It may lead only to the public
 * Internet and only with encryption, unless this machine is on regtest or the person allows it. */
#include "money/lnurl.h"
#include "net/http.h"

#define LNURL_TIME_MAX (15 * SEC) /* for each question */

typedef struct LnurlCall LnurlCall;

typedef struct LnurlOrder {
        const char *destination;
        int64_t msat;
        const char *comment; /* NULL: none */
        /* NIP-57: a signed event, handed on byte for byte, whose hash the invoice must hold; NULL
         */
        const char *zap_request;
        Network network;
        bool allow_private;
} LnurlOrder;

/* Borrowed until the callback returns. */
typedef struct LnurlBill {
        const char *bolt11;
        const Bolt11 *invoice;   /* bolt11, decoded: amount, network and hash are as asked */
        const char *verify;      /* LUD-21: says whether it is settled; NULL */
        const char *description; /* of the server, cleaned */
} LnurlBill;

/* Exactly once, never before the function has returned, never after lnurl_call_free(). error < 0:
 * a reason for people, possibly the server's words. Nothing was paid by then. */
typedef void (*lnurl_bill_t)(int error, const char *reason, const LnurlBill *bill, void *userdata);
/* Negative with a reason: it never started. ret may be NULL; else *ret is cleared when it is over.
 */
int lnurl_bill(Http *http, const LnurlOrder *order, lnurl_bill_t done, void *userdata,
                LnurlCall **ret, const char **reterr);

/* What stands behind a destination: the first question alone. Only destination, network and
 * allow_private of the order are looked at. lnurl: its URL as NIP-57's "lnurl". */
typedef void (*lnurl_offer_t)(int error, const char *reason, const LnurlPay *offer,
                const char *lnurl, void *userdata);
int lnurl_ask(Http *http, const LnurlOrder *order, lnurl_offer_t done, void *userdata,
                LnurlCall **ret, const char **reterr);

/* LUD-21, asked once. Settled only with a preimage of this hash. 0: not yet, as far as it says. */
typedef void (*lnurl_verified_t)(int error, const char *reason, bool settled,
                const uint8_t preimage[static 32], void *userdata);
typedef struct LnurlProof {
        const char *verify;
        const uint8_t *hash; /* 32 bytes */
        Network network;
        bool allow_private;
} LnurlProof;
int lnurl_verify(Http *http, const LnurlProof *proof, lnurl_verified_t done, void *userdata,
                LnurlCall **ret, const char **reterr);

LnurlCall *lnurl_call_free(LnurlCall *c); /* cancels */
DEFINE_CLEANUP(LnurlCall, lnurl_call_free)
