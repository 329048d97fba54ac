#include "outbox.h"

#include <stdio.h>

#define ANSWER_USEC         (10 * SEC) /* without an OK by then it is sent again: harmless */
#define SLOWER_USEC         (15 * SEC)
#define RETRY_FIRST         (5 * SEC)
#define RETRY_MAX           (10 * MIN_)
#define FLYING_MAX          512
#define TRIES_MAX           8 /* of answers that nobody knows; then it is refused */
#define MESSAGE_KEPT        200

#define FORGOTTEN_MAX       4096
#define FORGOTTEN_BYTES_MAX (8 * 1024 * 1024)
#define OWNER_SECONDS_MAX   (7 * 24 * 3600) /* without its owner, behind its expiry */

struct Outbox {
        Map letters;
        OutRelay *relays;
        size_t max, n_open;
        Letter *unsaved;
        Letter *first_forgotten, *last_forgotten; /* those that all have answered first */
        size_t n_forgotten, forgotten_bytes;
        const OutboxHandler *handler;
        void *userdata;
};

/* ---- lists */

static void list_append(TargetList *l, Target *t) {
        t->next = NULL;
        t->prev = l->last;
        if (l->last)
                l->last->next = t;
        else
                l->first = t;
        l->last = t;
        l->n++;
}

static void list_remove(TargetList *l, Target *t) {
        *(t->prev ? &t->prev->next : &l->first) = t->next;
        *(t->next ? &t->next->prev : &l->last) = t->prev;
        t->prev = t->next = NULL;
        l->n--;
}

static void target_move(Target *t, TargetState state) {
        if (t->state != TARGET_DONE)
                list_remove(&t->relay->lists[t->state], t);
        t->state = state;
        if (state != TARGET_DONE)
                list_append(&t->relay->lists[state], t);
}

/* ---- what answers mean */

Answer answer_meaning(bool accepted, const char *text) {
        static const struct {
                const char *prefix;
                Answer answer;
        } table[] = {
                { "duplicate", ANSWER_ACCEPTED },
                { "replaced", ANSWER_ACCEPTED }, /* strfry: it has a newer one; so be it */
                { "auth-required", ANSWER_AUTH },
                { "rate-limited", ANSWER_SLOWER },
                { "error", ANSWER_LATER },
                { "pow", ANSWER_REFUSED }, /* only the signer of an event can add work to it */
                { "blocked", ANSWER_REFUSED },
                { "restricted", ANSWER_REFUSED },
                { "invalid", ANSWER_REFUSED },
                { "mute", ANSWER_REFUSED },
                { "deleted", ANSWER_REFUSED },
        };

        if (accepted)
                return ANSWER_ACCEPTED;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (startswith(text, table[i].prefix))
                        return table[i].answer;
        return ANSWER_LATER;
}

/* ---- letters */

int outbox_new(size_t max, const OutboxHandler *handler, void *userdata, Outbox **ret) {
        Outbox *o;

        o = new0(Outbox, 1);
        if (!o)
                return -ENOMEM;
        o->handler = handler;
        o->userdata = userdata;
        map_init(&o->letters, max);
        o->max = max;
        *ret = o;
        return 0;
}

static Letter *letter_free(Letter *l) {
        for (size_t i = 0; i < l->n_targets; i++) {
                target_move(&l->targets[i], TARGET_DONE);
                l->targets[i].relay->n_targets--;
                free(l->targets[i].message);
        }
        free(l->owner);
        free(l->json);
        return mfree(l);
}

Outbox *outbox_free(Outbox *o) {
        Letter *l;

        if (!o)
                return NULL;

        MAP_FOREACH (l, &o->letters)
                letter_free(l);
        map_done(&o->letters);
        while (o->relays) {
                OutRelay *r = o->relays;

                o->relays = r->next;
                free(r->url);
                free(r);
        }
        return mfree(o);
}

void outbox_set_max(Outbox *o, size_t max) {
        o->max = max;
        o->letters.max = MAX(max, map_size(&o->letters));
}

