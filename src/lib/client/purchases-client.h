#pragma once
/* PurchasesClient: the purchases in the store, for pylon-host. A call whose answer was lost is
 * repeated by itself, and is answered as if it were not. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct PurchasesClient PurchasesClient;
typedef struct PurchasesCall PurchasesCall;

int purchases_client_new(sd_event *event, const char *socket_path, PurchasesClient **ret);
PurchasesClient *purchases_client_free(PurchasesClient *c); /* nothing is called back */
DEFINE_CLEANUP(PurchasesClient, purchases_client_free)

/* Every function below: a negative return means that it never started. The callback comes exactly
 * once, never before the function has returned, never after purchases_call_free(). ret may be NULL;
 * else *ret is cleared when the call is over, so it must live as long. Strings are borrowed, in
 * both directions. */
PurchasesCall *purchases_call_free(PurchasesCall *call); /* what was asked may still happen */
DEFINE_CLEANUP(PurchasesCall, purchases_call_free)

typedef struct PurchaseRow {
        const char *id, *provider, *state;
        const char *request, *relays;      /* the event; URLs joined with blanks */
        const char *payee, *bolt11;        /* "" until an invoice was taken */
        const char *result, *error;        /* "" until it is over */
        const char *key, *account, *grant; /* who buys, of whose money; not of purchases_get() */
        const char *ref;                   /* "", or one of its kind */
        uint16_t kind;
        bool auto_pay;
        int64_t bid_msat, max_msat, fee_max_msat; /* -1: not said */
        int64_t amount_msat, fee_msat, created_at, deadline;
} PurchaseRow;

/* 0: it is on disk. 1: it was there already, the text is its state. Negative: why not; -EEXIST:
 * another one has this ref. */
typedef void (*purchases_verdict_t)(int verdict, const char *text, void *userdata);

int purchases_add(PurchasesClient *c, const PurchaseRow *row, purchases_verdict_t done,
                void *userdata, PurchasesCall **ret);

/* NULL and -1: as it was. */
typedef struct PurchaseChange {
        const char *id, *state, *payee, *bolt11, *result, *error;
        int64_t amount_msat, fee_msat, deadline, took_msec;
        bool blamed; /* that it failed was the provider's fault */
} PurchaseChange;
int purchases_move(PurchasesClient *c, const PurchaseChange *change, purchases_verdict_t done,
                void *userdata, PurchasesCall **ret);

/* A page of those that are not over, in the order of their ids; an empty page is the end. */
typedef void (*purchases_page_t)(
                int error, const char *reason, const PurchaseRow *rows, size_t n, void *userdata);
int purchases_open(PurchasesClient *c, const char *after, purchases_page_t done, void *userdata,
                PurchasesCall **ret);
/* The one of this ref, in whatever state, or none. */
int purchases_find(PurchasesClient *c, const char *ref, purchases_page_t done, void *userdata,
                PurchasesCall **ret);
/* One, by the first characters of its id, in whatever state. */
int purchases_get(PurchasesClient *c, const char *id, purchases_page_t done, void *userdata,
                PurchasesCall **ret);

/* How it went with providers, newest first. */
typedef struct PurchaseOutcome {
        const char *provider;
        bool good;                        /* else it failed, by his fault */
        int64_t at, took_msec, cost_msat; /* seconds; took -1: not measured */
} PurchaseOutcome;
typedef void (*purchases_outcomes_t)(int error, const char *reason, const PurchaseOutcome *outcomes,
                size_t n, void *userdata);
#define PURCHASE_OUTCOMES_MAX 1000
int purchases_outcomes(
                PurchasesClient *c, purchases_outcomes_t done, void *userdata, PurchasesCall **ret);
