#pragma once
/* Pricing: what a request costs here, before the work and after it; which customers have free jobs
 * today, and who may pay after. */
#include "basic/map.h"
#include "money/price.h"
#include "nostr/nip90.h"

typedef struct Pricing {
        Map free_today; /* by public key as hex: how many free jobs today */
        int64_t day;    /* which day that is */
        Map defaulters; /* who let the invoice of a result expire */
} Pricing;

void pricing_init(Pricing *p);
void pricing_done(Pricing *p);

/* A quote, and how it is to be paid. */
typedef struct JobPrice {
        int64_t msat;   /* 0: nothing is to be paid */
        bool any_bid;   /* a low bid is no reason to refuse */
        bool free_once; /* the customer has free jobs left: it costs nothing for that */
        bool after;     /* the work is done first */
} JobPrice;

/* What was used. */
typedef struct WorkFacts {
        int64_t tokens_in, tokens_out; /* -1: unknown */
        usec_t duration, cpu;
} WorkFacts;

/* work: NULL before it is done. */
JobPrice pricing_quote(const Pricing *p, const Config *c, const JobRequest *r, int64_t now,
                const WorkFacts *work);

/* What a small request of this kind costs, for the announcement; 0: nothing. */
int64_t pricing_from(const Config *c, uint16_t kind);

/* What a question to a model costs an agent of this machine: by the list, as kind 5050, before it
 * is asked. max_tokens 0 or less: not said. To the msat: no wallet has to carry it. */
int64_t pricing_text(const Config *c, const char *model, int64_t bytes, int64_t max_tokens);

/* A free job was taken; -ENOBUFS: too many customers, this one pays. */
int pricing_use_free(Pricing *p, const char *pubkey_hex, int64_t now);
void pricing_note_default(Pricing *p, const char *pubkey_hex);
/* What was so in an earlier life: so many free jobs today. */
int pricing_recall_free(Pricing *p, const char *pubkey_hex, int64_t n, int64_t now);
int64_t pricing_day(int64_t now);
bool pricing_is_defaulter(const Pricing *p, const char *pubkey_hex);

/* Somebody can pay us. */
bool pricing_has_wallet(const Config *c);