int outbox_relay(Outbox *o, const char *url, OutRelay **ret) {
        OutRelay *r;

        for (r = o->relays; r; r = r->next)
                if (streq(r->url, url)) {
                        *ret = r;
                        return 0;
                }

        r = new0(OutRelay, 1);
        if (!r)
                return -ENOMEM;
        r->url = strdup(url);
        if (!r->url) {
                free(r);
                return -ENOMEM;
        }
        r->next = o->relays;
        o->relays = r;
        *ret = r;
        return 0;
}

void outbox_sweep(Outbox *o) {
        for (OutRelay **p = &o->relays; *p;) {
                OutRelay *r = *p;

                if (r->upstream || r->n_targets > 0) {
                        p = &r->next;
                        continue;
                }
                *p = r->next;
                free(r->url);
                free(r);
        }
}

Letter *outbox_find(Outbox *o, const uint8_t id[static 32]) {
        return map_get(&o->letters, id, 32);
}

static void letter_add(Letter *l, OutRelay *r, bool reached) {
        Target *t = l->targets + l->n_targets++;

        *t = (Target){
                .letter = l,
                .relay = r,
                .state = TARGET_DONE,
                .verdict = RELAY_TRYING,
                .reached = reached,
        };
        target_move(t, TARGET_WAITING);
        r->n_targets++;
}

int outbox_add(Outbox *o, const LetterInfo *info, Letter **ret) {
        Letter *l;
        int r;

        l = outbox_find(o, info->id);
        if (l) {
                *ret = l;
                return -EEXIST;
        }

        l = calloc(1, sizeof(Letter) + (info->n_relays + info->room) * sizeof(Target));
        if (!l)
                return -ENOMEM;
        memcpy(l->id, info->id, sizeof(l->id));
        hex_encode(l->id, sizeof(l->id), l->id_hex);
        l->owner = strdup(info->owner);
        l->json = strdup(info->json);
        r = l->owner && l->json ? map_put(&o->letters, l->id, sizeof(l->id), l) : -ENOMEM;
        if (r < 0) {
                letter_free(l);
                return r;
        }

        l->size = strlen(l->json);
        l->durable = info->durable;
        l->expires_at = info->expires_at;
        l->n_open = info->n_relays;
        l->room = info->room;
        o->n_open += l->n_open > 0;
        for (size_t i = 0; i < info->n_relays; i++)
                letter_add(l, info->relays[i], false);
        *ret = l;
        return 0;
}

static void unsaved_remove(Outbox *o, Letter *l) {
        for (Letter **p = &o->unsaved; l->unsaved && *p; p = &(*p)->next_unsaved)
                if (*p == l) {
                        *p = l->next_unsaved;
                        break;
                }
}

static void forgotten_unlink(Outbox *o, Letter *l) {
        *(l->prev_forgotten ? &l->prev_forgotten->next_forgotten : &o->first_forgotten) =
                        l->next_forgotten;
        *(l->next_forgotten ? &l->next_forgotten->prev_forgotten : &o->last_forgotten) =
                        l->prev_forgotten;
        l->prev_forgotten = l->next_forgotten = NULL;
}

static void forgotten_prepend(Outbox *o, Letter *l) {
        l->next_forgotten = o->first_forgotten;
        *(o->first_forgotten ? &o->first_forgotten->prev_forgotten : &o->last_forgotten) = l;
        o->first_forgotten = l;
}

static void forgotten_append(Outbox *o, Letter *l) {
        l->prev_forgotten = o->last_forgotten;
        *(o->last_forgotten ? &o->last_forgotten->next_forgotten : &o->first_forgotten) = l;
        o->last_forgotten = l;
}

void outbox_forget(Outbox *o, Letter *l) {
        if (l->forgotten)
                return;
        l->forgotten = true;
        o->n_forgotten++;
        o->forgotten_bytes += l->size;
        if (l->n_open == 0)
                forgotten_prepend(o, l);
        else
                forgotten_append(o, l);
}

void outbox_remember(Outbox *o, Letter *l) {
        if (!l->forgotten)
                return;
        l->forgotten = false;
        o->n_forgotten--;
        o->forgotten_bytes -= l->size;
        forgotten_unlink(o, l);
}

