#include "upstream.h"

#include "basic/crypt.h"
#include "basic/text.h"
#include "query.h"
#include "upstream-private.h"

#define PAUSE_FIRST     (SEC / 2)
#define PAUSE_MAX       (5 * MIN_)
#define PAUSE_MAX_LOCAL (5 * SEC) /* a relay on this machine costs nobody anything */
#define LINGER_USEC     MIN_      /* unwanted, before it is closed */
#define STEADY_USEC     (5 * SEC) /* up for less is a failure too */
#define PRICE_MAX       20000     /* of what is no good, in ten minutes of one connection */
#define PRICE_NOISE     1         /* only had to be read */
#define PRICE_BAD       40        /* may have cost the check of a signature */
#define PRICE_USEC      (10 * MIN_)
#define BAD_FAILURES    6 /* it counts as so many in a row */

bool upstream_is_down(const Upstream *u) {
        return u->n_failures > 0 && u->state != UPSTREAM_UP && u->state != UPSTREAM_IDLE;
}

const char *upstream_word(const Upstream *u) {
        static const char *const words[_UPSTREAM_STATE_MAX] = {
                [UPSTREAM_IDLE] = "idle",
                [UPSTREAM_WAITING] = "down",
                [UPSTREAM_RESOLVING] = "connecting",
                [UPSTREAM_CONNECTING] = "connecting",
                [UPSTREAM_UP] = "up",
        };

        return upstream_is_down(u) ? "down" : words[u->state];
}

void upstream_set_state(Upstream *u, UpstreamState state) {
        const char *before = upstream_word(u);

        u->state = state;
        if (streq(before, upstream_word(u)))
                return;
        u->since = hub_now();
        hub_upstream_changed(u->hub, u);
}

void upstream_say(Upstream *u, const char *text) {
        free(u->error);
        u->error = strndup(text, strnlen(text, 200)); /* without memory: nothing is said */
}

