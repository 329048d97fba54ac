#pragma once
/* Policy: who may do what with which key. The table in policy.c is the whole truth.
 *
 * Key names: "provider", "buyer" and "wallet" are accounts 0, 1 and 2 of the identity; "agent:NAME"
 * is an agent's own seed. */
#include "bus/peer.h"

bool policy_may_manage(PeerRole role, const char *key); /* make, import, list */
bool policy_may_export(PeerRole role, const char *key); /* the words, encrypted */
bool policy_may_use(PeerRole role, const char *key);    /* anything at all */
bool policy_may_sign(PeerRole role, const char *key, uint16_t kind);
bool policy_may_wrap(PeerRole role, const char *key, uint16_t kind); /* a rumor of this kind */
bool policy_may_encrypt(PeerRole role, const char *key);             /* decrypt, and unwrap */
