#include "session.h"

#include <stdio.h>

#include "basic/crypt.h"
#include "forward.h"
#include "nostr/message.h"
#include "nostr/nip13.h"
#include "nostr/nip42.h"
#include "relay-hub.h"

#define FUTURE_MAX    (15 * 60) /* seconds an event may be ahead */
#define EPHEMERAL_MAX 60        /* and an ephemeral one behind */
#define KEYS_MAX      8         /* that one connection may prove */
#define QUEUE_LOW     (512 * 1024)
#define COUNT_MAX     20000

/* What a client asked for: stored events first, as the queue has room, then live ones. */
typedef struct Query {
        char id[MESSAGE_SUBSCRIPTION_MAX + 1];
        Interest interest;
        ShelfHit *hits;
        size_t n_hits, next; /* next < n_hits: stored ones are being sent */
        bool stored_done;
} Query;

/* An EVENT whose OK waits for the disk. */
typedef struct Saving {
        struct Saving *prev, *next;
        Hub *hub;
        Session *session; /* NULL: the client has gone */
        Event *event;
        PostIds forwarded;
} Saving;

struct Session {
        Hub *hub;
        Ws *ws;
        char *url;
        const SessionHandler *handler;
        void *userdata;
        Query *queries[SESSION_SUBSCRIPTIONS_MAX];
        size_t n_queries;
        char challenge[33];
        char keys[KEYS_MAX][HEX32_MAX];
        size_t n_keys;
        Saving *saving;
        Buffer line;
        bool overrun;
};

static Query *query_free(Query *q) {
        if (!q)
                return NULL;
        interest_done(&q->interest);
        free(q->hits);
        return mfree(q);
}
DEFINE_CLEANUP(Query, query_free)

/* A client that does not read what it asked for is let go: others wait for nothing. */
static void session_flush(Session *s) {
        if (ws_send(s->ws, s->line.data ?: "", s->line.size) == -ENOBUFS && !s->overrun) {
                s->overrun = true;
                ws_close(s->ws, 1008, "too slow");
        }
        buffer_clear(&s->line);
}

static void say_ok(Session *s, const char *id_hex, bool accepted, const char *text) {
        if (message_write_ok(&s->line, id_hex, accepted, text) >= 0)
                session_flush(s);
}

static void say_closed(Session *s, const char *subscription, const char *text) {
        if (message_write_closed(&s->line, subscription, text) >= 0)
                session_flush(s);
}

static void say_notice(Session *s, const char *text) {
        if (message_write_notice(&s->line, text) >= 0)
                session_flush(s);
}

/* ---- who may see and do what */

static bool session_has_key(const Session *s, const char *pubkey_hex) {
        for (size_t i = 0; i < s->n_keys; i++)
                if (streq(s->keys[i], pubkey_hex))
                        return true;
        return false;
}

static bool kind_is_private(uint16_t kind) {
        return kind == 4 || kind == 1059;
}

/* This machine's own connection: it asks for all who live here, and agents are more than a
 * connection can prove keys. */
static bool session_is_ours(const Session *s) {
        return s->hub->own_key[0] && session_has_key(s, s->hub->own_key);
}

/* NIP-42: private messages are shown to those who wrote or are to read them. */
static bool session_may_see(const Session *s, const Event *e) {
        const Tag *p = NULL;

        if (!kind_is_private(event_kind(e)) || session_is_ours(s) ||
                        session_has_key(s, event_pubkey_hex(e)))
                return true;
        while ((p = event_find_tag(e, "p", p)))
                if (p->n >= 2 && session_has_key(s, p->values[1]))
                        return true;
        return false;
}

static bool query_is_private(const Interest *i) {
        return interest_names_kind(i, 4) || interest_names_kind(i, 1059);
}

/* ---- EVENT */

static void saving_unlink(Saving *v) {
        if (!v->session)
                return;
        *(v->prev ? &v->prev->next : &v->session->saving) = v->next;
        if (v->next)
                v->next->prev = v->prev;
}

static Saving *saving_free(Saving *v) {
        if (!v)
                return NULL;
        event_unref(v->event);
        free(v->forwarded.list);
        return mfree(v);
}
DEFINE_CLEANUP(Saving, saving_free)

static void on_saved(int error, const char *reason, void *userdata) {
        Saving *v = userdata;
        Session *s = v->session;
        char text[160] = "";

        saving_unlink(v);
        if (error < 0)
                (void) snprintf(text, sizeof(text), "error: %s", reason);
        if (s)
                say_ok(s, event_id_hex(v->event), error >= 0, text);
        forward_settle(v->hub, &v->forwarded, error >= 0);
        saving_free(v);
}

