/* The outbox with what it needs around it: its file, its owners, and the relays that it names. */
#include "post.h"

#include "basic/text.h"
#include "bus/text.h"
#include "nostr/url.h"
#include "people.h"
#include "publication.h"
#include "relay-hub.h"

#define KEEP_DURABLE   (7 * 24 * 3600) /* seconds an event is tried for */
#define KEEP_MEMORY    600
#define KEEP_EPHEMERAL 60
#define OUTCOMES_MAX   256 /* per signal */
#define REACHED        "+" /* on disk, before a relay that the owner did not ask for */

/* ---- outcomes */

static Owner *owner_find(Hub *h, const char *role) {
        for (size_t i = 0; i < h->n_owners; i++)
                if (streq(h->owners[i].role, role))
                        return h->owners + i;
        return NULL;
}

static void owner_send(Owner *o) {
        sd_bus_message *m = TAKE_PTR(o->outcomes);

        o->n_outcomes = 0;
        if (!m)
                return;
        if (sd_bus_message_close_container(m) < 0 || !o->bus || sd_bus_send(o->bus, m, NULL) < 0)
                log_debug("Outcomes were not told; they are kept.");
        sd_bus_message_unref(m);
}

static void owner_tell(Hub *h, Owner *o, const Letter *l, const Target *t) {
        int r = 0;

        if (!o->bus || t->reached)
                return;
        if (!o->outcomes) {
                r = sd_bus_message_new_signal(
                                o->bus, &o->outcomes, BUS_PATH, BUS_RELAY_SERVICE, "Outcomes");
                if (r >= 0)
                        r = sd_bus_message_open_container(o->outcomes, 'a', "(ssis)");
        }
        if (r >= 0)
                r = sd_bus_message_append(o->outcomes, "(ssis)", l->id_hex, t->relay->url,
                                (int32_t) t->verdict, bus_text_or(t->message, ""));
        if (r < 0) {
                o->outcomes = sd_bus_message_unref(o->outcomes);
                return;
        }
        if (++o->n_outcomes >= OUTCOMES_MAX)
                owner_send(o);
        hub_want_flush(h);
}

static void on_outcome(Letter *l, Target *t, void *userdata) {
        Hub *h = userdata;
        Owner *o = owner_find(h, l->owner);

        if (o && !l->forgotten)
                owner_tell(h, o, l, t);
        publication_outcome(h, l);
        hub_want_flush(h); /* the last one ends a drain, whoever is left to hear of it */
}

int post_own(Hub *h, sd_bus *bus, const char *role) {
        Owner *o = owner_find(h, role);
        size_t cursor = 0;
        Letter *l;

        if (!o) {
                if (h->n_owners == HUB_OWNERS_MAX)
                        return -ENOBUFS;
                o = h->owners + h->n_owners;
                o->role = strdup(role);
                if (!o->role)
                        return -ENOMEM;
                h->n_owners++;
        }
        if (o->bus == bus)
                return 0;

        o->outcomes = sd_bus_message_unref(o->outcomes);
        o->n_outcomes = 0;
        sd_bus_unref(o->bus);
        o->bus = sd_bus_ref(bus);
        while ((l = outbox_next(h->outbox, &cursor)))
                for (size_t i = 0; i < l->n_targets && !l->forgotten && streq(l->owner, role); i++)
                        if (l->targets[i].state == TARGET_DONE)
                                owner_tell(h, o, l, l->targets + i);
        return 0;
}

/* ---- publishing */

static int64_t letter_expiry(const Event *e, bool durable) {
        int64_t keep = durable                                       ? KEEP_DURABLE
                       : kind_class(event_kind(e)) == KIND_EPHEMERAL ? KEEP_EPHEMERAL
                                                                     : KEEP_MEMORY;

        return MIN(hub_now() + keep, event_expiration(e));
}

/* What is no relay, or one too many, is left out: the list is a stranger's. */
static size_t add_targets(Hub *h, char **urls, OutRelay *ret[static OUTBOX_RELAYS_MAX]) {
        size_t n = 0;

        STRV_FOREACH (url, urls) {
                const char *reason = "there is no memory";
                bool twice = false;
                Upstream *u;
                int r;

                r = hub_upstream(h, *url, &u, &reason);
                if (r < 0) {
                        log_debug("The relay \"%s\" is left out: %s.", *url, reason);
                        continue;
                }
                for (size_t i = 0; i < n; i++)
                        twice |= ret[i] == upstream_outbox(u);
                if (!twice && n < OUTBOX_RELAYS_MAX)
                        ret[n++] = upstream_outbox(u);
        }
        return n;
}

