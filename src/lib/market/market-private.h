#pragma once
/* What the files of the market share. */
#include "basic/flow.h"
#include "basic/map.h"
#include "client/relay-query.h"
#include "client/wallet-client.h"
#include "market/purchase.h"

#define OWNER          "owner" /* whose money it is, where nothing is said */
#define CANDIDATES_MAX 8       /* providers who want to be paid, while one of them is looked at */

struct Market {
        sd_event *event;
        char *key;
        Network network;
        RelayClient *relay;
        const RelayHandler *rest; /* for what is no purchase's; NULL */
        void *rest_userdata;
        SignerClient *signer;
        PurchasesClient *purchases;
        WalletClient *wallet;
        Map by_id;           /* the request's id as hex → Purchase */
        Map by_subscription; /* its name → Purchase */
        Map by_ref;          /* the buyer's own name for it → Purchase */
};

/* Somebody who wants to be paid first. */
typedef struct Candidate {
        char payee[HEX32_MAX];
        char *bolt11;
        int64_t asked_msat;
} Candidate;

#define SEALED_MAX     8 /* answers that are being decrypted */
#define SEALED_RESULTS 2 /* of them only results may have */

/* An answer that came encrypted. */
typedef struct Sealed {
        Purchase *purchase;
        Event *event;
        SignerCall *call;
} Sealed;

struct Purchase {
        Flow flow;
        Market *market;
        char *key, *account, *grant, *ref; /* grant, ref: "" where there is none */
        Draft *draft;
        char *plaintext; /* of an encrypted request, until it is encrypted */
        char **relays;
        char provider[HEX32_MAX]; /* "": open to all */
        Event *request, *result;
        char *content;                            /* of the result, where it came encrypted */
        int64_t bid_msat, max_msat, fee_max_msat; /* -1: not said */
        usec_t asked_usec;                        /* on the monotonic clock; 0: in a former life */
        int64_t took_msec;                        /* -1: not known */
        bool only_find, blamed;
        Sealed sealed[SEALED_MAX];
        size_t n_sealed;
        char cancel_reason[96];
        int64_t created_at, deadline;
        bool auto_pay;

        Candidate candidates[CANDIDATES_MAX];
        size_t n_candidates;
        char payee[HEX32_MAX]; /* "" until somebody is to be paid */
        char *bolt11;
        int64_t amount_msat, fee_msat; /* amount 0: nobody is paid */
        unsigned n_looks;              /* at a payment whose outcome is open */
        int pay_error;                 /* why the wallet refused; 0: it did not */

        SignerCall *signing;
        RelayPublish *publishing;
        PurchasesCall *writing, *finding;
        WalletCall *paying;
        RelayQuery *offer;      /* what he announced is being asked for */
        sd_event_source *again; /* the payment is looked at then */
        char subscription[32];
        uint64_t seq;           /* of the last event, to be acknowledged when it is on disk */
        char last_refusal[128]; /* of a provider, in an order that is open to others */
        bool stored;            /* its row exists */
        bool resumed;           /* it was begun in a former life, or by somebody before */
        bool listening, registered, has_ref;
        bool started; /* purchase_start() has returned: now done() may be called */
        const PurchaseHandler *handler;
        void *userdata;
};

/* purchase-answer.c */
void purchase_take(Purchase *p, const RelayEvent *e);
/* Everything up to here was handed over: it is acknowledged when nothing of it is in memory only.
 */
void purchase_taken(Purchase *p, uint64_t seq);
void purchase_acknowledge(Purchase *p);
void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message);
void sealed_done(Purchase *p);

/* purchase-ask.c */
Step purchase_sign(Flow *f);
Step purchase_ask(Flow *f);
Step purchase_revoke(Flow *f);
int purchase_listen(Purchase *p);

/* purchase-row.c: what a former life, or a former call, has stored. */
Step purchase_look(Flow *f);
int purchase_read(Purchase *p, const PurchaseRow *row);
PurchaseState purchase_stored_state(const char *name); /* SIGNING: a state that no row can be in */
int purchase_register(Purchase *p);

/* purchase-pay.c */
void purchase_want_pay(Purchase *p, const Event *feedback, const JobAnswer *a);
void candidate_done(Candidate *c);
Step purchase_compare(Flow *f);
Step purchase_show(Flow *f);
Step purchase_pay(Flow *f);
Step purchase_was_paid(Flow *f);

/* purchase.c */
Purchase *flow_purchase(Flow *f);
int64_t purchase_now(const Purchase *p); /* seconds */
void purchase_tell(Purchase *p, const char *status, const char *text);