static int session_save(Session *s, Event *e, ShelfVerdict *ret) {
        SqlGroup *group = shelf_group(s->hub->shelf);
        _cleanup_(saving_freep) Saving *v = new0(Saving, 1);
        int r;

        if (!v)
                return -ENOMEM;
        r = sql_request_begin(group);
        if (r < 0)
                return r;
        r = shelf_event_add(s->hub->shelf, e, ret);
        if (r >= 0 && *ret == SHELF_ADDED)
                r = forward_add(s->hub, e, &v->forwarded);
        if (r < 0 || *ret != SHELF_ADDED) {
                sql_request_refuse(group);
                forward_settle(s->hub, &v->forwarded, false);
                return r;
        }

        v->hub = s->hub;
        v->session = s;
        v->event = event_ref(e);
        v->next = s->saving;
        if (v->next)
                v->next->prev = v;
        s->saving = v;
        r = sql_request_ok(group, false, on_saved, v);
        if (r < 0) {
                saving_unlink(v);
                forward_settle(s->hub, &v->forwarded, false);
                return r;
        }
        (void) TAKE_PTR(v);
        return 0;
}

/* NULL: it may come in. */
static const char *event_refusal(const Session *s, const Event *e) {
        int64_t now = hub_now();
        bool ephemeral = kind_class(event_kind(e)) == KIND_EPHEMERAL;

        if (event_kind(e) == NIP42_KIND)
                return "invalid: that kind answers a challenge and is no event to publish";
        if (event_expiration(e) <= now)
                return "invalid: it has expired"; /* NIP-40 */
        if (event_created_at(e) > now + FUTURE_MAX)
                return "invalid: it is from the future";
        if (ephemeral && event_created_at(e) < now - EPHEMERAL_MAX)
                return "invalid: an ephemeral event must be new";
        if (!nip13_event_has_work(e, service_config(s->hub->service)->relay.min_pow))
                return "pow: more proof of work is wanted here"; /* NIP-13 */
        if (event_find_tag(e, "-", NULL) && !session_has_key(s, event_pubkey_hex(e)))
                return "auth-required: only its author may publish a protected event"; /* NIP-70 */
        return NULL;
}

static void session_accept(Session *s, Event *e) {
        ShelfVerdict verdict = SHELF_ADDED;
        int r;

        if (kind_class(event_kind(e)) == KIND_EPHEMERAL) {
                say_ok(s, event_id_hex(e), true, "");
                s->handler->accepted(e, s->userdata);
                return;
        }

        r = session_save(s, e, &verdict);
        if (r < 0) {
                char text[160];

                (void) snprintf(text, sizeof(text), "error: %s", sql_reason(r));
                say_ok(s, event_id_hex(e), false, text);
                return;
        }
        switch (verdict) {
        case SHELF_ADDED: /* its OK comes when it is on disk */
                s->handler->accepted(e, s->userdata);
                break;
        case SHELF_DUPLICATE:
                say_ok(s, event_id_hex(e), true, "duplicate: it is here already");
                break;
        case SHELF_OLDER:
                say_ok(s, event_id_hex(e), true, "duplicate: there is a newer version");
                break;
        case SHELF_DELETED:
                say_ok(s, event_id_hex(e), false, "blocked: its author asked to delete it");
                break;
        case _SHELF_VERDICT_MAX:
                assert(false);
        }
}

/* NIP-01 wants an OK even for what cannot be read: with the id it claims. */
static void refuse_unreadable(Session *s, const Message *m, const char *reason) {
        char text[200], id_hex[HEX32_MAX];
        uint8_t id[32];

        (void) snprintf(text, sizeof(text), "invalid: %s", reason);
        if (!ingest_peek(m->json.text, m->json.size, id)) {
                say_notice(s, text);
                return;
        }
        hex_encode(id, sizeof(id), id_hex);
        say_ok(s, id_hex, false, text);
}