static int targets(Hub *h, char **urls, OutRelay *ret[static OUTBOX_RELAYS_MAX], size_t *ret_n,
                const char **reterr) {
        *ret_n = add_targets(h, urls, ret);
        if (*ret_n == 0)
                *ret_n = add_targets(h, h->configured, ret);
        if (*ret_n > 0)
                return 0;

        *reterr = "there is no relay to send it to";
        return -ENODEV;
}

static int ids_add(PostIds *ids, const uint8_t id[static 32]) {
        uint8_t(*list)[32];

        if ((ids->n & (ids->n - 1)) == 0) {
                list = reallocarray(ids->list, ids->n == 0 ? 1 : 2 * ids->n, sizeof(*list));
                if (!list)
                        return -ENOMEM;
                ids->list = list;
        }
        memcpy(ids->list[ids->n++], id, sizeof(*ids->list));
        return 0;
}

static int letter_urls(const Letter *l, Buffer *ret) {
        int r = 0;

        buffer_init(ret, (OUTBOX_RELAYS_MAX + PEOPLE_ROOM) * (URL_MAX + 1));
        for (size_t i = 0; i < l->n_targets && r >= 0; i++)
                r = buffer_addf(ret, "%s%s%s", i == 0 ? "" : " ",
                                l->targets[i].reached ? REACHED : "", l->targets[i].relay->url);
        return r;
}

static int letter_save(Hub *h, const Letter *l, PostIds *ids) {
        _cleanup_buffer_ Buffer urls = { 0 };
        int r;

        r = ids_add(ids, l->id);
        if (r >= 0)
                r = letter_urls(l, &urls);
        return r < 0 ? r
                     : shelf_outbox_add(h->shelf, &(ShelfLetter){ .id = l->id,
                                                                  .owner = l->owner,
                                                                  .relays = urls.data ?: "",
                                                                  .json = l->json,
                                                                  .expires_at = l->expires_at });
}

void post_settle(Hub *h, const PostIds *ids, bool kept) {
        for (size_t i = 0; i < ids->n; i++) {
                Letter *l = outbox_find(h->outbox, ids->list[i]);

                if (!l || l->kept)
                        continue;
                if (kept)
                        l->kept = true;
                else
                        outbox_remove(h->outbox, l);
        }
}

/* The same event again: what is known of it is told again. */
static int publish_again(Hub *h, Letter *l, const char *role, bool durable, PostIds *ids) {
        Owner *o = owner_find(h, role);
        int r = 0;

        outbox_remember(h->outbox, l);
        if (durable && !l->durable) {
                r = letter_save(h, l, ids);
                l->durable = r >= 0;
        }
        for (size_t i = 0; i < l->n_targets && o; i++)
                if (l->targets[i].state == TARGET_DONE)
                        owner_tell(h, o, l, l->targets + i);
        return MIN(r, 0);
}

int post_publish(Hub *h, const char *role, const char *json, char **urls, bool durable,
                PostIds *ids, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        OutRelay *relays[OUTBOX_RELAYS_MAX];
        LetterInfo info;
        bool spread;
        Letter *l;
        size_t n;
        int r;

        *reterr = "there is no memory";
        r = event_parse_trusted(json, strlen(json), &e, reterr);
        if (r < 0)
                return r;
        durable = durable && kind_class(event_kind(e)) != KIND_EPHEMERAL;
        l = outbox_find(h->outbox, event_id(e));
        if (l)
                return publish_again(h, l, role, durable, ids);
        r = targets(h, urls, relays, &n, reterr);
        if (r < 0)
                return r;

        spread = strv_length(urls) == 0 && people_want(h, e);
        info = (LetterInfo){ .id = event_id(e),
                .owner = role,
                .json = event_json(e, NULL),
                .durable = durable,
                .expires_at = letter_expiry(e, durable),
                .relays = relays,
                .n_relays = n,
                .room = spread ? PEOPLE_ROOM : 0 };
        r = outbox_add(h->outbox, &info, &l);
        if (r == -ENOBUFS)
                *reterr = "the outbox is full";
        if (r >= 0 && spread)
                people_reach(h, l, e);
        if (r < 0 || !durable)
                return r;

        r = letter_save(h, l, ids);
        if (r < 0) {
                *reterr = sql_reason(r);
                outbox_remove(h->outbox, l);
        }
        return r;
}

void post_extended(Hub *h, Letter *l) {
        _cleanup_buffer_ Buffer urls = { 0 };
        int r;

        if (l->durable && shelf_begin(h->shelf) >= 0) {
                r = letter_urls(l, &urls);
                if (r >= 0)
                        r = shelf_outbox_relays(h->shelf, l->id, urls.data ?: "");
                shelf_end(h->shelf, r);
        }
        post_published(h);
}

