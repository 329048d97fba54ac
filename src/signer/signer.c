#include "signer.h"

#include <time.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "intake.h"
#include "nostr/bip39.h"
#include "nostr/nip04.h"
#include "nostr/nip44.h"
#include "nostr/nip59.h"
#include "policy.h"

#define TEST_KIND 20999 /* NIP-01: ephemeral, no relay keeps it */
#define TEST_TEXT "A test of the connection, by pylon doctor."

static int sign_draft(const Request *q, const Draft *d, Event **ret, const char **reterr) {
        uint8_t random[32];
        int r;

        r = crypt_random(random, sizeof(random));
        if (r < 0) {
                *reterr = "no random numbers can be had";
                return r;
        }
        r = draft_sign(d, q->key, random, ret);
        if (r < 0 && r != -ENOMEM)
                *reterr = r == -E2BIG ? "the event is too large" : "the event cannot be signed";
        return r;
}

static int64_t now_seconds(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
        return now.tv_sec;
}

int signer_test(const Request *q, Event **ret, const char **reterr) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        *reterr = "there is no memory";
        r = draft_new(TEST_KIND, now_seconds(), &d);
        if (r >= 0)
                r = draft_content(d, TEST_TEXT, strlen(TEST_TEXT));
        return r < 0 ? r : sign_draft(q, d, ret, reterr);
}

int signer_sign(const Request *q, const char *draft, Event **ret, const char **reterr) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_parse(draft, strlen(draft), &d, reterr);
        if (r < 0)
                return r;
        if (!policy_may_sign(q->role, q->key_name, draft_kind(d))) {
                *reterr = "this caller may not sign events of this kind with this key";
                return -EPERM;
        }

        return sign_draft(q, d, ret, reterr);
}

static int check_cipher(const Request *q, const char *peer, uint8_t ret_peer[static 32],
                const char **reterr) {
        if (!policy_may_encrypt(q->role, q->key_name)) {
                *reterr = "this caller may not encrypt with this key";
                return -EPERM;
        }
        if (hex_decode(peer, ret_peer, 32) < 0 || secp_pubkey_check(ret_peer) < 0) {
                *reterr = "the other side's public key is none";
                return -EINVAL;
        }
        return 0;
}

static int encrypt_nip44(
                const Request *q, const uint8_t peer[static 32], const char *text, char **ret) {
        uint8_t conversation[32], nonce[32];
        int r;

        r = nip44_conversation_key(q->key, peer, conversation);
        if (r >= 0)
                r = crypt_random(nonce, sizeof(nonce));
        if (r >= 0)
                r = nip44_encrypt(conversation, nonce, text, strlen(text), ret);
        memory_wipe(conversation, sizeof(conversation));
        return r;
}

static int encrypt_nip04(
                const Request *q, const uint8_t peer[static 32], const char *text, char **ret) {
        uint8_t shared[32], iv[16];
        int r;

        r = keypair_ecdh(q->key, peer, shared);
        if (r >= 0)
                r = crypt_random(iv, sizeof(iv));
        if (r >= 0)
                r = nip04_encrypt(shared, iv, text, strlen(text), ret);
        memory_wipe(shared, sizeof(shared));
        return r;
}

int signer_encrypt(const Request *q, const char *peer, const char *scheme, const char *text,
                char **ret, const char **reterr) {
        uint8_t key[32];
        int r;

        r = check_cipher(q, peer, key, reterr);
        if (r < 0)
                return r;

        if (streq(scheme, "nip44"))
                r = encrypt_nip44(q, key, text, ret);
        else if (streq(scheme, "nip04"))
                r = encrypt_nip04(q, key, text, ret);
        else {
                *reterr = "the scheme is neither nip44 nor nip04";
                return -EINVAL;
        }
        if (r < 0 && r != -ENOMEM)
                *reterr = r == -E2BIG    ? "the text is too long to be encrypted"
                          : r == -EINVAL ? "there is nothing to encrypt"
                                         : "the text cannot be encrypted";
        return r;
}

static int decrypt_nip44(const Request *q, const uint8_t peer[static 32], const char *payload,
                char **ret, size_t *ret_size, const char **reterr) {
        uint8_t conversation[32];
        int r;

        r = nip44_conversation_key(q->key, peer, conversation);
        if (r >= 0)
                r = nip44_decrypt(conversation, payload, strlen(payload), ret, ret_size, reterr);
        memory_wipe(conversation, sizeof(conversation));
        return r;
}

static int decrypt_nip04(const Request *q, const uint8_t peer[static 32], const char *payload,
                char **ret, size_t *ret_size, const char **reterr) {
        uint8_t shared[32];
        int r;

        r = keypair_ecdh(q->key, peer, shared);
        if (r >= 0)
                r = nip04_decrypt(shared, payload, strlen(payload), ret, ret_size);
        memory_wipe(shared, sizeof(shared));
        if (r == -EBADMSG)
                *reterr = "the encrypted text cannot be read";
        return r;
}

