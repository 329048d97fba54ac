#pragma once
/* Signer: what is done for a caller with a key, one item at a time. It signs events that it
 * serialised itself, never a hash. */
#include "bus/service.h"
#include "keyring.h"
#include "nostr/rumor.h"

#define SIGNER_BATCH_MAX 1024 /* items of one call */

typedef struct Intake Intake;

typedef struct Signer {
        Service *service; /* NULL in tests */
        Keyring *keyring;
        Intake *intakes; /* mnemonics that are being read from pipes */
} Signer;

/* Takes the wrapping key, which may be NULL. */
int signer_new(Service *service, const char *folder, Secret *wrapping_key, Signer **ret);
Signer *signer_free(Signer *s);
DEFINE_CLEANUP(Signer, signer_free)

/* Who asks with which key. */
typedef struct Request {
        PeerRole role;
        const char *key_name;
        const Keypair *key;
} Request;

/* -EPERM: the table does not allow it; -EBADMSG, -E2BIG: the draft; with a reason. */
int signer_sign(const Request *q, const char *draft, Event **ret, const char **reterr);
/* An event that is always the same but for its time: whoever may use the key may have it. */
int signer_test(const Request *q, Event **ret, const char **reterr);
/* Scheme "nip44" or "nip04". -EINVAL: peer or scheme; -E2BIG, -EBADMSG; with a reason. */
int signer_encrypt(const Request *q, const char *peer, const char *scheme, const char *text,
                char **ret, const char **reterr);
int signer_decrypt(const Request *q, const char *peer, const char *payload, const char **ret_scheme,
                char **ret, const char **reterr);

/* NIP-59: the draft as a rumor of this key, sealed and wrapped for the recipient; "" is the key's
 * own copy. The key of the wrap is made here and forgotten. */
int signer_wrap(const Request *q, const char *recipient, const char *draft, Event **ret,
                const char **reterr);
/* -EBADMSG: somebody's wrap is wrong at any of its layers. */
int signer_unwrap(const Request *q, const char *wrap, Rumor **ret, const char **reterr);

/* A new mnemonic of 12, 15, 18, 21 or 24 words. -EINVAL: another number. */
int signer_make_mnemonic(unsigned n_words, Secret **ret, const char **reterr);

extern const sd_bus_vtable signer_vtable[]; /* signer-bus.c */
