#pragma once
/* Keys from a seed: BIP-32's steps and NIP-06's path. */
#include "basic/secp.h"
#include "basic/secret.h"

#define BIP32_HARDENED (UINT32_C(1) << 31)

typedef struct Bip32Key {
        uint8_t secret[32], chain[32];
} Bip32Key;

/* -ERANGE: this seed or index gives no key (one of 2^127). */
int bip32_master(const void *seed, size_t size, Bip32Key *ret);
int bip32_child(const Bip32Key *parent, uint32_t index, Bip32Key *ret);
static inline void bip32_key_done(Bip32Key *k) {
        explicit_bzero(k, sizeof(*k));
}

/* NIP-06: m/44'/1237'/account'/0/0. */
int nip06_keypair(const Secret *seed, uint32_t account, Keypair **ret);
