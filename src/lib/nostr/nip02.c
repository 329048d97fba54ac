#include "nostr/nip02.h"

static bool is_of(const Tag *t, const char *pubkey_hex) {
        return t->n >= 2 && streq(t->values[0], "p") && streq(t->values[1], pubkey_hex);
}

bool follow_list_has(const Event *list, const char *pubkey_hex) {
        return event_has_tag(list, "p", pubkey_hex);
}

/* Everything but him. Clients of old kept their relays in the content. */
static int keep(const Event *old, const char *pubkey_hex, Draft *d) {
        const char *content;
        size_t size;
        int r = 0;

        for (size_t i = 0; i < event_n_tags(old) && r >= 0; i++) {
                const Tag *t = event_tag(old, i);

                if (!is_of(t, pubkey_hex))
                        r = draft_tag_strv(d, t->values, t->n);
        }
        content = event_content(old, &size);
        return r < 0 ? r : draft_content(d, content, size);
}

int follow_list_draft(const Follow *f, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        assert(!f->old || event_kind(f->old) == NIP02_KIND);

        if ((f->old && follow_list_has(f->old, f->pubkey_hex)) == f->on)
                return 1;
        if (f->old)
                now = MAX(now, event_created_at(f->old) + 1);
        if (f->on && f->old && event_n_tags(f->old) >= EVENT_TAGS_MAX)
                return -E2BIG;

        r = draft_new(NIP02_KIND, now, &d);
        if (r >= 0 && f->old)
                r = keep(f->old, f->pubkey_hex, d);
        if (r >= 0 && f->on) /* NIP-02: who is new comes last */
                r = draft_tag(d, "p", f->pubkey_hex, f->relay, NULL);
        if (r < 0)
                return r == -ENOBUFS ? -E2BIG : r;
        *ret = TAKE_PTR(d);
        return 0;
}
