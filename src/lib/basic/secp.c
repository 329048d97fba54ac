#include "basic/secp.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_recovery.h>
#include <secp256k1_schnorrsig.h>

#include "basic/crypt.h"
#include "basic/secret.h"

struct Keypair {
        Secret *home; /* where this very struct lives */
        secp256k1_context *context;
        secp256k1_keypair keypair;
        uint8_t pubkey[32], secret[32];
};

static void context_destroyp(secp256k1_context **c) {
        secp256k1_context_destroy(*c);
}
#define _cleanup_context_ _cleanup_(context_destroyp)

static secp256k1_context *context_new(void) {
        return secp256k1_context_create(SECP256K1_CONTEXT_NONE);
}

int secp_verify(const uint8_t signature[static 64], const uint8_t message[static 32],
                const uint8_t pubkey[static 32]) {
        secp256k1_xonly_pubkey key;

        if (!secp256k1_xonly_pubkey_parse(secp256k1_context_static, &key, pubkey))
                return -EBADMSG;
        if (!secp256k1_schnorrsig_verify(secp256k1_context_static, signature, message, 32, &key))
                return -EBADMSG;
        return 0;
}

int secp_pubkey_check(const uint8_t pubkey[static 32]) {
        secp256k1_xonly_pubkey key;

        return secp256k1_xonly_pubkey_parse(secp256k1_context_static, &key, pubkey) ? 0 : -EINVAL;
}

/* Blinds the computations with this key against side channels. */
static int keypair_blind(Keypair *k) {
        uint8_t seed[32];
        int r;

        r = crypt_random(seed, sizeof(seed));
        if (r < 0)
                return r;

        r = secp256k1_context_randomize(k->context, seed) ? 0 : -EIO;
        memory_wipe(seed, sizeof(seed));
        return r;
}

int keypair_new(const uint8_t secret[static 32], Keypair **ret) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        secp256k1_xonly_pubkey xonly;
        Secret *home;
        int r;

        r = secret_new(sizeof(Keypair), &home);
        if (r < 0)
                return r;
        k = (Keypair *) (void *) secret_data(home);
        k->home = home;

        k->context = context_new();
        if (!k->context)
                return -ENOMEM;
        r = keypair_blind(k);
        if (r < 0)
                return r;

        if (!secp256k1_keypair_create(k->context, &k->keypair, secret) ||
                        !secp256k1_keypair_xonly_pub(k->context, &xonly, NULL, &k->keypair) ||
                        !secp256k1_xonly_pubkey_serialize(k->context, k->pubkey, &xonly))
                return -EINVAL;

        memcpy(k->secret, secret, sizeof(k->secret));
        *ret = TAKE_PTR(k);
        return 0;
}

Keypair *keypair_free(Keypair *k) {
        if (k) {
                secp256k1_context_destroy(k->context);
                (void) secret_free(k->home);
        }
        return NULL;
}

const uint8_t *keypair_pubkey(const Keypair *k) {
        return k->pubkey;
}

int keypair_sign(const Keypair *k, const uint8_t message[static 32],
                const uint8_t random[static 32], uint8_t ret[static 64]) {
        return secp256k1_schnorrsig_sign32(k->context, ret, message, &k->keypair, random) ? 0
                                                                                          : -EIO;
}

/* NIP-04 and NIP-44 take the bare x coordinate, where the library would hash the point. */
static int copy_x(uint8_t *output, const uint8_t *x32, _unused_ const uint8_t *y32,
                _unused_ void *data) {
        memcpy(output, x32, 32);
        return 1;
}

int keypair_ecdh(const Keypair *k, const uint8_t peer[static 32], uint8_t ret[static 32]) {
        uint8_t compressed[33] = { 0x02 }; /* both points with this x lead to the same result */
        secp256k1_pubkey key;

        memcpy(compressed + 1, peer, 32);
        if (!secp256k1_ec_pubkey_parse(k->context, &key, compressed, sizeof(compressed)))
                return -EINVAL;
        return secp256k1_ecdh(k->context, ret, &key, k->secret, copy_x, NULL) ? 0 : -EINVAL;
}

int secp_secret_add(uint8_t secret[static 32], const uint8_t tweak[static 32]) {
        /* The library wipes the secret where the sum is no key. */
        return secp256k1_ec_seckey_tweak_add(secp256k1_context_static, secret, tweak) ? 0 : -ERANGE;
}

int secp_secret_compressed_pubkey(const uint8_t secret[static 32], uint8_t ret[static 33]) {
        _cleanup_context_ secp256k1_context *context = context_new();
        size_t size = 33;
        secp256k1_pubkey key;

        if (!context)
                return -ENOMEM;
        if (!secp256k1_ec_pubkey_create(context, &key, secret))
                return -EINVAL;
        return secp256k1_ec_pubkey_serialize(context, ret, &size, &key, SECP256K1_EC_COMPRESSED)
                               ? 0
                               : -EIO;
}

int secp_ecdsa_sign(const uint8_t secret[static 32], const uint8_t message[static 32],
                uint8_t ret[static 65]) {
        _cleanup_context_ secp256k1_context *context = context_new();
        secp256k1_ecdsa_recoverable_signature signature;
        int id;

        if (!context)
                return -ENOMEM;
        if (!secp256k1_ecdsa_sign_recoverable(context, &signature, message, secret, NULL, NULL))
                return -EINVAL;
        if (!secp256k1_ecdsa_recoverable_signature_serialize_compact(context, ret, &id, &signature))
                return -EIO;
        ret[64] = (uint8_t) id;
        return 0;
}

static int write_compressed(const secp256k1_pubkey *key, uint8_t ret[static 33]) {
        size_t size = 33;

        return secp256k1_ec_pubkey_serialize(
                               secp256k1_context_static, ret, &size, key, SECP256K1_EC_COMPRESSED)
                               ? 0
                               : -EIO;
}

int secp_ecdsa_recover(const uint8_t signature[static 65], const uint8_t message[static 32],
                uint8_t ret[static 33]) {
        secp256k1_ecdsa_recoverable_signature s;
        secp256k1_pubkey key;

        if (signature[64] > 3 ||
                        !secp256k1_ecdsa_recoverable_signature_parse_compact(
                                        secp256k1_context_static, &s, signature, signature[64]) ||
                        !secp256k1_ecdsa_recover(secp256k1_context_static, &key, &s, message))
                return -EBADMSG;
        return write_compressed(&key, ret);
}

int secp_ecdsa_verify(const uint8_t signature[static 64], const uint8_t message[static 32],
                const uint8_t pubkey[static 33]) {
        secp256k1_ecdsa_signature s;
        secp256k1_pubkey key;

        if (!secp256k1_ec_pubkey_parse(secp256k1_context_static, &key, pubkey, 33) ||
                        !secp256k1_ecdsa_signature_parse_compact(
                                        secp256k1_context_static, &s, signature))
                return -EBADMSG;
        return secp256k1_ecdsa_verify(secp256k1_context_static, &s, message, &key) ? 0 : -EBADMSG;
}

int secp_compressed_check(const uint8_t pubkey[static 33]) {
        secp256k1_pubkey key;

        return secp256k1_ec_pubkey_parse(secp256k1_context_static, &key, pubkey, 33) ? 0 : -EINVAL;
}
