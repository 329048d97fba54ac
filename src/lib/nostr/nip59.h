#pragma once
/* NIP-59: a rumor inside a seal (who wrote it, read by one) inside a gift wrap (for whom it is, by
 * nobody). Keys, times and chance are the caller's. */
#include "nostr/rumor.h"

#define NIP59_SEAL_KIND 13
#define NIP59_WRAP_KIND 1059
#define NIP59_BACK_MAX  (INT64_C(2) * 24 * 3600) /* seconds by which seals and wraps lie at most */

/* The longest rumor, in JSON, that NIP-44 and base64 let through both layers in sizes which every
 * peer reads: 40960 is padded to itself, and the seal around it is below 65536. */
#define NIP59_RUMOR_MAX 40960

/* What a seal and a wrap take from chance, each of its own. */
typedef struct WrapChance {
        int64_t created_at; /* of nip59_back() */
        uint8_t nonce[32];  /* of the encryption */
        uint8_t random[32]; /* of the signature */
} WrapChance;

/* A time in the last two days, as the random number says. */
int64_t nip59_back(int64_t now, uint64_t random);

/* -EINVAL: the rumor is not the author's, or the recipient's key is none; -E2BIG; -ENOMEM. */
int nip59_seal(const Rumor *r, const Keypair *author, const uint8_t recipient[static 32],
                const WrapChance *chance, Event **ret);
/* `once` is a key made for this wrap alone. The relay is a hint for the recipient; NULL: none. */
int nip59_wrap(const Event *seal, const Keypair *once, const uint8_t recipient[static 32],
                const char *relay, const WrapChance *chance, Event **ret);

/* Both layers, and whether they agree: the seal's signature is good, it has no tags of its own but
 * an expiration, its author is the rumor's, the rumor's id is right. A rumor that comes out was
 * written by its author for this recipient. -EBADMSG with a reason; -ENOMEM. */
int nip59_open(const Event *wrap, const Keypair *recipient, Rumor **ret, const char **reterr);
