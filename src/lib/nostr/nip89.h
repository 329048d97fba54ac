#pragma once
/* NIP-89: telling customers what a provider does (kind 31990), and taking it back. */
#include "nostr/event.h"

#define NIP89_KIND       31990
#define NIP89_MODELS_MAX 48

typedef struct Announcement {
        const char *identifier; /* the `d` tag: stays the same as long as the provider lives */
        const char *name, *about;
        const char *lud16;     /* NULL */
        const uint16_t *kinds; /* of requests */
        size_t n_kinds;
        int64_t price_msat;        /* per request; 0: free */
        const char *network;       /* "regtest" */
        bool encryption;           /* takes encrypted requests */
        const char *const *models; /* that may be asked for; n_models of them */
        size_t n_models;           /* at most NIP89_MODELS_MAX are told */
        const char *const *params; /* names, ends with NULL; NULL: none */
} Announcement;

int nip89_draft(const Announcement *a, int64_t now, Draft **ret);
/* NIP-09: a deletion of all versions up to now, of each of these. */
int nip89_withdrawal_draft(const char *pubkey_hex, const char *const *identifiers, size_t n,
                int64_t now, Draft **ret);

/* What one request of this kind costs at most, as its provider announced it; 0: free; -1: it does
 * not say, or it depends. */
int64_t nip89_price(const Event *e, uint16_t kind);

/* What a provider offers of one kind, as a customer reads it. Hostile: whatever is too long or too
 * much is left out. */
#define NIP89_MODEL_MAX 128 /* bytes of a name */

typedef struct Offer {
        char pubkey_hex[HEX32_MAX];
        int64_t created_at;
        int64_t price_msat; /* of a request, at least; -1: not said */
        char network[16];   /* "": not said */
        bool encryption;    /* takes encrypted requests */
        char **models;      /* none: not said */
} Offer;

/* -EBADMSG with a reason: it offers nothing of that kind. */
int nip89_offer_read(const Event *e, uint16_t kind, Offer *ret, const char **reterr);
void nip89_offer_done(Offer *o);
