/* nostr/nip59: the first byte says what the input is: a rumor, what a stranger put into a wrap, or
 * what a known author put into a good seal. */
#include "nostr/nip17.h"
#include "nostr/nip44.h"
#include "nostr/nip59.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t author_secret[32] = { 3 }, recipient_secret[32] = { 4 };
static const WrapChance chance = { .created_at = 1760000000 };

static void check(const Rumor *r) {
        _cleanup_(rumor_unrefp) Rumor *again = NULL;
        const char *reason = NULL;
        PrivateText text;
        size_t size;

        (void) rumor_json(r, &size);
        assert(rumor_parse(rumor_json(r, NULL), size, &again, &reason) >= 0);
        assert(streq(rumor_id_hex(again), rumor_id_hex(r)));
        if (private_message_read(r, &text, &reason) < 0)
                assert(reason);
}

static void as_rumor(const char *text, size_t size) {
        _cleanup_(rumor_unrefp) Rumor *r = NULL;
        const char *reason = NULL;

        if (rumor_parse(text, size, &r, &reason) >= 0)
                check(r);
        else
                assert(reason);
}

/* An event around the text, encrypted by this key for the recipient. */
static Event *around(const Keypair *k, const Keypair *recipient, uint16_t kind, const char *text,
                size_t size) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *payload = NULL;
        uint8_t conversation[32];
        Event *e = NULL;

        if (nip44_conversation_key(k, keypair_pubkey(recipient), conversation) < 0 ||
                        nip44_encrypt(conversation, chance.nonce, text, size, &payload) < 0 ||
                        draft_new(kind, 1, &d) < 0 ||
                        draft_content(d, payload, strlen(payload)) < 0)
                return NULL;
        return draft_sign(d, k, chance.random, &e) < 0 ? NULL : e;
}

static void as_inside(const char *text, size_t size, bool sealed) {
        _cleanup_(keypair_freep) Keypair *author = NULL, *recipient = NULL;
        _cleanup_(event_unrefp) Event *seal = NULL, *wrap = NULL;
        _cleanup_(rumor_unrefp) Rumor *r = NULL;
        const char *reason = NULL;

        if (keypair_new(author_secret, &author) < 0 ||
                        keypair_new(recipient_secret, &recipient) < 0)
                return;
        if (!sealed)
                wrap = around(author, recipient, NIP59_WRAP_KIND, text, size);
        else if ((seal = around(author, recipient, NIP59_SEAL_KIND, text, size)))
                (void) nip59_wrap(seal, author, keypair_pubkey(recipient), NULL, &chance, &wrap);
        if (!wrap)
                return;
        if (nip59_open(wrap, recipient, &r, &reason) < 0) {
                assert(reason);
                return;
        }
        assert(!sealed || memcmp(rumor_pubkey(r), keypair_pubkey(author), 32) == 0);
        check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        if (data[0] % 3 == 0)
                as_rumor((const char *) data + 1, size - 1);
        else
                as_inside((const char *) data + 1, size - 1, data[0] % 3 == 1);
        return 0;
}
