/* NIP-19's names, made from what a person types. */
#include "event-code.h"

#include "basic/codec.h"
#include "basic/option.h"
#include "basic/text.h"
#include "nostr/nip19.h"

/* clang-format off */
static const struct {
        const char *name;
        Nip19Type type;
        bool relays;
} types[] = {
        { "npub",     NIP19_NPUB,     false },
        { "note",     NIP19_NOTE,     false },
        { "nprofile", NIP19_NPROFILE, true },
        { "nevent",   NIP19_NEVENT,   true },
        { "naddr",    NIP19_NADDR,    true },
};
/* clang-format on */

static int refuse(const char **reterr, const char *reason) {
        *reterr = reason;
        return -EINVAL;
}

static int read_address(const char *value, Nip19 *n, const char **reterr) {
        _cleanup_free_ char *copy = strdup(value);
        char *rest = copy, *kind, *pubkey;

        if (!copy)
                return -ENOMEM;
        kind = strsep(&rest, ":");
        pubkey = strsep(&rest, ":");
        if (!rest || parse_u32(kind, &n->kind) < 0 || n->kind > UINT16_MAX)
                return refuse(reterr, N_("an address is KIND:PUBKEY:IDENTIFIER"));
        n->has_kind = n->has_author = true;
        n->identifier = strdup(rest);
        return n->identifier ? pubkey_parse(pubkey, n->author, reterr) : -ENOMEM;
}

static int read_value(const char *value, Nip19 *n, const char **reterr) {
        switch (n->type) {
        case NIP19_NPUB:
        case NIP19_NPROFILE:
                return pubkey_parse(value, n->key, reterr);
        case NIP19_NOTE:
        case NIP19_NEVENT:
                if (hex_decode(value, n->key, sizeof(n->key)) < 0)
                        return refuse(reterr, N_("an event's id is 64 lowercase digits of hex"));
                return 0;
        case NIP19_NADDR:
                return read_address(value, n, reterr);
        case NIP19_NSEC:
        case _NIP19_TYPE_MAX:
                break;
        }
        return -EINVAL;
}

int event_code(const char *type, const char *value, const char *const *relays, size_t n_relays,
                char **ret, const char **reterr) {
        _cleanup_nip19_ Nip19 n = { 0 };
        size_t i = 0;
        int r;

        while (i < ELEMENTSOF(types) && !streq(types[i].name, type))
                i++;
        if (i == ELEMENTSOF(types))
                return refuse(reterr, N_("it is made of npub, note, nprofile, nevent or naddr"));
        if (n_relays > 0 && !types[i].relays)
                return refuse(reterr, N_("only nprofile, nevent and naddr name relays"));
        if (n_relays > NIP19_RELAYS_MAX)
                return refuse(reterr, N_("these are too many relays"));

        n.type = types[i].type;
        r = read_value(value, &n, reterr);
        for (size_t k = 0; k < n_relays && r >= 0; k++)
                r = strv_add(&n.relays, relays[k]);
        if (r < 0)
                return r;
        r = nip19_encode(&n, ret);
        return r == -EINVAL ? refuse(reterr, N_("a relay's URL or the identifier is too long")) : r;
}