static void on_event(Session *s, const Message *m) {
        const char *reason = "there is no memory", *refusal;
        _cleanup_(event_unrefp) Event *e = NULL;
        Seen *seen;
        int r;

        r = ingest_event(&s->hub->ingest, m->json.text, m->json.size, &seen, &reason);
        if (r >= 0 && seen->event)
                e = event_ref(seen->event);
        else if (r >= 0)
                r = ingest_again(seen, m->json.text, m->json.size, &e, &reason);
        if (r < 0) {
                refuse_unreadable(s, m, reason);
                return;
        }

        refusal = event_refusal(s, e);
        if (refusal)
                say_ok(s, event_id_hex(e), false, refusal);
        else
                session_accept(s, e);
}

/* ---- REQ, CLOSE, COUNT */

static size_t query_find(const Session *s, const char *id) {
        size_t i = 0;

        while (i < s->n_queries && !streq(s->queries[i]->id, id))
                i++;
        return i;
}

static void query_remove(Session *s, const char *id) {
        size_t i = query_find(s, id);

        if (i == s->n_queries)
                return;
        query_free(s->queries[i]);
        /* The order stays: stored events of the oldest query come first. */
        s->n_queries--;
        memmove(s->queries + i, s->queries + i + 1, (s->n_queries - i) * sizeof(Query *));
}

static void query_send(Session *s, Query *q) {
        while (q->next < q->n_hits && ws_queued(s->ws) < QUEUE_LOW && !s->overrun) {
                _cleanup_(event_unrefp) Event *e = NULL;
                const char *json;
                size_t size;

                if (shelf_event_get(s->hub->shelf, q->hits[q->next++].number, &e) < 0 ||
                                !session_may_see(s, e))
                        continue; /* deleted meanwhile, or somebody else's */
                json = event_json(e, &size);
                if (message_write_event(&s->line, q->id, json, size) >= 0)
                        session_flush(s);
        }
        if (q->next < q->n_hits)
                return;

        q->stored_done = true;
        q->hits = mfree(q->hits);
        q->next = q->n_hits = 0;
        if (message_write_eose(&s->line, q->id) >= 0)
                session_flush(s);
}

/* NULL: it is all right. */
static const char *query_parse(const Message *m, Interest *ret) {
        const char *reason = "there is no memory";

        for (size_t i = 0; i < m->n_filters; i++)
                if (interest_add(ret, m->filters[i].text, m->filters[i].size, &reason) < 0)
                        return reason;
        return NULL;
}

static void on_req(Session *s, const Message *m) {
        _cleanup_(query_freep) Query *q = new0(Query, 1);
        const char *reason = q ? query_parse(m, &q->interest) : "there is no memory";
        char text[200];
        int r;

        query_remove(s, m->subscription);
        if (reason) {
                (void) snprintf(text, sizeof(text), "invalid: %s", reason);
                say_closed(s, m->subscription, text);
                return;
        }
        if (query_is_private(&q->interest) && s->n_keys == 0) {
                say_closed(s, m->subscription,
                                "auth-required: private messages are for those they concern");
                return;
        }
        if (s->n_queries == SESSION_SUBSCRIPTIONS_MAX) {
                say_closed(s, m->subscription, "error: there are too many subscriptions");
                return;
        }

        r = shelf_event_find(s->hub->shelf, &q->interest, SESSION_LIMIT_MAX, hub_now(), &q->hits,
                        &q->n_hits);
        if (r < 0) {
                (void) snprintf(text, sizeof(text), "error: %s", sql_reason(r));
                say_closed(s, m->subscription, text);
                return;
        }
        memcpy(q->id, m->subscription, sizeof(q->id));
        s->queries[s->n_queries++] = q;
        query_send(s, TAKE_PTR(q));
}

static void on_count(Session *s, const Message *m) {
        Interest interest = {};
        ShelfHit *hits = NULL;
        const char *reason = query_parse(m, &interest);
        size_t n = 0;

        if (reason)
                say_closed(s, m->subscription, "invalid: the filter cannot be read");
        else if (query_is_private(&interest) && s->n_keys == 0)
                say_closed(s, m->subscription,
                                "auth-required: private messages are for those they concern");
        else if (shelf_event_find(s->hub->shelf, &interest, COUNT_MAX, hub_now(), &hits, &n) < 0)
                say_closed(s, m->subscription, "error: the events cannot be counted");
        else if (message_write_count(&s->line, m->subscription, n) >= 0)
                session_flush(s);
        interest_done(&interest);
        free(hits);
}

/* ---- AUTH */

