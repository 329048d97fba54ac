#pragma once
/* BOLT 11: invoices, read with everything proven that the text itself can prove, and written. Pure:
 * whether an invoice has expired says the caller's clock. */
#include "basic/config.h"

#define BOLT11_MAX             7089 /* characters; what LND takes */
#define BOLT11_DESCRIPTION_MAX 639  /* bytes: 1023 words */
#define BOLT11_METADATA_MAX    639
#define BOLT11_AMOUNT_MAX      INT64_C(2100000000000000000) /* all the bitcoin there will be, msat */
#define BOLT11_EXPIRY_DEFAULT  3600
#define BOLT11_CLTV_DEFAULT    18
#define BOLT11_ROUTES_MAX      32
#define BOLT11_HOPS_MAX        12 /* what fits into 1023 words */
#define BOLT11_FALLBACKS_MAX   16
#define BOLT11_FEATURE_MAX     5114

enum {
        BOLT11_VAR_ONION = 8, /* the even one of each pair demands, the odd one offers */
        BOLT11_PAYMENT_SECRET = 14,
        BOLT11_BASIC_MPP = 16,
        BOLT11_ROUTE_BLINDING = 24,
        BOLT11_ATTRIBUTION = 36,
        BOLT11_PAYMENT_METADATA = 48,
};

typedef struct Bolt11Hop {
        uint8_t pubkey[33];
        uint64_t channel; /* block << 40 | transaction << 16 | output */
        uint32_t fee_base_msat, fee_ppm;
        uint16_t cltv_delta;
} Bolt11Hop;

typedef struct Bolt11Route {
        Bolt11Hop *hops;
        size_t n_hops;
} Bolt11Route;

/* An address on the chain: 0 to 16 a witness program, 17 P2PKH, 18 P2SH. */
typedef struct Bolt11Fallback {
        uint8_t version, program[40];
        size_t size;
} Bolt11Fallback;

typedef struct Bolt11 {
        Network network;
        int64_t amount_msat; /* 0: whoever pays says it */
        int64_t created_at;  /* seconds */
        int64_t expiry;      /* seconds from then on */
        uint8_t payment_hash[32], payment_secret[32];
        uint8_t payee[33];            /* proven: by "n", or recovered from the signature */
        bool has_payee;               /* writing: say it with "n" */
        char *description;            /* UTF-8 without NUL, of a stranger; NULL: there is a hash */
        uint8_t description_hash[32]; /* where description is NULL */
        int64_t min_final_cltv;
        uint16_t *features; /* bits, ascending */
        size_t n_features;
        Bolt11Route *routes;
        size_t n_routes;
        Bolt11Fallback *fallbacks;
        size_t n_fallbacks;
        uint8_t *metadata;
        size_t metadata_size;
        bool has_metadata;
        uint8_t signature[65]; /* as read; the last is the recovery id */
} Bolt11;

/* -EINVAL with a reason: not an invoice, or not one that may be paid. "lightning:" may stand before
 * it. Fields of unknown types and of wrong length are skipped, unknown odd features kept. */
int bolt11_decode(const char *text, Bolt11 *ret, const char **reterr);
/* Signs with the node's secret. Zero for expiry and min_final_cltv are the defaults. payee, where
 * has_payee, must be that node's. -EINVAL with a reason. */
int bolt11_encode(
                const Bolt11 *b, const uint8_t secret[static 32], char **ret, const char **reterr);
void bolt11_done(Bolt11 *b);
#define _cleanup_bolt11_ _cleanup_(bolt11_done)

bool bolt11_has_feature(const Bolt11 *b, unsigned even); /* demanded or offered */
int64_t bolt11_expires_at(const Bolt11 *b);
/* Is this what the invoice's "h" is the hash of? True as well where it says the text itself. */
bool bolt11_describes(const Bolt11 *b, const char *text, size_t size);
