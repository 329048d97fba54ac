/* nostr/nip10, nip02 and relay-list: an event as a part of a thread and as a list. What we write
 * for it is read back. */
#include "nostr/nip02.h"
#include "nostr/nip10.h"
#include "nostr/relay-list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char me[] = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";
static const uint8_t secret[32] = { 7 }, zeros[32];

/* As the draft's author would publish it; NULL where it is too large. */
static Event *published(Draft *taken) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = taken;
        Event *e = NULL;

        if (!d || keypair_new(secret, &k) < 0 || draft_sign(d, k, zeros, &e) < 0)
                return NULL;
        return e;
}

static void as_thread(const Event *e) {
        const Answer a = { .to = e, .relay = "wss://relay.example", .author = me, .text = "+" };
        _cleanup_(event_unrefp) Event *reply = NULL, *reaction = NULL;
        Draft *d = NULL;
        Thread t;

        if (thread_read(e, &t))
                assert(strlen(t.root) == 64 && strlen(t.parent) == 64);
        if (reply_draft(&a, 1, &d) >= 0)
                reply = published(TAKE_PTR(d));
        if (reply && event_kind(reply) == NIP10_NOTE_KIND) {
                assert(thread_read(reply, &t));
                assert(streq(t.parent, event_id_hex(e)));
        }
        if (reaction_draft(&a, 1, &d) >= 0)
                reaction = published(d);
        if (reaction)
                assert(event_has_tag(reaction, "e", event_id_hex(e)));
}

static void as_relays(const Event *e) {
        _cleanup_relay_list_ RelayList l = { 0 }, again = { 0 };
        _cleanup_(event_unrefp) Event *written = NULL;
        Draft *d = NULL;

        if (relay_list_read(e, &l) < 0 || relay_list_draft(&l, event_kind(e), 1, &d) < 0)
                return;
        written = published(d);
        if (!written || relay_list_read(written, &again) < 0)
                return;
        for (size_t i = 0, k = 0; i < l.n; i++) {
                if (!l.items[i].read && !l.items[i].write)
                        continue;
                assert(k < again.n && streq(again.items[k].url, l.items[i].url));
                k++;
        }
}

static void as_follows(const Event *e) {
        const Follow f = { .old = e, .pubkey_hex = me, .on = true };
        _cleanup_(event_unrefp) Event *written = NULL;
        Draft *d = NULL;

        if (event_kind(e) != NIP02_KIND || follow_list_draft(&f, 1, &d) != 0)
                return;
        written = published(d);
        if (!written)
                return;
        assert(event_n_tags(written) == event_n_tags(e) + 1);
        assert(follow_list_has(written, me));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL;

        if (event_parse_trusted((const char *) data, size, &e, &reason) < 0)
                return 0;
        as_thread(e);
        as_relays(e);
        as_follows(e);
        return 0;
}
