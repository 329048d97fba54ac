/* The subscriptions of one relay: asked for, page by page, until they are live. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/text.h"
#include "upstream-private.h"

#define EOSE_USEC   (10 * SEC)
#define TRIES_MAX   6
#define RARELY_USEC (10 * MIN_) /* after so many */
#define AUTH_USEC   (60 * SEC)
#define PAGE_MIN    20 /* fewer stored events than this were all there are, or the relay's limit */
#define PAGES_MAX   1000
#define REQ_ID_SIZE 24

static void req_id(const Req *q, unsigned slot, bool page, char ret[static REQ_ID_SIZE]) {
        (void) snprintf(ret, REQ_ID_SIZE, "%u-%u%s", slot, q->generation, page ? "p" : "");
}

/* The filter with its time: ours have none, so it goes in at the front. */
static int write_filter(Buffer *b, const char *filter, const Req *q, bool page) {
        const char *rest = strchr(filter, '{') + 1;
        bool empty = rest[strspn(rest, " \t\r\n")] == '}';
        int r;

        r = buffer_addf(b, ",{\"since\":%" PRIi64, q->since);
        if (r >= 0 && page)
                r = buffer_addf(b, ",\"until\":%" PRIi64, q->until);
        return r < 0 ? r : buffer_addf(b, "%s%s", empty ? "" : ",", rest);
}

static int req_write(Upstream *u, Req *q, bool page) {
        const Subscription *s = q->subscription;
        char id[REQ_ID_SIZE];
        int r;

        req_id(q, s->slot, page, id);
        r = buffer_addf(&u->line, "[\"REQ\",\"%s\"", id);
        STRV_FOREACH (f, s->filters)
                if (r >= 0)
                        r = write_filter(&u->line, *f, q, page);
        if (r >= 0)
                r = buffer_add_string(&u->line, "]");
        if (r < 0) {
                buffer_clear(&u->line);
                return r;
        }
        return upstream_write(u);
}

static int req_close(Upstream *u, const Req *q, unsigned slot, bool page) {
        char id[REQ_ID_SIZE];
        int r;

        req_id(q, slot, page, id);
        r = message_write_close(&u->line, id);
        return r < 0 ? r : upstream_write(u);
}

static bool req_is_open(const Req *q) {
        return q->state == REQ_STORED || q->state == REQ_PAGING || q->state == REQ_HELD ||
               q->state == REQ_LIVE;
}

/* The relay would close it, or another one for it. */
static bool is_one_too_many(const Upstream *u, const Req *q) {
        int64_t n = 0;

        if (!u->info || u->info->subscriptions_max < 0)
                return false;
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                n += u->reqs + i != q && u->reqs[i].subscription && req_is_open(u->reqs + i);
        return n >= u->info->subscriptions_max;
}

void req_send(Upstream *u, Req *q) {
        Subscription *s = q->subscription;
        usec_t now = hub_monotonic(u->hub);

        if (is_one_too_many(u, q)) {
                upstream_say(u, "it takes fewer subscriptions than are wanted");
                req_later(u, q);
                upstream_turn(u);
                return;
        }

        subscription_begins(s, u);
        q->generation = ++u->generation;
        q->since = subscription_since(s, u);
        q->oldest = INT64_MAX;
        q->n_stored = q->n_pages = 0;
        q->state = REQ_STORED;
        q->asked = now;
        q->at = now + EOSE_USEC;
        if (req_write(u, q, false) < 0) {
                q->state = REQ_LATER; /* the queue is full: a little later */
                q->at = now + SEC;
        }
        upstream_turn(u);
}

static void req_live(Upstream *u, Req *q) {
        q->state = REQ_LIVE;
        q->n_tries = 0;
        q->at = 0;
        subscription_complete(q->subscription, u);
}

/* NIP-01 lets a relay answer with fewer stored events than there are; the older ones come with
 * `until`, which is inclusive. */
static void req_next_page(Upstream *u, Req *q, int64_t until) {
        q->until = until;
        q->oldest = INT64_MAX;
        q->n_stored = 0;
        if (++q->n_pages > PAGES_MAX || until < q->since) {
                req_live(u, q);
                return;
        }
        if (!subscription_has_room(q->subscription)) {
                q->state = REQ_HELD;
                q->at = 0;
                return;
        }
        q->state = REQ_PAGING;
        q->at = hub_monotonic(u->hub) + EOSE_USEC;
        if (req_write(u, q, true) < 0)
                q->state = REQ_HELD;
}

static unsigned page_min(const Upstream *u) {
        return u->info && u->info->limit_max > 0 && u->info->limit_max < PAGE_MIN
                               ? (unsigned) u->info->limit_max
                               : PAGE_MIN;
}

static void measure(Upstream *u, usec_t latency) {
        latency = MAX(latency, (usec_t) 1);
        u->latency = u->latency > 0 ? (7 * u->latency + latency) / 8 : latency;
}

