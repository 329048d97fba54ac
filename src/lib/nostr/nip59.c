#include "nostr/nip59.h"

#include "basic/crypt.h"
#include "nostr/nip44.h"

int64_t nip59_back(int64_t now, uint64_t random) {
        return MAX(now - (int64_t) (random % (uint64_t) NIP59_BACK_MAX), INT64_C(0));
}

/* One layer: the text, encrypted from this key to that one, as what the draft says. */
static int layer(Draft *d, const char *text, size_t size, const Keypair *k,
                const uint8_t recipient[static 32], const WrapChance *chance, Event **ret) {
        _cleanup_free_ char *payload = NULL;
        uint8_t conversation[32];
        int r;

        r = nip44_conversation_key(k, recipient, conversation);
        if (r >= 0)
                r = nip44_encrypt(conversation, chance->nonce, text, size, &payload);
        memory_wipe(conversation, sizeof(conversation));
        if (r >= 0)
                r = draft_content(d, payload, strlen(payload));
        return r < 0 ? r : draft_sign(d, k, chance->random, ret);
}

int nip59_seal(const Rumor *r, const Keypair *author, const uint8_t recipient[static 32],
                const WrapChance *chance, Event **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *json;
        size_t size;
        int q;

        json = rumor_json(r, &size);
        if (memcmp(rumor_pubkey(r), keypair_pubkey(author), 32) != 0)
                return -EINVAL;
        if (size > NIP59_RUMOR_MAX)
                return -E2BIG;

        q = draft_new(NIP59_SEAL_KIND, chance->created_at, &d);
        return q < 0 ? q : layer(d, json, size, author, recipient, chance, ret);
}

int nip59_wrap(const Event *seal, const Keypair *once, const uint8_t recipient[static 32],
                const char *relay, const WrapChance *chance, Event **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        char hex[HEX32_MAX];
        const char *json;
        size_t size;
        int r;

        hex_encode(recipient, 32, hex);
        json = event_json(seal, &size);
        r = draft_new(NIP59_WRAP_KIND, chance->created_at, &d);
        if (r >= 0)
                r = draft_tag(d, "p", hex, relay, NULL);
        return r < 0 ? r : layer(d, json, size, once, recipient, chance, ret);
}

static int decrypt(const Event *e, const Keypair *recipient, char **ret, size_t *ret_size,
                const char **reterr) {
        uint8_t conversation[32];
        const char *payload;
        size_t size;
        int r;

        payload = event_content(e, &size);
        r = nip44_conversation_key(recipient, event_pubkey(e), conversation);
        if (r == -EINVAL)
                return *reterr = "its author is not a public key", -EBADMSG;
        if (r >= 0)
                r = nip44_decrypt(conversation, payload, size, ret, ret_size, reterr);
        memory_wipe(conversation, sizeof(conversation));
        return r;
}

static int check_seal(const Event *seal, const char **reterr) {
        if (event_kind(seal) != NIP59_SEAL_KIND)
                return *reterr = "what is in the wrap is not a seal", -EBADMSG;
        for (size_t i = 0; i < event_n_tags(seal); i++)
                if (!streq(event_tag(seal, i)->values[0], "expiration"))
                        return *reterr = "the seal has tags", -EBADMSG;
        return 0;
}

static int open_wrap(
                const Event *wrap, const Keypair *recipient, Event **ret, const char **reterr) {
        _cleanup_(event_unrefp) Event *seal = NULL;
        _cleanup_free_ char *text = NULL;
        const char *ignored;
        size_t size;
        int r;

        if (event_kind(wrap) != NIP59_WRAP_KIND)
                return *reterr = "it is not a gift wrap", -EBADMSG;
        r = decrypt(wrap, recipient, &text, &size, reterr);
        if (r < 0)
                return r;
        r = event_parse(text, size, &seal, &ignored);
        if (r < 0 && r != -ENOMEM)
                return *reterr = "what is in the wrap is no event that somebody signed", -EBADMSG;
        if (r >= 0)
                r = check_seal(seal, reterr);
        if (r >= 0)
                *ret = TAKE_PTR(seal);
        return r;
}

int nip59_open(const Event *wrap, const Keypair *recipient, Rumor **ret, const char **reterr) {
        _cleanup_(event_unrefp) Event *seal = NULL;
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = open_wrap(wrap, recipient, &seal, reterr);
        if (r >= 0)
                r = decrypt(seal, recipient, &text, &size, reterr);
        if (r >= 0)
                r = rumor_parse(text, size, &rumor, reterr);
        if (r == -E2BIG)
                r = -EBADMSG;
        if (r < 0)
                return r;
        if (memcmp(rumor_pubkey(rumor), event_pubkey(seal), 32) != 0)
                return *reterr = "it says that somebody else than the sealer wrote it", -EBADMSG;

        *ret = TAKE_PTR(rumor);
        return 0;
}
