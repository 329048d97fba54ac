#pragma once
/* NIP-19: keys, events and addresses as texts for people: npub1…, note1…, naddr1…. They never occur
 * inside events; those have hex. */
#include "basic/macro.h"

#define NIP19_SIZE_MAX   5000 /* characters of the text */
#define NIP19_VALUE_MAX  255  /* bytes of a relay's URL or of an identifier */
#define NIP19_RELAYS_MAX 16   /* further ones are skipped */
#define NPUB_SIZE        64   /* of an npub, nsec or note, with the NUL */

typedef enum Nip19Type {
        NIP19_NPUB,
        NIP19_NSEC,
        NIP19_NOTE,
        NIP19_NPROFILE,
        NIP19_NEVENT,
        NIP19_NADDR,
        _NIP19_TYPE_MAX,
} Nip19Type;

typedef struct Nip19 {
        Nip19Type type;
        uint8_t key[32];    /* public key, secret key or event id; not of an naddr */
        uint8_t author[32]; /* naddr: always; nevent: where has_author */
        uint32_t kind;      /* naddr: always; nevent: where has_kind */
        bool has_author, has_kind;
        char *identifier; /* naddr: the d tag, possibly empty */
        char **relays;
} Nip19;

/* -EINVAL with a reason. The text may have NIP-21's "nostr:" before it, unless it is an nsec. */
int nip19_decode(const char *text, Nip19 *ret, const char **reterr);
int nip19_encode(const Nip19 *n, char **ret); /* -EINVAL: a URL or identifier is too long */
void nip19_done(Nip19 *n);
#define _cleanup_nip19_ _cleanup_(nip19_done)

int npub_encode(const uint8_t pubkey[static 32], char ret[static NPUB_SIZE]);
/* What a person may name a key with: 64 digits of hex, an npub or an nprofile. */
int pubkey_parse(const char *text, uint8_t ret[static 32], const char **reterr);
