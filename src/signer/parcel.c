#include "parcel.h"

#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/bip39.h"
#include "nostr/key.h"

#define PREFIX     "words of "
#define NONCE_SIZE 32

int parcel_pack(const Secret *key, const char *pubkey_hex, const Secret *mnemonic, Secret **ret) {
        char name[sizeof(PREFIX) + HEX32_MAX];
        uint8_t nonce[NONCE_SIZE];
        int r;

        (void) snprintf(name, sizeof(name), PREFIX "%s", pubkey_hex);
        r = crypt_random(nonce, sizeof(nonce));
        return r < 0 ? r : seal(key, name, nonce, mnemonic, ret);
}

/* Words of another key would be this agent's in name only. */
static int check_owner(const Secret *mnemonic, const char *pubkey_hex, const char **reterr) {
        _cleanup_(secret_freep) Secret *seed = NULL;
        _cleanup_(keypair_freep) Keypair *pair = NULL;
        char hex[HEX32_MAX];
        int r;

        r = mnemonic_seed(mnemonic, "", &seed, reterr);
        if (r >= 0)
                r = nip06_keypair(seed, 0, &pair);
        if (r < 0)
                return r;
        hex_encode(keypair_pubkey(pair), 32, hex);
        if (streq(hex, pubkey_hex))
                return 0;
        *reterr = "its words belong to another key";
        return -EBADMSG;
}

int parcel_open(const Secret *text, const char *pubkey_hex, Secret **ret, const char **reterr) {
        _cleanup_(secret_freep) Secret *key = NULL, *sealed = NULL, *words = NULL, *mnemonic = NULL;
        char name[sizeof(PREFIX) + HEX32_MAX];
        const char *bytes = secret_text(text);
        size_t size = secret_size(text);
        unsigned word;
        int r;

        *reterr = "the passphrase is another one, or it is damaged";
        if (size <= SEAL_KEY_SIZE || strlen(pubkey_hex) != HEX32_MAX - 1)
                return -EBADMSG;
        (void) snprintf(name, sizeof(name), PREFIX "%s", pubkey_hex);
        r = secret_copy(bytes, SEAL_KEY_SIZE, &key);
        if (r >= 0)
                r = secret_copy(bytes + SEAL_KEY_SIZE, size - SEAL_KEY_SIZE, &sealed);
        if (r >= 0)
                r = unseal(key, name, sealed, &words);
        if (r >= 0)
                r = mnemonic_parse(
                                secret_text(words), secret_size(words), &mnemonic, &word, reterr);
        if (r >= 0)
                r = check_owner(mnemonic, pubkey_hex, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(mnemonic);
        return 0;
}