void req_stored_done(Upstream *u, Req *q) {
        if (q->state == REQ_STORED) {
                measure(u, hub_monotonic(u->hub) - q->asked);
                if (q->n_stored < page_min(u))
                        req_live(u, q);
                else
                        req_next_page(u, q, q->oldest);
                return;
        }

        (void) req_close(u, q, q->subscription->slot, true); /* the connection ends else */
        if (q->n_stored == 0)
                req_live(u, q);
        else
                req_next_page(u, q, q->oldest < q->until ? q->oldest : q->until - 1);
}

static bool req_read_id(const char *id, uint32_t *ret_slot, uint32_t *ret_generation, bool *page) {
        char copy[REQ_ID_SIZE], *rest = copy, *slot;
        size_t size = strlen(id);

        if (size == 0 || size >= sizeof(copy))
                return false;

        memcpy(copy, id, size + 1);
        *page = copy[size - 1] == 'p';
        if (*page)
                copy[size - 1] = 0;
        slot = strsep(&rest, "-");
        return rest && parse_u32(slot, ret_slot) >= 0 && parse_u32(rest, ret_generation) >= 0;
}

Req *req_find(Upstream *u, const char *id, bool *ret_page) {
        uint32_t slot, generation;
        bool page;
        Req *q;

        if (!req_read_id(id, &slot, &generation, &page) || slot >= INGEST_SLOTS)
                return NULL;
        q = u->reqs + slot;
        if (!q->subscription || q->generation != generation)
                return NULL;
        *ret_page = page;
        return q;
}

void req_later(Upstream *u, Req *q) {
        usec_t pause = ++q->n_tries > TRIES_MAX ? RARELY_USEC : UPSTREAM_AGAIN_USEC * q->n_tries;

        q->state = REQ_LATER;
        q->at = hub_monotonic(u->hub) + pause;
}

static void req_refused(Upstream *u, Req *q, const char *text) {
        Answer answer = answer_meaning(false, text);

        upstream_say(u, text);
        if (answer == ANSWER_AUTH && u->auth == AUTH_DONE)
                answer = ANSWER_LATER; /* it knows us, and that was not enough */
        switch (answer) {
        case ANSWER_AUTH:
                q->state = REQ_AUTH;
                q->at = hub_monotonic(u->hub) + AUTH_USEC;
                break;
        case ANSWER_SLOWER:
        case ANSWER_LATER:
                req_later(u, q);
                break;
        case ANSWER_ACCEPTED:
        case ANSWER_REFUSED:
        case _ANSWER_MAX:
                log_warning("%s refuses a subscription: %s", u->url->text, text);
                q->state = REQ_REFUSED;
        }
        upstream_turn(u);
}

/* strfry refuses a subscription too many by a NOTICE only: silence is an answer too. */
void req_overdue(Upstream *u, Req *q) {
        switch (q->state) {
        case REQ_LATER:
                req_send(u, q);
                break;
        case REQ_AUTH:
                auth_give_up(u);
                break;
        default:
                upstream_say(u, "it does not answer a subscription");
                if (q->state == REQ_PAGING)
                        (void) req_close(u, q, q->subscription->slot, true);
                (void) req_close(u, q, q->subscription->slot, false); /* the connection ends else */
                req_later(u, q);
        }
}

/* Some relays answer a CLOSE of ours with CLOSED, and a hostile one says it as often as it likes.
 */
void req_closed(Upstream *u, Req *q, bool page, const char *text) {
        if (page) {
                if (q->state == REQ_PAGING)
                        req_live(u, q); /* the live part goes on; older ones it does not give */
                return;
        }
        if (!req_is_open(q))
                return;
        req_refused(u, q, text);
        if (q->state == REQ_AUTH)
                auth_start(u);
}

void req_count(Upstream *u, Req *q, bool page, int64_t created_at) {
        if (page ? q->state != REQ_PAGING : q->state != REQ_STORED)
                return;
        q->n_stored++;
        q->oldest = MIN(q->oldest, created_at);
        q->at = hub_monotonic(u->hub) + EOSE_USEC;
}

bool req_is_timed(const Req *q) {
        return q->subscription && (q->state == REQ_STORED || q->state == REQ_PAGING ||
                                                  q->state == REQ_LATER || q->state == REQ_AUTH);
}

void upstream_subscribe(Upstream *u, Subscription *s) {
        Req *q = u->reqs + s->slot;

        if (q->subscription && u->state == UPSTREAM_UP && q->state != REQ_NONE)
                (void) req_close(u, q, s->slot, false); /* the connection ends else */
        q->subscription = s;
        q->n_tries = 0;
        if (u->state == UPSTREAM_UP)
                req_send(u, q);
        else
                upstream_wanted(u);
}

void upstream_unsubscribe(Upstream *u, const Subscription *s) {
        Req *q = u->reqs + s->slot;

        if (q->subscription != s)
                return;
        if (u->state == UPSTREAM_UP) {
                (void) req_close(u, q, s->slot, false); /* the connection ends else */
                if (q->state == REQ_PAGING)
                        (void) req_close(u, q, s->slot, true);
        }
        *q = (Req){};
        upstream_turn(u);
}

void upstream_continue(Upstream *u, const Subscription *s) {
        Req *q = u->reqs + s->slot;

        if (u->state == UPSTREAM_UP && q->subscription == s && q->state == REQ_HELD)
                req_next_page(u, q, q->until);
}
