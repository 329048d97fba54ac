#pragma once
/* secp256k1: BIP-340 signatures, ECDH as NIP-04 and NIP-44 want it, BIP-32 key addition, ECDSA as
 * BOLT 11 wants it. Public keys are the 32-byte x-only form, ECDSA's the compressed one. The one
 * file that includes libsecp256k1. */
#include "basic/macro.h"

/* 0 = the signature is good; -EBADMSG = it is not, or the key is not on the curve. */
_warn_unused_ int secp_verify(const uint8_t signature[static 64], const uint8_t message[static 32],
                const uint8_t pubkey[static 32]);
_warn_unused_ int secp_pubkey_check(
                const uint8_t pubkey[static 32]); /* -EINVAL: not on the curve */

/* A secret key with its public key, computed once. Its memory is wiped when it is freed. */
typedef struct Keypair Keypair;
_warn_unused_ int keypair_new(
                const uint8_t secret[static 32], Keypair **ret); /* -EINVAL: 0 or >= n */
Keypair *keypair_free(Keypair *k);
DEFINE_CLEANUP(Keypair, keypair_free)

const uint8_t *keypair_pubkey(const Keypair *k); /* 32 bytes */
/* BIP-340 asks for 32 fresh random bytes; zeros give reproducible signatures, for tests. */
_warn_unused_ int keypair_sign(const Keypair *k, const uint8_t message[static 32],
                const uint8_t random[static 32], uint8_t ret[static 64]);
/* The x coordinate of the shared point, not hashed. -EINVAL: the peer is not on the curve. */
_warn_unused_ int keypair_ecdh(
                const Keypair *k, const uint8_t peer[static 32], uint8_t ret[static 32]);

/* BIP-32 steps on bare secrets. -ERANGE: the result is no key, take the next index. */
_warn_unused_ int secp_secret_add(uint8_t secret[static 32], const uint8_t tweak[static 32]);
_warn_unused_ int secp_secret_compressed_pubkey(
                const uint8_t secret[static 32], uint8_t ret[static 33]);

/* ECDSA, RFC 6979, low S; the 65th byte is the recovery id (0 to 3). */
_warn_unused_ int secp_ecdsa_sign(const uint8_t secret[static 32], const uint8_t message[static 32],
                uint8_t ret[static 65]);
/* -EBADMSG. Recovery takes a high S, verification does not. */
_warn_unused_ int secp_ecdsa_recover(const uint8_t signature[static 65],
                const uint8_t message[static 32], uint8_t ret[static 33]);
_warn_unused_ int secp_ecdsa_verify(const uint8_t signature[static 64],
                const uint8_t message[static 32], const uint8_t pubkey[static 33]);
_warn_unused_ int secp_compressed_check(const uint8_t pubkey[static 33]); /* -EINVAL */