int signer_decrypt(const Request *q, const char *peer, const char *payload, const char **ret_scheme,
                char **ret, const char **reterr) {
        bool old = nip04_looks_like(payload);
        _cleanup_free_ char *text = NULL;
        uint8_t key[32];
        size_t size;
        int r;

        r = check_cipher(q, peer, key, reterr);
        if (r < 0)
                return r;
        r = old ? decrypt_nip04(q, key, payload, &text, &size, reterr)
                : decrypt_nip44(q, key, payload, &text, &size, reterr);
        if (r < 0)
                return r;
        if (strlen(text) != size) {
                *reterr = "a NUL is in the text";
                return -EBADMSG;
        }

        *ret_scheme = old ? "nip04" : "nip44";
        *ret = TAKE_PTR(text);
        return 0;
}

static int wrap_chance(WrapChance *ret) {
        uint64_t random;
        int r;

        r = crypt_random(ret->nonce, sizeof(ret->nonce));
        if (r >= 0)
                r = crypt_random(ret->random, sizeof(ret->random));
        if (r >= 0)
                r = crypt_random(&random, sizeof(random));
        if (r >= 0)
                ret->created_at = nip59_back(now_seconds(), random);
        return r;
}

/* A key for one wrap. That random bytes are none has a chance of one in 2^127. */
static int once_key(Keypair **ret) {
        uint8_t secret[32];
        int r;

        r = crypt_random(secret, sizeof(secret));
        if (r >= 0)
                r = keypair_new(secret, ret);
        memory_wipe(secret, sizeof(secret));
        return r == -EINVAL ? -EIO : r;
}

static int wrap_rumor(
                const Request *q, const Rumor *rumor, const uint8_t peer[static 32], Event **ret) {
        _cleanup_(keypair_freep) Keypair *once = NULL;
        _cleanup_(event_unrefp) Event *seal = NULL;
        WrapChance inner, outer;
        int r;

        r = wrap_chance(&inner);
        if (r >= 0)
                r = wrap_chance(&outer);
        if (r >= 0)
                r = once_key(&once);
        if (r >= 0)
                r = nip59_seal(rumor, q->key, peer, &inner, &seal);
        return r < 0 ? r : nip59_wrap(seal, once, peer, NULL, &outer, ret);
}

int signer_wrap(const Request *q, const char *recipient, const char *draft, Event **ret,
                const char **reterr) {
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        uint8_t peer[32];
        int r;

        r = draft_parse(draft, strlen(draft), &d, reterr);
        if (r < 0)
                return r;
        if (!policy_may_wrap(q->role, q->key_name, draft_kind(d))) {
                *reterr = "this caller may not wrap rumors of this kind with this key";
                return -EPERM;
        }
        if (isempty(recipient))
                memcpy(peer, keypair_pubkey(q->key), sizeof(peer));
        else if (hex_decode(recipient, peer, 32) < 0 || secp_pubkey_check(peer) < 0) {
                *reterr = "the recipient's public key is none";
                return -EINVAL;
        }

        r = rumor_new(d, keypair_pubkey(q->key), &rumor);
        if (r >= 0)
                r = wrap_rumor(q, rumor, peer, ret);
        if (r < 0 && r != -ENOMEM)
                *reterr = r == -E2BIG ? "the text is too long to be wrapped"
                                      : "the text cannot be wrapped";
        return r;
}

int signer_unwrap(const Request *q, const char *wrap, Rumor **ret, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        int r;

        if (!policy_may_encrypt(q->role, q->key_name)) {
                *reterr = "this caller may not decrypt with this key";
                return -EPERM;
        }

        r = event_parse(wrap, strlen(wrap), &e, reterr);
        return r < 0 ? r : nip59_open(e, q->key, ret, reterr);
}

int signer_make_mnemonic(unsigned n_words, Secret **ret, const char **reterr) {
        size_t size = mnemonic_entropy_size(n_words);
        _cleanup_(secret_freep) Secret *entropy = NULL;
        int r;

        if (size == 0) {
                *reterr = "a mnemonic has 12, 15, 18, 21 or 24 words";
                return -EINVAL;
        }
        r = secret_new(size, &entropy);
        if (r < 0)
                return r;
        r = crypt_random(secret_data(entropy), size);
        if (r < 0) {
                *reterr = "no random numbers can be had";
                return r;
        }
        return mnemonic_from_entropy(secret_data(entropy), size, ret);
}

int signer_new(Service *service, const char *folder, Secret *wrapping_key, Signer **ret) {
        _cleanup_(signer_freep) Signer *s = new0(Signer, 1);
        int r;

        if (!s) {
                (void) secret_free(wrapping_key);
                return -ENOMEM;
        }

        s->service = service;
        r = keyring_new(folder, wrapping_key, &s->keyring);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Signer *signer_free(Signer *s) {
        if (s) {
                while (s->intakes)
                        (void) intake_free(s->intakes);
                (void) keyring_free(s->keyring);
        }
        return mfree(s);
}
