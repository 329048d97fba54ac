#pragma once
/* SignerClient: asks pylon-signer. Drafts that are handed in during one turn of the event loop go
 * out as one request for each key, and everybody gets the answer to his own. */
#include "bus/client.h"
#include "nostr/rumor.h"

typedef struct SignerClient SignerClient;
typedef struct SignerCall SignerCall;

int signer_client_new(sd_event *event, const char *socket_path, SignerClient **ret);
SignerClient *signer_client_free(
                SignerClient *c); /* lets go of all calls; nothing is called back */
DEFINE_CLEANUP(SignerClient, signer_client_free)

typedef struct SignerResult {
        int error;          /* of this item alone; negative errno */
        const char *reason; /* for people, where error < 0 */
        Event *event;       /* of signer_sign() and _wrap(): take a reference to keep it */
        Rumor *rumor;       /* of signer_unwrap(): take a reference to keep it */
        const char *scheme; /* of signer_decrypt(): "nip44" or "nip04" */
        const char *text;   /* of signer_encrypt() and signer_decrypt() */
} SignerResult;

/* Called exactly once, never before the function that took it has returned, never after
 * signer_call_free(). error < 0: there are no results; name is the D-Bus error's ("" for ours),
 * such as BUS_ERROR_NO_KEY, and reason is for people. Else there is one result for each item, in
 * order. The items and results live until it returns. */
typedef void (*signer_done_t)(int error, const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata);

/* -ENOBUFS: too much waits already; -EILSEQ: D-Bus carries no such text. ret may be NULL; else *ret
 * is cleared when the call is over, so it must live as long. */
int signer_sign(SignerClient *c, const char *key, const Draft *const *drafts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret);

typedef struct SignerText {
        const char *peer;   /* its public key as hex */
        const char *scheme; /* to encrypt: "nip44" or "nip04" */
        const char *text;   /* what to encrypt or decrypt */
} SignerText;
int signer_encrypt(SignerClient *c, const char *key, const SignerText *texts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret);
int signer_decrypt(SignerClient *c, const char *key, const SignerText *texts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret);
/* NIP-59: a rumor of this key, wrapped once for each recipient (public keys as hex,
 * NULL-terminated), in order, and once for the key itself, which is the last result. Each result
 * has an event of its own. The rumor's id is draft_id() with the key's public key. */
int signer_wrap(SignerClient *c, const char *key, const Draft *rumor, const char *const *recipients,
                signer_done_t done, void *userdata, SignerCall **ret);
/* Gift wraps as they came. What cannot be opened, or whose layers do not agree, is that item's
 * error alone; a rumor that comes out was written by the author it names. */
int signer_unwrap(SignerClient *c, const char *key, Event *const *wraps, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret);
/* One result; its text is the public key as hex. */
int signer_public_key(SignerClient *c, const char *key, signer_done_t done, void *userdata,
                SignerCall **ret);

SignerCall *signer_call_free(SignerCall *call); /* cancels */
DEFINE_CLEANUP(SignerCall, signer_call_free)
