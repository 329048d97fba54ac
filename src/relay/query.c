#include "query.h"

#include <stdio.h>

#include "basic/text.h"
#include "bus/text.h"
#include "upstream-private.h"

#define ASKING_MAX      16 /* relays do not like many at a time: the others wait for their turn */
#define QUERIES_MAX     256
#define LIMIT_DEFAULT   100
#define TIMEOUT_DEFAULT (10 * SEC)
#define TIMEOUT_MAX     MIN_
#define BYTES_MAX       (8 * 1024 * 1024) /* of all events of one query */
#define PARTS_MAX       OUTBOX_RELAYS_MAX
#define ID_SIZE         16

typedef enum PartState {
        PART_WAITING, /* for the connection */
        PART_ASKED,
        PART_AUTH, /* waits until the relay knows who we are */
        PART_DONE, /* the upstream may be gone */
} PartState;

typedef struct Part {
        Upstream *upstream;
        PartState state;
        unsigned n; /* events, good or not */
        char *url, *error;
} Part;

typedef struct Found {
        Event *event;
        const char *url;
} Found;

struct Query {
        Hub *hub;
        Query *next;
        char id[ID_SIZE]; /* of the subscription at each relay */
        sd_bus_message *call;
        query_found_t on_found; /* instead of a call */
        void *userdata;
        sd_event_source *timer;
        Interest interest;
        char **filters; /* as they are sent */
        unsigned limit;
        Part parts[PARTS_MAX];
        size_t n_parts, n_open;
        bool asking; /* it is its turn */
        Found *found;
        size_t n_found, bytes;
        Map ids;
};

static Query *query_free(Query *q) {
        if (!q)
                return NULL;

        for (size_t i = 0; i < q->n_parts; i++) {
                free(q->parts[i].url);
                free(q->parts[i].error);
        }
        for (size_t i = 0; i < q->n_found; i++)
                event_unref(q->found[i].event);
        free(q->found);
        map_done(&q->ids);
        interest_done(&q->interest);
        strv_free(q->filters);
        sd_event_source_disable_unref(q->timer);
        sd_bus_message_unref(q->call);
        return mfree(q);
}
DEFINE_CLEANUP(Query, query_free)

static void query_unlink(Query *q) {
        for (Query **p = &q->hub->queries; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        q->hub->n_queries--;
                        q->hub->n_asking -= q->asking;
                        return;
                }
}

void query_free_all(Hub *h) {
        while (h->queries) {
                Query *q = h->queries;

                query_unlink(q);
                query_free(q);
        }
}

/* ---- the answer */

/* NIP-01: the newest first, and of one second the lowest id. */
static int compare_found(const void *a, const void *b) {
        const Event *x = ((const Found *) a)->event, *y = ((const Found *) b)->event;

        if (event_created_at(x) != event_created_at(y))
                return event_created_at(x) < event_created_at(y) ? 1 : -1;
        return memcmp(event_id(x), event_id(y), 32);
}

static int append_found(sd_bus_message *m, const Found *f) {
        _cleanup_free_ char *owned = NULL;
        const char *json;
        int r;

        r = bus_text_json(event_json(f->event, NULL), &owned, &json);
        return r < 0 ? r : sd_bus_message_append(m, "(ss)", f->url, json);
}

static int append_silent(sd_bus_message *m, const Query *q) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; i < q->n_parts && r >= 0; i++)
                if (q->parts[i].error)
                        r = sd_bus_message_append(m, "(ss)", q->parts[i].url,
                                        bus_text_or(q->parts[i].error,
                                                        "its words cannot be shown"));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Nothing was found, and nobody said so. */
static bool nobody_answered(const Query *q) {
        for (size_t i = 0; i < q->n_parts; i++)
                if (!q->parts[i].error)
                        return false;
        return q->n_found == 0;
}

static void query_sort(Query *q) {
        if (q->n_found > 1)
                qsort(q->found, q->n_found, sizeof(*q->found), compare_found);
}

static void query_hand_over(Query *q) {
        _cleanup_free_ Event **events = new0(Event *, q->n_found + 1);

        query_sort(q);
        for (size_t i = 0; events && i < q->n_found; i++)
                events[i] = q->found[i].event;
        q->on_found(q->hub, events, events ? q->n_found : 0, q->userdata);
}

