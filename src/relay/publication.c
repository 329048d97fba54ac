#include "publication.h"

#include "basic/text.h"
#include "bus/text.h"

#define PUBLICATIONS_MAX 16
#define TIMEOUT_DEFAULT  (10 * SEC)
#define TIMEOUT_MAX      MIN_
#define OWNER            "person" /* of the letter; no service is called so */

struct Publication {
        Hub *hub;
        Publication *next;
        Event *event;
        sd_bus_message *call;
        sd_event_source *timer;
};

static Publication *publication_free(Publication *p) {
        if (!p)
                return NULL;

        event_unref(p->event);
        sd_bus_message_unref(p->call);
        sd_event_source_disable_unref(p->timer);
        return mfree(p);
}
DEFINE_CLEANUP(Publication, publication_free)

static void publication_unlink(Publication *p) {
        for (Publication **q = &p->hub->publications; *q; q = &(*q)->next)
                if (*q == p) {
                        *q = p->next;
                        p->hub->n_publications--;
                        return;
                }
}

void publication_free_all(Hub *h) {
        while (h->publications) {
                Publication *p = h->publications;

                publication_unlink(p);
                publication_free(p);
        }
}

static bool publication_is_of(const Publication *p, const uint8_t id[static 32]) {
        return memcmp(event_id(p->event), id, 32) == 0;
}

void publication_outcome(Hub *h, const Letter *l) {
        if (l->n_open > 0)
                return;
        for (Publication *p = h->publications; p; p = p->next)
                if (publication_is_of(p, l->id))
                        (void) sd_event_source_set_time_relative(p->timer, 0);
}

/* What a relay said, or why it said nothing. */
static const char *target_words(const Target *t) {
        const Upstream *u = t->relay->upstream;

        if (!isempty(t->message))
                return bus_text_or(t->message, "its words cannot be shown");
        if (t->state == TARGET_DONE)
                return "";
        if (u && !isempty(upstream_error(u)))
                return bus_text_or(upstream_error(u), "its words cannot be shown");
        return "it did not answer in time";
}

static int publication_answer(const Publication *p) {
        const Letter *l = outbox_find(p->hub->outbox, event_id(p->event));
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_return(p->call, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sis)");
        for (size_t i = 0; l && i < l->n_targets && r >= 0; i++) {
                const Target *t = l->targets + i;
                RelayVerdict v = t->state == TARGET_DONE ? t->verdict : RELAY_TRYING;

                r = sd_bus_message_append(m, "(sis)", t->relay->url, (int32_t) v, target_words(t));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

static bool publication_is_shared(const Publication *p) {
        for (const Publication *o = p->hub->publications; o; o = o->next)
                if (o != p && publication_is_of(o, event_id(p->event)))
                        return true;
        return false;
}

/* The letter, unless it is a service's, or somebody waits for it. */
static Letter *own_letter(const Publication *p) {
        Letter *l = outbox_find(p->hub->outbox, event_id(p->event));

        return l && streq(l->owner, OWNER) && !publication_is_shared(p) ? l : NULL;
}

/* An earlier attempt, which nobody waits for any more, went to other relays perhaps. */
static void drop_earlier(const Publication *p) {
        Letter *l = own_letter(p);

        if (l)
                outbox_remove(p->hub->outbox, l);
}

static void forget(const Publication *p) {
        Letter *l = own_letter(p);

        if (l)
                outbox_forget(p->hub->outbox, l);
        post_sweep(p->hub);
}

static int on_end(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Publication *p = userdata;
        int r;

        r = publication_answer(p);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(
                                p->call, -r, "The answers could not be handed over: %m");
        publication_unlink(p);
        forget(p);
        publication_free(p);
        return 0;
}

/* The outbox leaves out what is no relay, because lists are strangers'; a person is told. */
static int check_relays(Hub *h, char **urls, const char **reterr) {
        int r;

        if (strv_length(urls) > OUTBOX_RELAYS_MAX) {
                *reterr = "these are too many relays";
                return -EINVAL;
        }
        STRV_FOREACH (url, urls) {
                Upstream *u;

                r = hub_upstream(h, *url, &u, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int publication_fill(Publication *p, const PublicationInfo *info, const char **reterr) {
        usec_t timeout = info->timeout_ms > 0 ? info->timeout_ms * MSEC : TIMEOUT_DEFAULT;
        Hub *h = p->hub;
        int r;

        p->call = sd_bus_message_ref(info->call);
        r = event_parse(info->json, strlen(info->json), &p->event, reterr);
        if (r >= 0)
                r = check_relays(h, info->urls, reterr);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(h->event, &p->timer, CLOCK_MONOTONIC,
                        MIN(timeout, TIMEOUT_MAX), 10 * MSEC, on_end, p);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(p->timer, "publication");
        drop_earlier(p);
        return post_publish(h, OWNER, event_json(p->event, NULL), info->urls, false, NULL, reterr);
}

int publication_start(Hub *h, const PublicationInfo *info, const char **reterr) {
        _cleanup_(publication_freep) Publication *p = NULL;
        const Letter *l;
        int r;

        if (h->n_publications == PUBLICATIONS_MAX)
                return -EBUSY;
        *reterr = "there is no memory";
        p = new0(Publication, 1);
        if (!p)
                return -ENOMEM;
        p->hub = h;
        r = publication_fill(p, info, reterr);
        if (r < 0)
                return r;

        p->next = h->publications;
        h->publications = p;
        h->n_publications++;
        post_published(h);
        l = outbox_find(h->outbox, event_id(p->event));
        if (l)
                publication_outcome(h, l); /* all may have answered before */
        TAKE_PTR(p);
        return 0;
}
