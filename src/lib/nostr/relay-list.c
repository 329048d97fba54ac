#include "nostr/relay-list.h"

#include "nostr/url.h"

int relay_list_add(RelayList *l, const char *url, bool read, bool write) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason;
        int r;

        r = url_parse(url, &u, &reason);
        if (r < 0)
                return r;
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].url, u->text)) {
                        l->items[i].read |= read;
                        l->items[i].write |= write;
                        return 0;
                }
        if (l->n == RELAY_LIST_MAX)
                return -ENOBUFS;
        l->items[l->n++] = (RelayListItem){ TAKE_PTR(u->text), read, write };
        return 0;
}

/* Without a marker it is for both. */
static int take_tag(RelayList *l, const Tag *t, bool both) {
        bool read = t->n < 3 || streq(t->values[2], "read") || !*t->values[2];
        bool write = t->n < 3 || streq(t->values[2], "write") || !*t->values[2];
        int r;

        if (t->n < 2)
                return 0;
        r = relay_list_add(l, t->values[1], both || read, both || write);
        return r == -ENOMEM ? r : 0;
}

int relay_list_read(const Event *e, RelayList *ret) {
        bool both = event_kind(e) == NIP17_RELAYS_KIND;
        _cleanup_relay_list_ RelayList l = { 0 };
        const Tag *t = NULL;
        int r = 0;

        if (!both && event_kind(e) != NIP65_KIND)
                return -EBADMSG;
        while (r >= 0 && (t = event_find_tag(e, both ? "relay" : "r", t)))
                r = take_tag(&l, t, both);
        if (r < 0)
                return r;
        *ret = TAKE(l, (RelayList){ 0 });
        return 0;
}

int relay_list_draft(const RelayList *l, uint16_t kind, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        assert(kind == NIP65_KIND || kind == NIP17_RELAYS_KIND);

        r = draft_new(kind, now, &d);
        for (size_t i = 0; i < l->n && r >= 0; i++) {
                const RelayListItem *item = l->items + i;

                if (kind == NIP17_RELAYS_KIND)
                        r = draft_tag(d, "relay", item->url, NULL);
                else if (item->read && item->write)
                        r = draft_tag(d, "r", item->url, NULL);
                else if (item->read || item->write)
                        r = draft_tag(d, "r", item->url, item->read ? "read" : "write", NULL);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

void relay_list_done(RelayList *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i].url);
        *l = (RelayList){ 0 };
}
