#include "policy.h"

#define AGENT  "agent:*"
#define ITSELF "=" /* the other name is the same one */

/* clang-format off */
static const struct {
        PeerRole role;
        WalletAct act;
        const char *name, *other; /* a '*' at the end stands for anything */
} rules[] = {
        { PEER_HOST, WALLET_RECEIVE,  AGENT,      ""         },
        { PEER_HOST, WALLET_SPEND,    "owner",    ""         }, /* purchases; by the owner's word */
        { PEER_HOST, WALLET_SPEND,    AGENT,      ""         },
        { PEER_HOST, WALLET_TRANSFER, "owner",    AGENT      }, /* funding */
        { PEER_HOST, WALLET_TRANSFER, "provider", AGENT      },
        { PEER_HOST, WALLET_TRANSFER, AGENT,      "owner"    }, /* withdrawing */
        { PEER_HOST, WALLET_TRANSFER, AGENT,      "provider" }, /* thinking on this machine */
        { PEER_HOST, WALLET_GRANT,    AGENT,      ITSELF     },
        { PEER_HOST, WALLET_TICK,     AGENT,      ""         },
};
/* clang-format on */

static bool fits(const char *name, const char *pattern) {
        size_t n = strlen(pattern);

        if (n > 0 && pattern[n - 1] == '*') /* and something behind it */
                return strncmp(name, pattern, n - 1) == 0 && name[n - 1];
        return streq(name, pattern);
}

/* Customers' money and what is in the backend: the jobs and the books move those. */
static bool is_nobodys(const char *account) {
        return streq(account, "held") || streq(account, "fees") || streq(account, "outside") ||
               startswith(account, "wallet:");
}

bool policy_may(PeerRole role, WalletAct act, const char *name, const char *other) {
        if (role == PEER_PERSON || role == PEER_OWNER)
                return act != WALLET_SPEND || !is_nobodys(name);

        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (rules[i].role == role && rules[i].act == act && fits(name, rules[i].name) &&
                                fits(other, streq(rules[i].other, ITSELF) ? name : rules[i].other))
                        return true;
        return false;
}