Letter *outbox_finished(Outbox *o) {
        Letter *l = o->first_forgotten;

        return l && (l->n_open == 0 || o->n_forgotten > MIN(o->max / 2, (size_t) FORGOTTEN_MAX) ||
                                    o->forgotten_bytes > FORGOTTEN_BYTES_MAX)
                               ? l
                               : NULL;
}

void outbox_remove(Outbox *o, Letter *l) {
        outbox_remember(o, l);
        unsaved_remove(o, l);
        o->n_open -= l->n_open > 0;
        (void) map_remove(&o->letters, l->id, sizeof(l->id));
        letter_free(l);
}

Letter *outbox_next(Outbox *o, size_t *cursor) {
        return map_next(&o->letters, cursor);
}

size_t outbox_n(const Outbox *o) {
        return map_size(&o->letters);
}

size_t outbox_n_open(const Outbox *o) {
        return o->n_open;
}

size_t out_relay_n_open(const OutRelay *r) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(r->lists); i++)
                n += r->lists[i].n;
        return n;
}

/* ---- the way of one event to one relay */

static void target_say(Target *t, const char *text) {
        if (t->message && streq(t->message, text))
                return;
        free(t->message);
        t->message = strndup(text, MESSAGE_KEPT); /* without memory: no message */
}

/* One less that has not answered. */
static void letter_answered(Outbox *o, Letter *l) {
        if (--l->n_open > 0)
                return;
        o->n_open--;
        if (l->forgotten) {
                forgotten_unlink(o, l);
                forgotten_prepend(o, l);
        }
}

void outbox_hold(Outbox *o, Letter *l) {
        assert(!l->held);

        l->held = true;
        o->n_open += l->n_open++ == 0;
}

bool outbox_extend(Letter *l, OutRelay *r) {
        assert(l->held);

        for (size_t i = 0; i < l->n_targets; i++)
                if (l->targets[i].relay == r)
                        return false;
        if (l->room == 0)
                return false;
        l->room--;
        l->n_open++;
        letter_add(l, r, true);
        return true;
}

void outbox_mark_reached(Letter *l, const OutRelay *r) {
        for (size_t i = 0; i < l->n_targets; i++)
                l->targets[i].reached |= l->targets[i].relay == r;
}

void outbox_release(Outbox *o, Letter *l) {
        l->held = false;
        letter_answered(o, l);
}

static void target_done(Outbox *o, Target *t, RelayVerdict verdict, const char *text) {
        Letter *l = t->letter;

        target_move(t, TARGET_DONE);
        target_say(t, text);
        t->verdict = verdict;
        t->relay->n_accepted += verdict == RELAY_ACCEPTED;
        t->unsaved = true;
        letter_answered(o, l);
        if (l->durable && !l->unsaved) {
                l->unsaved = true;
                l->next_unsaved = o->unsaved;
                o->unsaved = l;
        }
        o->handler->outcome(l, t, o->userdata);
}

static void target_postpone(Target *t, usec_t now) {
        usec_t pause = RETRY_FIRST << MIN(t->n_tries++, 8U);

        target_move(t, TARGET_LATER);
        t->at = now + MIN(pause, RETRY_MAX);
}

static void target_later(Outbox *o, Target *t, const char *text, usec_t now) {
        if (t->n_tries >= TRIES_MAX) {
                target_done(o, t, RELAY_REFUSED, text);
                return;
        }
        target_postpone(t, now);
        target_say(t, text);
        o->handler->outcome(t->letter, t, o->userdata);
}

static Target *target_find(Outbox *o, OutRelay *r, const uint8_t id[static 32]) {
        Letter *l = outbox_find(o, id);

        for (size_t i = 0; l && i < l->n_targets; i++)
                if (l->targets[i].relay == r && l->targets[i].state != TARGET_DONE)
                        return l->targets + i;
        return NULL;
}

Target *out_relay_take(OutRelay *r, usec_t now) {
        Target *t = r->lists[TARGET_WAITING].first;

        if (!t || now < r->not_before || r->lists[TARGET_FLYING].n >= FLYING_MAX)
                return NULL;
        target_move(t, TARGET_FLYING);
        t->at = now;
        return t;
}

