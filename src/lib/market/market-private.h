#pragma once
/* What the files of the market share. */
#include "basic/flow.h"
#include "basic/map.h"
#include "client/relay-query.h"
#include "client/wallet-client.h"
#include "market/purchase.h"

#define CANDIDATES_MAX 8 /* providers who want to be paid, while one of them is looked at */

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
};

/* Somebody who wants to be paid first. */
typedef struct Candidate {
        char payee[HEX32_MAX];
        char *bolt11;
        int64_t asked_msat;
} Candidate;

struct Purchase {
        Flow flow;
        Market *market;
        Draft *draft;
        char **relays;
        char provider[HEX32_MAX]; /* "": open to all */
        Event *request, *result;
        int64_t bid_msat, max_msat; /* -1: not said */
        int64_t created_at, deadline;
        usec_t timeout;
        bool auto_pay;

        Candidate candidates[CANDIDATES_MAX];
        size_t n_candidates;
        char payee[HEX32_MAX]; /* "" until somebody is to be paid */
        char *bolt11;
        int64_t amount_msat, fee_msat; /* amount 0: nobody is paid */
        unsigned n_looks;              /* at a payment whose outcome is open */

        SignerCall *signing;
        RelayPublish *publishing;
        PurchasesCall *writing;
        WalletCall *paying;
        RelayQuery *offer;      /* what he announced is being asked for */
        sd_event_source *again; /* the payment is looked at then */
        char subscription[32];
        uint64_t seq;           /* of the last event, to be acknowledged when it is on disk */
        char last_refusal[128]; /* of a provider, in an order that is open to others */
        bool stored;            /* its row exists */
        bool listening, registered;
        bool started; /* purchase_start() has returned: now done() may be called */
        const PurchaseHandler *handler;
        void *userdata;
};

void purchase_take(Purchase *p, const RelayEvent *e);
/* Everything up to here was handed over: it is acknowledged when nothing of it is in memory only.
 */
void purchase_taken(Purchase *p, uint64_t seq);
void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message);

/* Between purchase.c and purchase-pay.c. */
Purchase *flow_purchase(Flow *f);
int64_t purchase_now(const Purchase *p); /* seconds */
void purchase_tell(Purchase *p, const char *status, const char *text);
int purchase_listen(Purchase *p);
void purchase_want_pay(Purchase *p, const Event *feedback, const JobAnswer *a);
void candidate_done(Candidate *c);
Step purchase_compare(Flow *f);
Step purchase_show(Flow *f);
Step purchase_pay(Flow *f);
Step purchase_was_paid(Flow *f);