static int query_answer(Query *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (q->on_found) {
                query_hand_over(q);
                return 0;
        }
        if (nobody_answered(q))
                return sd_bus_reply_method_errorf(q->call, BUS_ERROR_NOT_REACHABLE,
                                "No relay answered; %s: %s.", q->parts[0].url,
                                bus_text_or(q->parts[0].error, "its words cannot be shown"));
        query_sort(q);
        r = sd_bus_message_new_method_return(q->call, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; i < MIN(q->n_found, q->limit) && r >= 0; i++)
                r = append_found(m, &q->found[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = append_silent(m, q);
        return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

/* ---- one relay */

static int part_close(const Query *q, Upstream *u) {
        int r;

        r = message_write_close(&u->line, q->id);
        return r < 0 ? r : upstream_write(u);
}

/* The answer goes out from the event loop: whoever calls this is in the middle of something. */
static void part_done(Query *q, Part *p, const char *error) {
        if (error)
                p->error = strndup(error, strnlen(error, 200)); /* without memory: not said */
        p->state = PART_DONE;
        if (--q->n_open == 0)
                (void) sd_event_source_set_time_relative(q->timer, 0);
}

static void part_ask(Query *q, Part *p) {
        Upstream *u = p->upstream;
        int r;

        r = message_write_req(
                        &u->line, q->id, (const char *const *) q->filters, strv_length(q->filters));
        if (r >= 0)
                r = upstream_write(u);
        if (r < 0) {
                buffer_clear(&u->line);
                part_done(q, p, "the query did not fit into the connection");
                return;
        }
        p->state = PART_ASKED;
}

static void part_start(Query *q, Part *p) {
        Upstream *u = p->upstream;

        if (upstream_is_down(u))
                part_done(q, p, isempty(upstream_error(u)) ? "it is down" : upstream_error(u));
        else if (upstream_state(u) == UPSTREAM_UP)
                part_ask(q, p);
        else
                upstream_wanted(u);
}

static Part *part_of(Query *q, const Upstream *u) {
        for (Part *p = q->parts; p < q->parts + q->n_parts; p++)
                if (p->state != PART_DONE && p->upstream == u)
                        return p;
        return NULL;
}

static Part *part_asked(Upstream *u, const char *id, Query **ret) {
        for (Query *q = u->hub->queries; q; q = q->next) {
                Part *p = streq(q->id, id) ? part_of(q, u) : NULL;

                if (p && p->state == PART_ASKED) {
                        *ret = q;
                        return p;
                }
        }
        return NULL;
}

bool query_uses(const Hub *h, const Upstream *u) {
        for (Query *q = h->queries; q; q = q->next)
                if (part_of(q, u))
                        return true;
        return false;
}

void query_up(Upstream *u) {
        for (Query *q = u->hub->queries; q; q = q->next) {
                Part *p = q->asking ? part_of(q, u) : NULL;

                if (p && p->state != PART_ASKED)
                        part_ask(q, p);
        }
}

void query_lost(Upstream *u, const char *reason) {
        for (Query *q = u->hub->queries; q; q = q->next) {
                Part *p = q->asking ? part_of(q, u) : NULL;

                if (p)
                        part_done(q, p, reason);
        }
}

/* ---- what it says */

static int query_add(Query *q, const Part *p, Event *e, size_t size) {
        Found *found;
        int r;

        found = reallocarray(q->found, q->n_found + 1, sizeof(*found));
        if (!found)
                return -ENOMEM;
        q->found = found;
        r = map_put(&q->ids, event_id(e), 32, e);
        if (r < 0)
                return r;
        q->found[q->n_found++] = (Found){ event_ref(e), p->url };
        q->bytes += size;
        return 0;
}

static HubVerdict query_take(Query *q, Part *p, const char *json, size_t size) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;
        uint8_t id[32];

        if (p->n++ >= q->limit * q->interest.n)
                return HUB_NOISE; /* more than the limits of all filters allow */
        if (ingest_peek(json, size, id) && map_get(&q->ids, id, sizeof(id)))
                return HUB_KNOWN;
        if (q->bytes + size > BYTES_MAX)
                return HUB_KNOWN; /* left out, and not its fault */
        if (event_parse(json, size, &e, &reason) < 0)
                return HUB_BAD;
        if (!interest_matches(&q->interest, e))
                return HUB_UNASKED;
        return query_add(q, p, e, size) < 0 ? HUB_KNOWN : HUB_NEW;
}

bool query_event(Upstream *u, const Message *m, HubVerdict *ret) {
        Query *q;
        Part *p = part_asked(u, m->subscription, &q);

        if (p)
                *ret = query_take(q, p, m->json.text, m->json.size);
        return p;
}

bool query_end_of_stored(Upstream *u, const Message *m) {
        Query *q;
        Part *p = part_asked(u, m->subscription, &q);

        if (!p)
                return false;
        (void) part_close(q, u); /* the connection ends else */
        part_done(q, p, NULL);
        return true;
}

bool query_closed(Upstream *u, const Message *m) {
        Query *q;
        Part *p = part_asked(u, m->subscription, &q);

        if (!p)
                return false;
        if (answer_meaning(false, m->text) == ANSWER_AUTH && u->auth != AUTH_DONE) {
                p->state = PART_AUTH;
                auth_start(u);
        } else
                part_done(q, p, isempty(m->text) ? "it does not answer this query" : m->text);
        return true;
}

/* ---- the whole */

static void query_ask(Query *q) {
        q->asking = true;
        q->hub->n_asking++;
        for (Part *p = q->parts; p < q->parts + q->n_parts; p++)
                part_start(q, p);
}

/* The oldest is the last of the list. */
static void query_next(Hub *h) {
        Query *oldest = NULL;

        for (Query *q = h->queries; q; q = q->next)
                if (!q->asking && q->n_open > 0)
                        oldest = q;
        if (oldest && h->n_asking < ASKING_MAX)
                query_ask(oldest);
}

static int on_end(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Query *q = userdata;
        Hub *h = q->hub;
        int r;

        for (Part *p = q->parts; p < q->parts + q->n_parts; p++) {
                Upstream *u = p->upstream;

                if (p->state == PART_DONE)
                        continue;
                if (p->state == PART_ASKED)
                        (void) part_close(q, u); /* the connection ends else */
                part_done(q, p,
                                isempty(upstream_error(u)) ? "it did not answer in time"
                                                           : upstream_error(u));
        }
        r = query_answer(q);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(
                                q->call, -r, "The events could not be handed over: %m");
        query_unlink(q);
        for (Part *p = q->parts; p < q->parts + q->n_parts; p++)
                for (size_t i = 0; i < h->n_upstreams; i++)
                        if (h->upstreams[i] == p->upstream)
                                upstream_wanted(p->upstream); /* perhaps it is not any more */
        query_free(q);
        query_next(h);
        return 0;
}

static int query_add_filter(Query *q, const char *json, const char **reterr) {
        _cleanup_buffer_ Buffer b = { .max = FILTER_SIZE_MAX * 2 };
        Filter *f;
        int r;

        r = interest_add(&q->interest, json, strlen(json), reterr);
        if (r < 0)
                return r;
        f = q->interest.filters[q->interest.n - 1];
        if (f->nothing) {
                *reterr = "a list in a filter is empty";
                return -EINVAL;
        }
        f->limit = f->limit < 0 ? q->limit : MIN(f->limit, (int64_t) q->limit);
        r = filter_write(f, &b);
        return r < 0 ? r : strv_add(&q->filters, b.data);
}

static int query_add_filters(Query *q, char **filters, const char **reterr) {
        int r = 0;

        if (strv_length(filters) == 0 || strv_length(filters) > QUERY_FILTERS_MAX) {
                *reterr = "it has no filter, or too many";
                return -EINVAL;
        }
        STRV_FOREACH (f, filters) {
                r = query_add_filter(q, *f, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int query_add_part(Query *q, const char *url, const char **reterr) {
        Part *p = q->parts + q->n_parts;
        Upstream *u;
        int r;

        r = hub_upstream(q->hub, url, &u, reterr);
        if (r < 0)
                return r;
        if (part_of(q, u))
                return 0;
        if (q->n_parts == PARTS_MAX) {
                *reterr = "these are too many relays";
                return -EINVAL;
        }
        p->url = strdup(upstream_url(u));
        if (!p->url)
                return -ENOMEM;
        p->upstream = u;
        q->n_parts++;
        q->n_open++;
        return 0;
}

static int query_add_parts(Query *q, char **urls, const char **reterr) {
        int r;

        STRV_FOREACH (url, urls) {
                r = query_add_part(q, *url, reterr);
                if (r < 0)
                        return r;
        }
        if (q->n_parts > 0)
                return 0;
        *reterr = "there is no relay to ask";
        return -EINVAL;
}

static int query_fill(Query *q, const QueryInfo *info, const char **reterr) {
        Hub *h = q->hub;
        usec_t timeout = info->timeout_ms > 0 ? info->timeout_ms * MSEC : TIMEOUT_DEFAULT;
        int r;

        q->limit = MIN(info->limit > 0 ? info->limit : LIMIT_DEFAULT, (uint32_t) QUERY_LIMIT_MAX);
        q->call = sd_bus_message_ref(info->call);
        q->on_found = info->found;
        q->userdata = info->userdata;
        map_init(&q->ids, (size_t) QUERY_LIMIT_MAX * QUERY_FILTERS_MAX * PARTS_MAX);
        (void) snprintf(q->id, sizeof(q->id), "q%u", ++h->query_serial);
        r = query_add_filters(q, info->filters, reterr);
        if (r >= 0)
                r = query_add_parts(q, strv_length(info->urls) > 0 ? info->urls : h->configured,
                                reterr);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(h->event, &q->timer, CLOCK_MONOTONIC,
                        MIN(timeout, TIMEOUT_MAX), 10 * MSEC, on_end, q);
}

int query_start(Hub *h, const QueryInfo *info, const char **reterr) {
        _cleanup_(query_freep) Query *q = NULL;
        int r;

        if (h->n_queries == QUERIES_MAX)
                return -EBUSY;
        *reterr = "there is no memory";
        q = new0(Query, 1);
        if (!q)
                return -ENOMEM;
        q->hub = h;
        q->next = h->queries; /* from here on its relays are in use */
        h->queries = q;
        h->n_queries++;
        r = query_fill(q, info, reterr);
        if (r < 0) {
                query_unlink(q);
                return r;
        }
        (void) sd_event_source_set_description(q->timer, "query");
        if (h->n_asking < ASKING_MAX)
                query_ask(q);
        TAKE_PTR(q);
        return 0;
}
