#pragma once
/* Zap: a receipt (NIP-57, kind 9735) as whoever is zapped reads it: request and invoice together.
 * Pure. */
#include "money/bolt11.h"
#include "nostr/nip57.h"

/* Proven by the receipt itself: the request is signed by `sender`, is for the recipient and about
 * this event, the invoice is of this network, says `msat`, which is what the request asked for
 * where it says so, and holds the request's hash.
 *
 * What the caller must still check, because only he can: that `server` is who signs the receipts of
 * the recipient's own LNURL address (wallet_lnurl() says it), or anybody could have made this up;
 * that `hash` was not counted before: several receipts may come for one payment. Even then it is
 * the server's word and no proof; `proven` says that the preimage was shown. */
typedef struct Zap {
        Event *receipt;     /* our own reference; the rest is borrowed from it and its request */
        const char *sender; /* public key as hex, perhaps one made for this zap */
        const char *server; /* who signed the receipt, as hex */
        const char *event;  /* what was zapped, as hex; "": the recipient himself */
        const char *comment;
        char hash[HEX32_MAX]; /* of the payment */
        int64_t msat, at;     /* at: when the server saw it, in seconds */
        bool proven;
        ZapReceipt inside;
} Zap;

/* -EBADMSG with a reason: it is not good, or not for this recipient. lnurl: the recipient's own,
 * which the request must name where it names one; NULL: not compared. */
typedef struct ZapFor {
        const uint8_t *recipient; /* 32 bytes */
        const char *lnurl;
        Network network;
} ZapFor;
int zap_read(Event *receipt, const ZapFor *whom, Zap *ret, const char **reterr);
void zap_done(Zap *z);
#define _cleanup_zap_read_ _cleanup_(zap_done)
