#pragma once
/* The purchases: what this machine has ordered from others, from the signed request to the result.
 * Every changing call belongs between sql_request_begin() and _ok(). */
#include "basic/sql.h"

/* In the order in which they follow each other; which is written down when, market/purchase.c says.
 */
typedef enum PurchaseState {
        PURCHASE_ASKING, /* the signed request is on disk */
        PURCHASE_UNPAID, /* an invoice was taken, and somebody else is to pay it */
        PURCHASE_PAYING, /* an invoice was taken, and the wallet pays it under the purchase's id */
        PURCHASE_PAID,   /* and only who was paid may answer */
        PURCHASE_RECEIVED, /* the result is on disk */
        PURCHASE_FAILED,
        _PURCHASE_STATE_MAX,
} PurchaseState;

const char *purchase_state_name(PurchaseState s);
int purchase_state_of(const char *name); /* -EINVAL: no such state */
bool purchase_state_is_final(PurchaseState s);

#define PURCHASE_TEXT_MAX   4096
#define PURCHASE_BOLT11_MAX 8192
#define PURCHASE_EVENT_MAX  (UINT64_C(512) * 1024)
#define PURCHASE_NAME_MAX   128

/* Borrowed strings, on the way in and out. */
typedef struct Purchase {
        const char *id, *provider, *relays, *request, *state; /* relays: joined with blanks */
        const char *payee, *bolt11, *result, *error;
        const char *key, *account, *grant; /* who buys, and whose money it is */
        const char *ref; /* the buyer's own name for it, of which there is one; "": none */
        uint16_t kind;
        bool auto_pay;
        int64_t bid_msat, max_msat, fee_max_msat; /* -1: not said */
        int64_t amount_msat, fee_msat;
        int64_t created_at, deadline;
} Purchase;

/* What "" and -1 leave as it was. */
typedef struct PurchaseMove {
        const char *id, *state, *payee, *bolt11, *result, *error;
        int64_t amount_msat, fee_msat, deadline, took_msec;
        bool blamed; /* that it failed was the provider's fault */
} PurchaseMove;

typedef struct PurchaseTable PurchaseTable;

int purchase_table_new(Sql *db, PurchaseTable **ret);
PurchaseTable *purchase_table_free(PurchaseTable *t);
DEFINE_CLEANUP(PurchaseTable, purchase_table_free)

/* Verdicts as in table-job.h. A result, a payee and an invoice that were once stored stay. */
int purchase_add(PurchaseTable *t, const Purchase *p, int *ret_verdict, const char **ret_text);
int purchase_move(PurchaseTable *t, const PurchaseMove *move, int *ret_verdict,
                const char **ret_text);

/* Called for each row; a positive or negative return ends the list and is the result. */
typedef int (*purchase_row_t)(const Purchase *p, void *userdata);
/* Newest first, created before that time. Without request, relays and result. */
int purchase_list(PurchaseTable *t, int64_t before, unsigned limit, purchase_row_t row,
                void *userdata);
/* Those not in a final state, by id, with everything. */
int purchase_list_open(PurchaseTable *t, const char *after, unsigned limit, purchase_row_t row,
                void *userdata);
/* The one of this ref, in whatever state, with everything; or none. */
int purchase_list_ref(PurchaseTable *t, const char *ref, purchase_row_t row, void *userdata);

/* How it went with providers, newest first: what was received, and what failed by their fault. */
typedef struct PurchaseOutcome {
        const char *provider;
        bool good;
        int64_t at, took_msec; /* seconds; -1: not measured */
        int64_t cost_msat;
} PurchaseOutcome;
typedef int (*purchase_outcome_t)(const PurchaseOutcome *o, void *userdata);
int purchase_list_outcomes(
                PurchaseTable *t, unsigned limit, purchase_outcome_t row, void *userdata);
/* A row with all that is known about the one whose id begins like this. As job_get(). */
int purchase_get(PurchaseTable *t, const char *prefix, SqlStatement **ret, const char **reterr);