void post_released(Hub *h, Letter *l) {
        publication_outcome(h, l);
        post_sweep(h);
        hub_want_flush(h);
}

void post_published(Hub *h) {
        for (size_t i = 0; i < h->n_upstreams; i++)
                if (out_relay_n_open(upstream_outbox(h->upstreams[i])) > 0)
                        upstream_send(h->upstreams[i]);
}

/* Inside a request of the shelf. */
static void remove_finished(Hub *h) {
        Letter *l;

        while ((l = outbox_finished(h->outbox))) {
                if (l->durable && shelf_outbox_remove(h->shelf, l->id) < 0)
                        log_debug("An event stays in the outbox's file; it will be told again.");
                outbox_remove(h->outbox, l);
        }
}

void post_forget(Hub *h, const char *role, const char *id_hex) {
        uint8_t id[32];
        Letter *l;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return;
        l = outbox_find(h->outbox, id);
        if (!l || !streq(l->owner, role))
                return;
        outbox_forget(h->outbox, l);
        remove_finished(h);
}

void post_sweep(Hub *h) {
        if (!outbox_finished(h->outbox) || shelf_begin(h->shelf) < 0)
                return;
        remove_finished(h);
        shelf_end(h->shelf, 0);
}

/* Verdicts go to disk a little later: most are forgotten before that, and a lost one only means
 * that the event is sent again. */
void post_save_verdicts(Hub *h) {
        Letter *l = outbox_take_unsaved(h->outbox);
        int r;

        if (!l)
                return;
        r = shelf_begin(h->shelf);
        if (r < 0)
                return;
        for (; l; l = l->next_unsaved)
                for (size_t i = 0; i < l->n_targets && r >= 0; i++) {
                        Target *t = l->targets + i;

                        if (t->state != TARGET_DONE || !t->unsaved)
                                continue;
                        r = shelf_outbox_answer(h->shelf, l->id, t->relay->url,
                                        t->verdict == RELAY_ACCEPTED, t->message ?: "");
                        t->unsaved = r < 0;
                }
        shelf_end(h->shelf, r);
}

static int on_letter(const ShelfLetter *letter, void *userdata) {
        Hub *h = userdata;
        _cleanup_free_ char *copy = strdup(letter->relays);
        OutRelay *relays[OUTBOX_RELAYS_MAX + PEOPLE_ROOM];
        uint32_t reached = 0; /* a bit for each */
        char *rest = copy, *url;
        size_t n = 0;
        Letter *l;
        int r;

        if (!copy)
                return -ENOMEM;
        while ((url = strsep(&rest, " ")) && n < ELEMENTSOF(relays)) {
                const char *more = startswith(url, REACHED), *reason;
                Upstream *u;

                r = hub_upstream(h, more ?: url, &u, &reason);
                if (r >= 0) {
                        reached |= more ? B(n) : 0;
                        relays[n++] = upstream_outbox(u);
                } else
                        log_debug("\"%s\" of an event in the outbox is left out: %s.", url, reason);
        }
        r = outbox_add(h->outbox,
                        &(LetterInfo){ .id = letter->id,
                                        .owner = letter->owner,
                                        .json = letter->json,
                                        .durable = true,
                                        .expires_at = letter->expires_at,
                                        .relays = relays,
                                        .n_relays = n },
                        &l);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (reached & B(i))
                        outbox_mark_reached(l, relays[i]);
        if (r >= 0)
                l->kept = true;
        return r == -ENOBUFS ? 0
                             : r; /* the maximum was lowered: the rest comes at the next start */
}

static int on_answer(const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message, void *userdata) {
        Hub *h = userdata;

        outbox_restore(h->outbox, id, relay, accepted, message);
        return 0;
}

const OutboxHandler post_handler = { .outcome = on_outcome };

int post_load(Hub *h) {
        int r;

        r = shelf_each_letter(h->shelf, on_letter, h);
        return r < 0 ? r : shelf_each_answer(h->shelf, on_answer, h);
}

void post_flush(Hub *h) {
        for (size_t i = 0; i < h->n_owners; i++)
                owner_send(h->owners + i);
}

static void owner_leave(Owner *o) {
        o->outcomes = sd_bus_message_unref(o->outcomes);
        o->n_outcomes = 0;
        o->bus = sd_bus_unref(o->bus);
}

void post_gone(Hub *h, sd_bus *bus) {
        for (size_t i = 0; i < h->n_owners; i++)
                if (h->owners[i].bus == bus)
                        owner_leave(h->owners + i);
}

void post_free(Hub *h) {
        while (h->n_owners > 0) {
                Owner *o = h->owners + --h->n_owners;

                owner_leave(o);
                o->role = mfree(o->role);
        }
}
