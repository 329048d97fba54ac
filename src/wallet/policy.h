#pragma once
/* Policy: who may move which money. The table in policy.c is the whole truth for our own services;
 * people are asked for their rights by polkit, and the books know what is possible at all. */
#include "bus/peer.h"

typedef enum WalletAct {
        WALLET_RECEIVE,  /* an invoice for this account */
        WALLET_SPEND,    /* pay from this account */
        WALLET_TRANSFER, /* from this account to the other */
        WALLET_GRANT,    /* set and revoke this grant, on the other account */
        WALLET_TICK,     /* empty this grant's window of a tick */
        WALLET_DECIDE,   /* what only a person decides: faucet, approvals, outcomes */
        _WALLET_ACT_MAX,
} WalletAct;

/* `other` is "" where the act has none, and the grant itself where it is revoked. */
bool policy_may(PeerRole role, WalletAct act, const char *name, const char *other);
