#pragma once
/* What the shop and its deals share. */
#include "basic/flow.h"
#include "client/relay-query.h"
#include "market/choose.h"
#include "market/market-private.h"
#include "market/shop.h"

#define SHELVES_MAX 4   /* kinds whose announcements are kept */
#define OFFERS_MAX  500 /* of a kind */

/* Who announces one kind. */
typedef struct Shelf {
        uint16_t kind;
        Offer *offers;
        size_t n;
        usec_t at; /* when it was filled, CLOCK_BOOTTIME; 0: never */
} Shelf;

struct Shop {
        sd_event *event;
        Market *market;
        Network network;
        Records records;
        bool remembers; /* how it went before is loaded */
        Shelf shelves[SHELVES_MAX];
        RelayQuery *query; /* one at a time */
        uint16_t asked;    /* the kind that is asked for */
        PurchasesCall *loading;
        Deal *deals;
};

struct Deal {
        Flow flow;
        Shop *shop;
        Deal *prev, *next;
        char *id, *key, *account, *grant;
        char *input, *input_type, *output, *model;
        char **params, **relays, **allowed;
        uint16_t kind;
        int64_t max_msat, fee_max_msat, spent_msat;
        usec_t deadline; /* CLOCK_BOOTTIME */
        bool encrypt;

        Purchase *purchase; /* the one that is open, or was received */
        unsigned n_tries;
        char tried[DEAL_TRIES][HEX32_MAX];
        usec_t asked_at; /* CLOCK_BOOTTIME */
        bool alive;      /* its provider has said something */
        bool waits;      /* for the shelf */
        bool refreshed;
        sd_event_source *patience;
        char last_reason[160];
        int last_error;
        bool started; /* deal_start() has returned */
        deal_done_t done;
        void *userdata;
};

/* 1: the shelf is there; 0: it is being filled, and deal_go_on() comes. stale: it is older than
 * some seconds, and that will not do. */
int shop_shelf(Shop *s, uint16_t kind, bool fresh, const Shelf **ret);
void deal_go_on(Deal *d);
usec_t shop_now(const Shop *s);   /* CLOCK_BOOTTIME */
int64_t shop_time(const Shop *s); /* seconds since 1970 */
