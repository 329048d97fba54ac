#include "forward.h"

#include "basic/text.h"
#include "relay-hub.h"

#define ROLE "local relay" /* owns what it forwards, and needs no outcomes */

/* Our own services publish where they want themselves, and NIP-70 wants the author's own hand. */
static bool is_wanted(Hub *h, const Event *e) {
        return service_config(h->service)->relay.forward && !event_find_tag(e, "-", NULL) &&
               !outbox_find(h->outbox, event_id(e));
}

static int other_relays(Hub *h, char ***ret) {
        int r = 0;

        STRV_FOREACH (url, h->configured)
                if (r >= 0 && !streq(*url, local_url(h->local)))
                        r = strv_add(ret, *url);
        return MIN(r, 0);
}

int forward_add(Hub *h, const Event *e, PostIds *ids) {
        _cleanup_strv_ char **urls = NULL;
        const char *reason;
        int r;

        if (!is_wanted(h, e))
                return 0;
        r = other_relays(h, &urls);
        if (r < 0 || !urls)
                return r;
        r = post_publish(h, ROLE, event_json(e, NULL), urls, true, ids, &reason);
        if (r != -ENOBUFS)
                return r;
        log_debug("Event %.12s is not forwarded: %s.", event_id_hex(e), reason);
        return 0;
}

void forward_settle(Hub *h, const PostIds *ids, bool kept) {
        post_settle(h, ids, kept);
        for (size_t i = 0; i < ids->n && kept; i++) {
                Letter *l = outbox_find(h->outbox, ids->list[i]);

                if (l && streq(l->owner, ROLE))
                        outbox_forget(h->outbox, l);
        }
        if (ids->n > 0)
                post_published(h);
}

void forward_load(Hub *h) {
        size_t cursor = 0;
        Letter *l;

        while ((l = outbox_next(h->outbox, &cursor)))
                if (streq(l->owner, ROLE))
                        outbox_forget(h->outbox, l);
}
