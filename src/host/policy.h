#pragma once
/* Policy: may an agent do this? Pure: the owner's settings, what was done before, and what the
 * agent has seen are values. Whatever is refused is refused with a reason that the agent reads at
 * its next tick. Money is limited here and again by the grant, which alone can be relied upon. */
#include "mind/action.h"
#include "settings.h"

#define POLICY_OPEN_MAX    64  /* actions of one agent that are not over yet */
#define POLICY_WAITING_MAX 64  /* of one agent that wait for its owner */
#define POLICY_REASON_MAX  160 /* bytes, with the NUL */

typedef enum PolicyVerdict {
        POLICY_GO,
        POLICY_WAIT, /* for its owner */
        POLICY_REFUSE,
        _POLICY_VERDICT_MAX,
} PolicyVerdict;

/* What it was told of in this tick. */
typedef struct PolicySeen {
        const char *id, *author, *what;
} PolicySeen;

typedef struct PolicyFacts {
        const AgentSettings *settings;
        const char *self_hex;
        Network network;
        int64_t now;   /* seconds */
        bool quiet;    /* it is within its quiet hours, and its owner has not woken it */
        bool dry;      /* nothing is done */
        bool approved; /* its owner has said yes to exactly this */
        const PolicySeen *seen;
        size_t n_seen;
        int64_t free_msat;  /* what the account can spend; -1: not known */
        int64_t spent_msat; /* in this tick: thoughts, and the actions before this one */
        uint32_t done[_ACTION_TYPE_MAX]; /* within 24 hours, and the actions before this one */
        size_t n_open, n_waiting;
} PolicyFacts;

/* What it costs at most without the fee, and who gets it. */
typedef struct PolicyMoney {
        int64_t msat;   /* 0: nothing */
        char payee[67]; /* zap: the recipient's key; pay: the node's */
} PolicyMoney;

PolicyVerdict policy_decide(const PolicyFacts *f, const Action *a, PolicyMoney *ret_money,
                char reterr[static POLICY_REASON_MAX]);

/* Others see it, or it costs. */
bool policy_is_outward(ActionType t);
/* What the prompt says is allowed; a limit may still forbid it. */
bool policy_is_allowed(const AgentSettings *s, ActionType t);
/* "22:00-07:00": minute is of the local day, 0 to 1439. What cannot be read is never quiet. */
bool policy_is_quiet(char *const *hours, unsigned minute);
