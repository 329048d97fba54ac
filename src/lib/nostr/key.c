#include "nostr/key.h"

#include "basic/crypt.h"

#define NIP06_COIN_TYPE 1237

/* BIP-32 writes a hash of 64 bytes as I: the left half makes the secret, the right the chain code.
 */
static void split(uint8_t hash[static 64], uint8_t left[static 32], uint8_t right[static 32]) {
        memcpy(left, hash, 32);
        memcpy(right, hash + 32, 32);
        memory_wipe(hash, 64);
}

int bip32_master(const void *seed, size_t size, Bip32Key *ret) {
        static const char salt[] = "Bitcoin seed";
        uint8_t hash[64], pubkey[33];
        int r;

        r = hmac_sha512(salt, sizeof(salt) - 1, seed, size, hash);
        if (r < 0)
                return r;

        split(hash, ret->secret, ret->chain);
        r = secp_secret_compressed_pubkey(ret->secret, pubkey);
        return r == -EINVAL ? -ERANGE : r;
}

int bip32_child(const Bip32Key *parent, uint32_t index, Bip32Key *ret) {
        uint8_t data[33 + 4] = { 0 }, hash[64];
        Bip32Key tweak, child = *parent;
        int r = 0;

        if (index & BIP32_HARDENED)
                memcpy(data + 1, parent->secret, 32);
        else
                r = secp_secret_compressed_pubkey(parent->secret, data);
        if (r < 0)
                goto finish;
        for (int i = 0; i < 4; i++)
                data[33 + i] = (uint8_t) (index >> 8 * (3 - i));

        r = hmac_sha512(parent->chain, 32, data, sizeof(data), hash);
        if (r < 0)
                goto finish;
        split(hash, tweak.secret, child.chain);
        r = secp_secret_add(child.secret, tweak.secret);
        bip32_key_done(&tweak);
        if (r >= 0)
                *ret = child;

finish:
        memory_wipe(data, sizeof(data));
        bip32_key_done(&child);
        return r;
}

int nip06_keypair(const Secret *seed, uint32_t account, Keypair **ret) {
        const uint32_t path[] = { 44 | BIP32_HARDENED, NIP06_COIN_TYPE | BIP32_HARDENED,
                account | BIP32_HARDENED, 0, 0 };
        _cleanup_(bip32_key_done) Bip32Key k;
        int r;

        if (account & BIP32_HARDENED)
                return -EINVAL;

        r = bip32_master(secret_text(seed), secret_size(seed), &k);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(path); i++)
                r = bip32_child(&k, path[i], &k);
        if (r < 0)
                return r;

        return keypair_new(k.secret, ret);
}