bool outbox_answer(Outbox *o, OutRelay *r, const uint8_t id[static 32], bool accepted,
                const char *text, usec_t now) {
        Target *t = target_find(o, r, id);

        if (!t)
                return false;

        switch (answer_meaning(accepted, text)) {
        case ANSWER_ACCEPTED:
                target_done(o, t, RELAY_ACCEPTED, text);
                break;
        case ANSWER_REFUSED:
                target_done(o, t, RELAY_REFUSED, text);
                break;
        case ANSWER_AUTH:
                target_move(t, TARGET_WAITING); /* the connection knows what to do first */
                break;
        case ANSWER_SLOWER:
                r->not_before = now + SLOWER_USEC;
                target_move(t, TARGET_WAITING);
                target_say(t, text);
                break;
        case ANSWER_LATER:
                target_later(o, t, text, now);
                break;
        case _ANSWER_MAX:
                assert(false);
        }
        return true;
}

void out_relay_land(OutRelay *r) {
        TargetList *flying = &r->lists[TARGET_FLYING], *waiting = &r->lists[TARGET_WAITING];

        /* Before those that wait: the order of publishing is kept. */
        while (flying->last) {
                Target *t = flying->last;

                list_remove(flying, t);
                t->state = TARGET_WAITING;
                t->next = waiting->first;
                if (t->next)
                        t->next->prev = t;
                else
                        waiting->last = t;
                waiting->first = t;
                waiting->n++;
        }
}

void outbox_land_one(Outbox *o, OutRelay *r, const uint8_t id[static 32]) {
        Target *t = target_find(o, r, id);

        if (t && t->state == TARGET_FLYING)
                target_move(t, TARGET_WAITING);
}

usec_t out_relay_turn(OutRelay *r, usec_t now) {
        usec_t next = UINT64_MAX;
        Target *t, *after;

        /* Those that fly are in the order in which they were sent. */
        while ((t = r->lists[TARGET_FLYING].first) && t->at + ANSWER_USEC <= now)
                target_postpone(t, now);
        if (t)
                next = t->at + ANSWER_USEC;

        for (t = r->lists[TARGET_LATER].first; t; t = after) {
                after = t->next;
                if (t->at <= now)
                        target_move(t, TARGET_WAITING);
                else
                        next = MIN(next, t->at);
        }
        if (r->lists[TARGET_WAITING].n > 0 && r->not_before > now)
                next = MIN(next, r->not_before);
        return next;
}

void outbox_give_up(Outbox *o, OutRelay *r, const char *why) {
        for (size_t i = 0; i < ELEMENTSOF(r->lists); i++)
                while (r->lists[i].first)
                        target_done(o, r->lists[i].first, RELAY_REFUSED, why);
}

static void letter_expire(Outbox *o, Letter *l) {
        for (size_t i = 0; i < l->n_targets; i++)
                if (l->targets[i].state != TARGET_DONE)
                        target_done(o, l->targets + i, RELAY_REFUSED,
                                        "it expired before the relay took it");
}

/* What nobody asks for again must not stay for ever either: events that are not on disk go as soon
 * as they have expired, the others a while later. */
void outbox_expire(Outbox *o, int64_t now_seconds) {
        Letter *l;

        MAP_FOREACH (l, &o->letters) {
                if (l->expires_at > now_seconds)
                        continue;
                letter_expire(o, l);
                if (!l->durable || l->expires_at <= now_seconds - OWNER_SECONDS_MAX)
                        outbox_forget(o, l);
        }
}

Letter *outbox_take_unsaved(Outbox *o) {
        Letter *list = TAKE_PTR(o->unsaved);

        for (Letter *l = list; l; l = l->next_unsaved)
                l->unsaved = false;
        return list;
}

void outbox_restore(Outbox *o, const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message) {
        Letter *l = outbox_find(o, id);

        for (size_t i = 0; l && i < l->n_targets; i++) {
                Target *t = l->targets + i;

                if (t->state == TARGET_DONE || !streq(t->relay->url, relay))
                        continue;
                target_move(t, TARGET_DONE);
                target_say(t, message);
                t->verdict = accepted ? RELAY_ACCEPTED : RELAY_REFUSED;
                if (--l->n_open == 0)
                        o->n_open--;
        }
}
