#pragma once
/* The parts of the NIP-47 service among each other. */
#include "nwc-service.h"

#define NWC_REQUESTS_MAX   256
#define NWC_PER_CONNECTION 8

typedef struct NwcRequest NwcRequest;
typedef struct NwcNews NwcNews;

struct NwcService {
        Wallet *wallet;
        RelayClient *relay;
        SignerClient *signer;
        SignerCall *asking; /* for our public key */
        SignerCall *announcing;
        BooksCall *loading;
        sd_event_source *retry;
        char pubkey[HEX32_MAX];
        NwcConnection connections[NWC_CONNECTIONS_MAX];
        size_t n_connections;
        bool again; /* something changed while the books were asked */
        NwcRequest *requests;
        size_t n_requests;
        uint64_t last_seq;
        NwcNews *news;
        size_t n_news;
};

struct NwcRequest {
        NwcService *service;
        NwcRequest *prev, *next;
        uint64_t seq;
        Event *event;
        Nip47Scheme scheme;
        char grant[BOOKS_NAME_MAX + 1], account[BOOKS_NAME_MAX + 1];
        char hash[HEX32_MAX];
        bool pays;
        Nip47Request ask;
        char *answer; /* JSON, then encrypted */
        SignerCall *signing;
        BooksCall *call;
        Making *making;
        Payment *payment;
        /* list_transactions */
        Nip47Transaction *rows;
        char (*texts)[3][BOOKS_TEXT_MAX + 1]; /* of each row: hash, preimage, description */
        size_t n_rows;
};

NwcConnection *nwc_find(NwcService *s, const char *client_hex);
int64_t nwc_now(const NwcService *s);
/* To our relays; nobody waits for what became of it. */
void nwc_publish(NwcService *s, const Event *e, bool durable);
void nwc_acknowledge(NwcService *s);

/* nwc-request.c: from an event to its answer. */
void nwc_request_begin(NwcService *s, const NwcConnection *c, Event *e, uint64_t seq);
NwcRequest *nwc_request_free(NwcRequest *r);
void nwc_answer(NwcRequest *r, Nip47Response *response);
void nwc_refuse(NwcRequest *r, Nip47Error code, const char *message);

/* nwc-method.c: what is asked for. Ends in one of the two above. */
void nwc_method(NwcRequest *r);

/* nwc-news.c */
NwcNews *nwc_news_free(NwcNews *n);
void nwc_of_invoice(const BooksInvoice *i, Nip47Transaction *ret);
void nwc_of_intent(const BooksIntent *i, Nip47Transaction *ret);