void upstream_arm(Upstream *u, usec_t after) {
        if (after == UINT64_MAX) {
                (void) sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(u->timer, after);
        (void) sd_event_source_set_enabled(u->timer, SD_EVENT_ONESHOT);
}

int upstream_write(Upstream *u) {
        int r;

        r = ws_send(u->ws, u->line.data, u->line.size);
        buffer_clear(&u->line);
        return r;
}

/* ---- what the relay says */

/* What it does to us has a fixed price: then it has to connect again, and that takes longer. */
static void upstream_charge(Upstream *u, unsigned price) {
        usec_t now = hub_monotonic(u->hub);

        if (now >= u->charged_since + PRICE_USEC) {
                u->charged_since = now;
                u->charged = 0;
        }
        u->charged += price;
        if (u->charged < PRICE_MAX)
                return;
        log_warning("%s sends too much that is not valid or was not asked for.", u->url->text);
        ws_close(u->ws, 1008, "too much that is not valid or was not asked for");
}

static void upstream_count(Upstream *u, HubVerdict verdict) {
        switch (verdict) {
        case HUB_NEW:
        case HUB_KNOWN:
                u->counts.events++;
                break;
        case HUB_BAD:
                u->counts.bad_events++;
                upstream_charge(u, PRICE_BAD);
                break;
        case HUB_UNASKED:
                u->counts.unasked++;
                upstream_charge(u, PRICE_BAD);
                break;
        case HUB_NOISE:
                u->counts.unasked++;
                upstream_charge(u, PRICE_NOISE);
                break;
        }
}

static void on_event(Upstream *u, const Message *m) {
        bool page;
        Req *q = req_find(u, m->subscription, &page);
        int64_t created_at = INT64_MAX;
        HubVerdict verdict;

        if (q) {
                upstream_count(u, hub_event(u->hub, u, q->subscription, m->json.text, m->json.size,
                                                  &created_at));
                req_count(u, q, page, created_at);
        } else if (query_event(u, m, &verdict)) {
                upstream_count(u, verdict);
        } else {
                u->counts.unasked++;
                upstream_charge(u, PRICE_NOISE);
        }
}

static void on_ok(Upstream *u, const Message *m) {
        const char *text = m->text;
        uint8_t id[32];
        bool wants_name;

        if (auth_is_answer(u, m->id)) {
                auth_answered(u, m->accepted, m->text);
                return;
        }
        if (hex_decode(m->id, id, sizeof(id)) < 0)
                return;

        wants_name = answer_meaning(m->accepted, m->text) == ANSWER_AUTH;
        if (wants_name && u->auth == AUTH_DONE) {
                text = "error: it knows who we are, and asks again"; /* the others go on */
                wants_name = false;
        }
        if (!outbox_answer(u->hub->outbox, u->out, id, m->accepted, text, hub_monotonic(u->hub))) {
                upstream_charge(u, PRICE_NOISE);
                return;
        }
        if (wants_name) {
                out_relay_land(u->out);
                u->out->not_before = hub_monotonic(u->hub) + UPSTREAM_AGAIN_USEC;
                auth_start(u);
        }
        upstream_send(u);
}

static void on_end_of_stored(Upstream *u, const Message *m) {
        bool page;
        Req *q = req_find(u, m->subscription, &page);

        upstream_charge(u, PRICE_NOISE); /* also the one that we wait for: there are few */
        if (q && (page ? q->state == REQ_PAGING : q->state == REQ_STORED))
                req_stored_done(u, q);
        else if (!q)
                (void) query_end_of_stored(u, m); /* or of nothing that we asked */
        upstream_turn(u);
}

static void on_closed_subscription(Upstream *u, const Message *m) {
        bool page;
        Req *q = req_find(u, m->subscription, &page);

        upstream_charge(u, PRICE_NOISE);
        if (q)
                req_closed(u, q, page, m->text);
        else
                (void) query_closed(u, m); /* or of nothing that we asked */
}

static void upstream_dispatch(Upstream *u, const Message *m) {
        switch (m->type) {
        case MESSAGE_EVENT:
                on_event(u, m);
                return;
        case MESSAGE_OK:
                on_ok(u, m);
                return;
        case MESSAGE_EOSE:
                on_end_of_stored(u, m);
                return;
        case MESSAGE_CLOSED:
                on_closed_subscription(u, m);
                return;
        case MESSAGE_NOTICE:
                log_debug("%s says: %s", u->url->text, m->text);
                upstream_say(u, m->text);
                upstream_charge(u, PRICE_NOISE);
                return;
        case MESSAGE_AUTH:
                upstream_charge(u, PRICE_NOISE);
                auth_challenge(u, m->text);
                return;
        case MESSAGE_COUNT:
        case MESSAGE_REQ:
        case MESSAGE_CLOSE:
        case _MESSAGE_TYPE_MAX:
                u->counts.malformed++;
                upstream_charge(u, PRICE_BAD);
        }
}

void upstream_hear(Upstream *u, const char *text, size_t size) {
        const char *reason = NULL;
        Message m;
        int r;

        r = message_parse_from_relay(text, size, &m, &reason);
        if (r < 0) {
                u->counts.malformed++;
                upstream_charge(u, r == -EOPNOTSUPP ? PRICE_NOISE : PRICE_BAD);
        } else {
                upstream_dispatch(u, &m);
        }
}

void upstream_hear_rubbish(Upstream *u) {
        u->counts.malformed++;
        upstream_charge(u, PRICE_BAD);
}

/* ---- the connection */

bool upstream_is_local(const Upstream *u) {
        const Url *url = u->url;

        return streq(url->host, "localhost") || streq(url->host, "::1") ||
               startswith(url->host, "127.");
}

static void upstream_pause(Upstream *u) {
        usec_t max = upstream_is_local(u) ? PAUSE_MAX_LOCAL : PAUSE_MAX;
        usec_t pause = PAUSE_FIRST << u->n_failures;
        uint32_t chance = 0;

        pause = MIN(pause, max);
        u->n_failures = MIN(u->n_failures + 1, 12U);
        upstream_set_state(u, UPSTREAM_WAITING);
        if (crypt_random(&chance, sizeof(chance)) < 0)
                chance = 0; /* without chance all come at once, no worse */
        upstream_arm(u, pause / 2 + pause * (chance % 1024) / 1024);
}

/* How often it failed in a row. A relay that lets us in only to close again has not been there. */
static void upstream_judge(Upstream *u) {
        if (hub_monotonic(u->hub) >= u->up_at + STEADY_USEC)
                u->n_failures = 0;
        if (u->charged >= PRICE_MAX)
                u->n_failures = MAX(u->n_failures, (unsigned) BAD_FAILURES);
        u->charged = 0;
}

void upstream_lost(Upstream *u, const char *reason) {
        bool was_up = u->state == UPSTREAM_UP;

        if (was_up)
                upstream_judge(u);
        connect_stop(u);
        u->ws = ws_free(u->ws);
        auth_reset(u);
        u->n_auths = 0;
        out_relay_land(u->out);
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                if (u->reqs[i].subscription)
                        u->reqs[i].state = REQ_NONE;
        query_lost(u, reason);

        upstream_say(u, reason);
        if (was_up || u->n_failures == 0)
                log_event(LOG_NOTICE, LOG_ID_RELAY_DOWN, LOG_FIELDS("PYLON_RELAY", u->url->text),
                                was_up ? "The connection to %s ended: %s."
                                       : "%s cannot be reached: %s. It is tried again.",
                                u->url->text, reason);
        if (!hub_wants(u->hub, u)) {
                upstream_set_state(u, UPSTREAM_IDLE);
                upstream_arm(u, UINT64_MAX);
        } else {
                upstream_pause(u);
        }
}

void upstream_is_up(Upstream *u) {
        upstream_say(u, "");
        u->up_at = hub_monotonic(u->hub);
        u->n_connections++;
        upstream_set_state(u, UPSTREAM_UP);
        log_event(LOG_INFO, LOG_ID_RELAY_UP, LOG_FIELDS("PYLON_RELAY", u->url->text),
                        "Connected to %s.", u->url->text);
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                if (u->reqs[i].subscription)
                        req_send(u, u->reqs + i);
        query_up(u);
        upstream_send(u);
        upstream_turn(u);
        info_refresh(u);
}

/* ---- time */

/* While it is up: what is overdue, and when to look again. */
void upstream_turn(Upstream *u) {
        usec_t now = hub_monotonic(u->hub), next;

        if (u->state != UPSTREAM_UP)
                return;

        next = out_relay_turn(u->out, now);
        for (size_t i = 0; i < INGEST_SLOTS; i++) {
                if (req_is_timed(u->reqs + i))
                        next = MIN(next, u->reqs[i].at);
        }
        if (hub_wants(u->hub, u))
                u->unwanted_at = 0;
        else if (u->unwanted_at == 0)
                u->unwanted_at = now;
        if (u->unwanted_at > 0)
                next = MIN(next, u->unwanted_at + LINGER_USEC);
        upstream_arm(u, next == UINT64_MAX ? next : MAX(next, now + 100 * MSEC) - now);
}

static void upstream_check_reqs(Upstream *u) {
        usec_t now = hub_monotonic(u->hub);

        for (size_t i = 0; i < INGEST_SLOTS; i++) {
                Req *q = u->reqs + i;

                if (req_is_timed(q) && q->at <= now)
                        req_overdue(u, q);
        }
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Upstream *u = userdata;

        switch (u->state) {
        case UPSTREAM_WAITING:
                if (hub_wants(u->hub, u))
                        connect_start(u);
                else
                        upstream_set_state(u, UPSTREAM_IDLE);
                break;
        case UPSTREAM_UP:
                if (!hub_wants(u->hub, u)) {
                        ws_close(u->ws, 1000, "nothing to do");
                        break;
                }
                upstream_check_reqs(u);
                upstream_turn(u);
                upstream_send(u);
                break;
        case UPSTREAM_CONNECTING:
                connect_next(u, "it does not answer");
                break;
        case UPSTREAM_IDLE:
        case UPSTREAM_RESOLVING:
        case _UPSTREAM_STATE_MAX:
                break;
        }
        return 0;
}

static int on_send(_unused_ sd_event_source *s, void *userdata) {
        Upstream *u = userdata;
        usec_t now = hub_monotonic(u->hub);
        Target *t;

        if (u->state != UPSTREAM_UP)
                return 0;

        while (ws_queued(u->ws) < UPSTREAM_QUEUE_MAX / 4 && (t = out_relay_take(u->out, now))) {
                const char *refusal = info_refusal(u, t->letter);

                if (refusal) {
                        (void) outbox_answer(
                                        u->hub->outbox, u->out, t->letter->id, false, refusal, now);
                        continue;
                }
                if (message_write_event(&u->line, NULL, t->letter->json, t->letter->size) < 0 ||
                                upstream_write(u) < 0) {
                        buffer_clear(&u->line);
                        out_relay_land(u->out); /* what flew goes again: harmless */
                        break;
                }
        }
        upstream_turn(u);
        return 0;
}

void upstream_send(Upstream *u) {
        if (u->state == UPSTREAM_UP)
                (void) sd_event_source_set_enabled(u->sender, SD_EVENT_ONESHOT);
        else
                upstream_wanted(u);
}

void upstream_wanted(Upstream *u) {
        if (u->state == UPSTREAM_IDLE && hub_wants(u->hub, u))
                connect_start(u);
        else
                upstream_turn(u);
}

const char *upstream_url(const Upstream *u) {
        return u->url->text;
}

UpstreamState upstream_state(const Upstream *u) {
        return u->state;
}

const char *upstream_error(const Upstream *u) {
        return u->error ?: "";
}

int64_t upstream_since(const Upstream *u) {
        return u->since;
}

const UpstreamCounts *upstream_counts(const Upstream *u) {
        return &u->counts;
}

OutRelay *upstream_outbox(Upstream *u) {
        return u->out;
}

int upstream_new(Hub *hub, const char *url, Upstream **ret, const char **reterr) {
        _cleanup_(upstream_freep) Upstream *u = NULL;
        int r;

        *reterr = "there is no memory";
        u = new0(Upstream, 1);
        if (!u)
                return -ENOMEM;
        u->hub = hub;
        u->since = hub_now();
        u->clock_offset = INT64_MIN;
        buffer_init(&u->line, UPSTREAM_MESSAGE_MAX);
        r = url_parse(url, &u->url, reterr);
        if (r < 0)
                return r;
        r = outbox_relay(hub->outbox, u->url->text, &u->out);
        if (r < 0)
                return r;
        u->out->upstream = u;

        r = sd_event_add_time(hub->event, &u->timer, CLOCK_MONOTONIC, UINT64_MAX, 100 * MSEC,
                        on_timer, u);
        if (r < 0)
                return r;
        r = sd_event_add_defer(hub->event, &u->sender, on_send, u);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(u->timer, "upstream-timer");
        (void) sd_event_source_set_description(u->sender, "upstream-sender");
        (void) sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(u->sender, SD_EVENT_OFF);

        *ret = TAKE_PTR(u);
        return 0;
}

Upstream *upstream_free(Upstream *u) {
        if (!u)
                return NULL;

        if (u->out) {
                out_relay_land(u->out);
                u->out->upstream = NULL;
        }
        connect_stop(u);
        ws_free(u->ws);
        ws_get_free(u->getting);
        relay_info_free(u->info);
        signer_call_free(u->signing);
        sd_event_source_disable_unref(u->timer);
        sd_event_source_disable_unref(u->sender);
        buffer_done(&u->line);
        strv_free(u->addresses);
        url_free(u->url);
        free(u->error);
        return mfree(u);
}
