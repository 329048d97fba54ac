#pragma once
/* Grants: how much of an account somebody may spend, and how much of it is used. This is the one
 * place where budgets are enforced: with the reservation, in one transaction. */
#include "ledger.h"
#include "outcome.h"

#define GRANT_JSON_MAX (UINT64_C(16) * 1024)

typedef struct GrantTable GrantTable;
int grant_table_new(Ledger *ledger, GrantTable **ret);
GrantTable *grant_table_free(GrantTable *t);
DEFINE_CLEANUP(GrantTable, grant_table_free)

int grant_set(GrantTable *t, const char *name, const char *account, const char *json, Outcome *ret);
int grant_revoke(GrantTable *t, const char *name, Outcome *ret);
int grant_begin_tick(GrantTable *t, const char *name, const char *tick, Outcome *ret);
int grant_freeze(GrantTable *t, const char *name, const char *why);

typedef struct GrantQuestion {
        const char *grant, *account, *payee;
        int64_t amount_msat, fee_max_msat;
} GrantQuestion;

typedef struct GrantAnswer {
        bool waits; /* a person has to approve it */
        char tick[LEDGER_NAME_MAX + 1];
} GrantAnswer;
/* May that be spent of the grant now? The verdict is 0, or negative with the limit's name. */
int grant_ask(GrantTable *t, const GrantQuestion *question, GrantAnswer *ret_answer, Outcome *ret);

#define GRANT_ROW "(sssss)"
/* name, account, settings, state, what is used. */
int grant_list(GrantTable *t, SqlStatement **ret);
