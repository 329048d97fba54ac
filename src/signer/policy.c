#include "policy.h"

#define NIP42_AUTH 22242

typedef enum Act { MANAGE, EXPORT, SIGN, ENCRYPT, WRAP } Act;

/* clang-format off */
static const struct {
        PeerRole role;
        const char *key; /* a '*' at the end stands for anything */
        Act act;
        uint16_t first_kind, last_kind; /* of SIGN; of WRAP: of the rumors */
} rules[] = {
        { PEER_OWNER,    "*",        MANAGE,  0,              0              },
        { PEER_OWNER,    "agent:*",  EXPORT,  0,              0              }, /* never the identity */

        { PEER_PROVIDER, "provider", SIGN,    6000,           6999           }, /* results */
        { PEER_PROVIDER, "provider", SIGN,    7000,           7000           }, /* feedback */
        { PEER_PROVIDER, "provider", SIGN,    31990,          31990          }, /* announcement */
        { PEER_PROVIDER, "provider", SIGN,    5,              5              }, /* its withdrawal */
        { PEER_PROVIDER, "provider", SIGN,    0,              0              }, /* profile */
        { PEER_PROVIDER, "provider", SIGN,    10002,          10002          }, /* relay list */
        { PEER_PROVIDER, "provider", SIGN,    11998,          11998          }, /* heartbeat */
        { PEER_PROVIDER, "provider", ENCRYPT, 0,              0              },

        { PEER_RELAY,    "*",        SIGN,    NIP42_AUTH,     NIP42_AUTH     },

        { PEER_HOST,     "buyer",    SIGN,    5000,           5999           }, /* job requests */
        { PEER_HOST,     "buyer",    SIGN,    5,              5              },
        { PEER_HOST,     "buyer",    ENCRYPT, 0,              0              },
        { PEER_HOST,     "agent:*",  SIGN,    0,              NIP42_AUTH - 1 },
        { PEER_HOST,     "agent:*",  SIGN,    NIP42_AUTH + 1, UINT16_MAX     },
        { PEER_HOST,     "agent:*",  ENCRYPT, 0,              0              },
        { PEER_HOST,     "agent:*",  WRAP,    14,             14             }, /* NIP-17 */
        { PEER_HOST,     "agent:*",  MANAGE,  0,              0              }, /* of new agents */

        { PEER_WALLET,   "wallet",   SIGN,    9734,           9734           }, /* zap requests */
        { PEER_WALLET,   "wallet",   SIGN,    13194,          13194          }, /* NIP-47: what it can */
        { PEER_WALLET,   "wallet",   SIGN,    23195,          23197          }, /* answers, news */
        { PEER_WALLET,   "wallet",   ENCRYPT, 0,              0              },
};
/* clang-format on */

static bool key_fits(const char *key, const char *pattern) {
        size_t n = strlen(pattern);

        if (n > 0 && pattern[n - 1] == '*')
                return strncmp(key, pattern, n - 1) == 0;
        return streq(key, pattern);
}

static bool may(PeerRole role, const char *key, Act act, uint16_t kind) {
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (rules[i].role == role && rules[i].act == act && key_fits(key, rules[i].key) &&
                                kind >= rules[i].first_kind && kind <= rules[i].last_kind)
                        return true;
        return false;
}

bool policy_may_manage(PeerRole role, const char *key) {
        return may(role, key, MANAGE, 0);
}

bool policy_may_export(PeerRole role, const char *key) {
        return may(role, key, EXPORT, 0);
}

bool policy_may_use(PeerRole role, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (rules[i].role == role && key_fits(key, rules[i].key))
                        return true;
        return false;
}

bool policy_may_sign(PeerRole role, const char *key, uint16_t kind) {
        return may(role, key, SIGN, kind);
}

bool policy_may_wrap(PeerRole role, const char *key, uint16_t kind) {
        return may(role, key, WRAP, kind);
}

bool policy_may_encrypt(PeerRole role, const char *key) {
        return may(role, key, ENCRYPT, 0);
}