static void on_auth(Session *s, const Message *m) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = "there is no memory";
        char text[200];

        if (event_parse(m->json.text, m->json.size, &e, &reason) < 0) {
                refuse_unreadable(s, m, reason);
                return;
        }
        if (nip42_check(e, s->url, s->challenge, hub_now(), &reason) < 0) {
                (void) snprintf(text, sizeof(text), "invalid: %s", reason);
                say_ok(s, event_id_hex(e), false, text);
                return;
        }
        if (!session_has_key(s, event_pubkey_hex(e))) {
                if (s->n_keys == KEYS_MAX) {
                        say_ok(s, event_id_hex(e), false, "error: there are too many keys");
                        return;
                }
                memcpy(s->keys[s->n_keys++], event_pubkey_hex(e), HEX32_MAX);
        }
        say_ok(s, event_id_hex(e), true, "");
}

/* ---- the connection */

static void on_message(_unused_ Ws *ws, const char *text, size_t size, void *userdata) {
        Session *s = userdata;
        const char *reason = "there is no memory";
        char notice[200];
        Message m;
        int r;

        r = message_parse_from_client(text, size, &m, &reason);
        if (r < 0) {
                (void) snprintf(notice, sizeof(notice), "invalid: %s",
                                r == -EOPNOTSUPP ? "this relay does not know that message"
                                                 : reason);
                say_notice(s, notice);
                return;
        }

        switch (m.type) {
        case MESSAGE_EVENT:
                on_event(s, &m);
                break;
        case MESSAGE_REQ:
                on_req(s, &m);
                break;
        case MESSAGE_CLOSE:
                query_remove(s, m.subscription);
                break;
        case MESSAGE_COUNT:
                on_count(s, &m);
                break;
        case MESSAGE_AUTH:
                on_auth(s, &m);
                break;
        case MESSAGE_OK:
        case MESSAGE_EOSE:
        case MESSAGE_CLOSED:
        case MESSAGE_NOTICE:
        case _MESSAGE_TYPE_MAX:
                assert(false); /* no client's messages: the parser knows the direction */
        }
}

static void on_dropped(_unused_ Ws *ws, int error, void *userdata) {
        say_notice(userdata, error == -EMSGSIZE ? "invalid: the message is too large"
                                                : "invalid: a message is text in UTF-8");
}

static void on_drained(_unused_ Ws *ws, void *userdata) {
        Session *s = userdata;

        for (size_t i = 0; i < s->n_queries; i++)
                if (!s->queries[i]->stored_done)
                        query_send(s, s->queries[i]);
}

static void on_open(_unused_ Ws *ws, void *userdata) {
        Session *s = userdata;

        if (message_write_challenge(&s->line, s->challenge) >= 0)
                session_flush(s);
}

static void on_closed(
                _unused_ Ws *ws, _unused_ int error, _unused_ const char *reason, void *userdata) {
        Session *s = userdata;

        s->handler->closed(s, s->userdata);
}

static const WsHandler ws_handler = {
        .open = on_open,
        .message = on_message,
        .dropped = on_dropped,
        .drained = on_drained,
        .closed = on_closed,
};

void session_show(Session *s, const Event *e) {
        const char *json;
        size_t size;

        if (!session_may_see(s, e))
                return;
        json = event_json(e, &size);
        for (size_t i = 0; i < s->n_queries && !s->overrun; i++)
                if (interest_matches(&s->queries[i]->interest, e) &&
                                message_write_event(&s->line, s->queries[i]->id, json, size) >= 0)
                        session_flush(s);
}

int session_new(Hub *hub, Ws *ws, const char *url, const SessionHandler *handler, void *userdata,
                Session **ret) {
        _cleanup_(session_freep) Session *s = NULL;
        uint8_t chance[16];
        int r;

        s = new0(Session, 1);
        if (!s)
                return -ENOMEM;
        s->hub = hub;
        s->handler = handler;
        s->userdata = userdata;
        buffer_init(&s->line, SESSION_MESSAGE_MAX + 1024);
        s->url = strdup(url);
        if (!s->url)
                return -ENOMEM;
        r = crypt_random(chance, sizeof(chance));
        if (r < 0)
                return r;

        hex_encode(chance, sizeof(chance), s->challenge);
        s->ws = ws;
        ws_set_handler(ws, &ws_handler, s);
        *ret = TAKE_PTR(s);
        return 0;
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;

        for (Saving *v = s->saving; v; v = v->next)
                v->session = NULL;
        while (s->n_queries > 0)
                query_free(s->queries[--s->n_queries]);
        ws_free(s->ws);
        buffer_done(&s->line);
        free(s->url);
        return mfree(s);
}
