/* Watch: what happens on Nostr and concerns one of our agents. Storms end here: of each sender and
 * for each agent only so much is taken up, the rest is counted and left out. */
#include "watch.h"

#include <stdio.h>

#include "approve.h"
#include "basic/json.h"
#include "basic/log.h"
#include "basic/text.h"
#include "client/inbox.h"
#include "trigger.h"

#define NOTES            "agents"
#define WRAPS            "agents-wraps" /* back-dated by days, so they have a watermark of their own */
#define FILTERS_MAX      32             /* of one subscription */
#define CHUNK            250            /* keys in one filter */
#define SIGHTS_MAX       8192           /* that are being opened or written */
#define SENDERS_MAX      16384          /* whose pace is remembered */
#define SENDER_AT_ONCE   10
#define AGENT_PER_HOUR   1200 /* observations of one agent, whoever sent them */
#define AGENT_AT_ONCE    200
#define ZAP_KNOWN        (24 * 3600) /* seconds until a server is asked again for its key */
#define ZAP_UNKNOWN      600
#define AGAIN_USEC       (5 * SEC)
#define RESUBSCRIBE_USEC (50 * MSEC) /* agents come in flocks */

typedef struct Sender {
        uint8_t key[64]; /* agent and author */
        Pace pace;
} Sender;

/* One event that is looked at for the sake of one agent. */
typedef struct Sight {
        Watch *watch;
        struct Sight *prev, *next;
        HostAgent *agent;
        Event *event;
        struct Arrival *arrival;
        TriggerFound found;
        char id[OBSERVATION_ID_MAX];
        SignerCall *opening;
        AgentsCall *writing;
        WalletCall *checking;
        sd_event_source *again;
} Sight;

/* What the relay waits to hear of: a subscription's events, and how many agents look at each. */
typedef struct Stream {
        const char *name;
        Inbox inbox;
        unsigned generation; /* how often the relay has counted anew */
        char *filters;
} Stream;

typedef struct Arrival {
        Stream *stream;
        unsigned generation;
        uint64_t seq;
        size_t n_open;
} Arrival;

struct Watch {
        Agents *agents;
        Stream notes, wraps;
        Sight *sights;
        size_t n_sights;
        Map senders;
        sd_event_source *resubscribe;
};

/* ---- acknowledging */

/* One less looks at it; the last one acknowledges it, if all have dealt with it. */
static void arrival_end(Watch *w, Arrival *a, bool done) {
        Stream *st = a->stream;
        uint64_t up_to;

        if (--a->n_open > 0)
                return;
        up_to = done && a->generation == st->generation ? inbox_finish(&st->inbox, a->seq) : 0;
        if (up_to > 0)
                relay_client_acknowledge(market_relay(w->agents->host->market), st->name, up_to);
        free(a);
}

static void sight_free(Sight *s, bool done) {
        Arrival *a = s->arrival;
        Watch *w = s->watch;

        *(s->prev ? &s->prev->next : &w->sights) = s->next;
        if (s->next)
                s->next->prev = s->prev;
        w->n_sights--;
        s->opening = signer_call_free(s->opening);
        s->writing = agents_call_free(s->writing);
        s->checking = wallet_call_free(s->checking);
        s->again = sd_event_source_disable_unref(s->again);
        trigger_found_done(&s->found);
        s->event = event_unref(s->event);
        free(s);
        arrival_end(w, a, done);
}

/* Dealt with, whatever came of it. */
static void sight_end(Sight *s) {
        sight_free(s, true);
}

/* ---- storms */

static void left_out(HostAgent *a) {
        AgentWork *w = a->work;

        w->n_left_out++;
        if (w->storm)
                return;
        w->storm = true;
        log_event(LOG_WARNING, LOG_ID_AGENT_STORM, LOG_FIELDS("PYLON_AGENT", a->name),
                        "More is said to agent %s than it may look at; the rest is left out.",
                        a->name);
}

static void senders_forget(Watch *w, int64_t now_ms) {
        Sender *old[256], *s;
        size_t n;

        do {
                n = 0;
                MAP_FOREACH (s, &w->senders)
                        if (s->pace.due <= now_ms && n < ELEMENTSOF(old))
                                old[n++] = s;
                for (size_t i = 0; i < n; i++) {
                        (void) map_remove(&w->senders, old[i]->key, sizeof(old[i]->key));
                        free(old[i]);
                }
        } while (n == ELEMENTSOF(old));
}

/* Where all places are taken by others who send much, a new one has to wait. */
static Sender *sender_of(Watch *w, const HostAgent *a, const char *author, int64_t now_ms) {
        uint8_t key[64];
        Sender *s;

        memcpy(key, a->work->pubkey, 32);
        if (hex_decode(author, key + 32, 32) < 0)
                return NULL;
        s = map_get(&w->senders, key, sizeof(key));
        if (s)
                return s;
        if (map_size(&w->senders) >= SENDERS_MAX)
                senders_forget(w, now_ms);
        s = new0(Sender, 1);
        if (!s)
                return NULL;
        memcpy(s->key, key, sizeof(key));
        if (map_put(&w->senders, s->key, sizeof(s->key), s) < 0)
                return mfree(s);
        return s;
}

static bool may_look(Watch *w, HostAgent *a, const char *author) {
        int64_t now_ms = agents_now_ms(w->agents);
        Sender *s;

        if (streq(author, a->settings->owner_hex))
                return true;
        s = sender_of(w, a, author, now_ms);
        if (s && pace_take(&s->pace, a->settings->sender_per_hour, SENDER_AT_ONCE, now_ms))
                return true;
        left_out(a);
        return false;
}

/* Before anything is opened or written for it. */
static bool may_arrive(Watch *w, HostAgent *a) {
        AgentWork *work = a->work;

        if (w->n_sights < SIGHTS_MAX && pace_take(&work->arrivals, AGENT_PER_HOUR, AGENT_AT_ONCE,
                                                        agents_now_ms(w->agents))) {
                if (work->storm && pace_wait(&work->arrivals, AGENT_PER_HOUR, AGENT_AT_ONCE / 2,
                                                   agents_now_ms(w->agents)) == 0)
                        work->storm = false;
                return true;
        }
        left_out(a);
        return false;
}

/* ---- writing down */

static TriggerView view_of(const HostAgent *a) {
        return (TriggerView){ a->work->pubkey, a->pubkey_hex, a->settings,
                service_config(a->host->service)->network, (const uint8_t(*)[32]) a->work->muted,
                a->work->n_muted };
}

static void write_down(Sight *s);

static int on_again(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Sight *s = userdata;

        s->again = sd_event_source_disable_unref(s->again);
        write_down(s);
        return 0;
}

/* Until it is on disk it is not acknowledged; a full relay window makes the relay wait. */
static void write_again(Sight *s, const char *reason) {
        log_warning("What happened to agent %s could not be written down: %s.", s->agent->name,
                        reason);
        if (sd_event_add_time_relative(s->watch->agents->event, &s->again, CLOCK_BOOTTIME,
                            AGAIN_USEC, AGAIN_USEC / 4, on_again, s) < 0)
                sight_free(s, false);
}

static void on_written(int verdict, const char *text, void *userdata) {
        Sight *s = userdata;

        if (verdict < 0 && verdict != -EINVAL && verdict != -EILSEQ && verdict != -ENOENT) {
                write_again(s, text);
                return;
        }
        if (verdict < 0)
                log_debug("An observation was refused: %s.", text);
        if (verdict == 0)
                host_agent_wake(s->agent, s->found.what);
        sight_end(s);
}

static void write_down(Sight *s) {
        Observation o = { s->id, s->found.what, s->found.author, s->found.text, s->found.event,
                s->found.msat, s->found.at };
        int r;

        r = agents_observe(
                        s->watch->agents->store, s->agent->npub, &o, 1, on_written, s, &s->writing);
        if (r < 0)
                write_again(s, strerror(-r));
}

/* Of this sender, at his pace. */
static void take_up(Sight *s) {
        if (may_look(s->watch, s->agent, s->found.author))
                write_down(s);
        else
                sight_end(s);
}

static void on_opened(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        TriggerVerdict verdict = TRIGGER_NOTHING;
        Sight *s = userdata;
        TriggerView v;

        if (error < 0 || n != 1 || results->error < 0) {
                log_debug("A message to an agent could not be read: %s.",
                                reason
                                                ?: n == 1 ? results->reason
                                                          : "");
                sight_end(s);
                return;
        }
        v = view_of(s->agent);
        if (results->rumor) {
                (void) snprintf(s->id, sizeof(s->id), "%s", rumor_id_hex(results->rumor));
                error = trigger_read_rumor(results->rumor, &v, &s->found, &verdict);
        } else
                error = trigger_read_dm(event_pubkey_hex(s->event), results->text,
                                event_created_at(s->event), &v, &s->found, &verdict);
        if (error < 0 || verdict != TRIGGER_SEEN ||
                        (results->rumor && approve_hear(s->agent, s->found.author, s->found.text)))
                sight_end(s);
        else
                take_up(s);
}

/* ---- zaps */

static void judge_zap(Sight *s) {
        if (streq(s->found.server, s->agent->work->zap_server))
                take_up(s);
        else
                sight_end(s);
}

static void on_server(int error, const char *reason, const WalletLnurl *lnurl, void *userdata) {
        Sight *s = userdata;
        AgentWork *w = s->agent->work;

        w->zap_asked_at = agents_now(s->watch->agents);
        w->zap_known = error >= 0;
        (void) snprintf(w->zap_server, sizeof(w->zap_server), "%s",
                        error >= 0 ? lnurl->nostr_pubkey : "");
        if (error < 0)
                log_info("Who signs the receipts of zaps for agent %s is not known: %s.",
                                s->agent->name, reason);
        judge_zap(s);
}

/* Whose receipts count says the owner, or the server of the agent's own address. Strangers cannot
 * make us ask it often. */
static void check_zap(Sight *s) {
        const AgentSettings *settings = s->agent->settings;
        int64_t age = agents_now(s->watch->agents) - s->agent->work->zap_asked_at;
        AgentWork *w = s->agent->work;

        if (*settings->zap_key)
                (void) snprintf(w->zap_server, sizeof(w->zap_server), "%s", settings->zap_key);
        else if (*settings->lud16 && (age < 0 || age > (w->zap_known ? ZAP_KNOWN : ZAP_UNKNOWN)) &&
                        wallet_lnurl(s->watch->agents->wallet, settings->lud16, on_server, s,
                                        &s->checking) >= 0)
                return;
        judge_zap(s);
}

static void open_seal(Sight *s) {
        Agents *agents = s->watch->agents;
        const char *text = event_content(s->event, NULL);
        int r;

        if (event_kind(s->event) == 1059)
                r = signer_unwrap(agents->signer, s->agent->key, &s->event, 1, on_opened, s,
                                &s->opening);
        else
                r = signer_decrypt(agents->signer, s->agent->key,
                                &(SignerText){ .peer = event_pubkey_hex(s->event), .text = text },
                                1, on_opened, s, &s->opening);
        if (r < 0) {
                left_out(s->agent);
                sight_end(s);
        }
}

/* ---- looking */

static void look(Watch *w, HostAgent *a, Event *e, bool named, Arrival *arrival) {
        TriggerFound found = { 0 };
        TriggerView v = view_of(a);
        TriggerVerdict verdict;
        Sight *s;

        if (trigger_read(e, named, &v, &found, &verdict) < 0 || verdict == TRIGGER_NOTHING ||
                        !may_arrive(w, a)) {
                trigger_found_done(&found);
                return;
        }
        s = new0(Sight, 1);
        if (!s) {
                trigger_found_done(&found);
                return;
        }
        *s = (Sight){ .watch = w,
                .next = w->sights,
                .agent = a,
                .event = event_ref(e),
                .arrival = arrival,
                .found = found };
        (void) snprintf(s->id, sizeof(s->id), "%s%s", *found.hash ? "zap:" : "",
                        *found.hash ? found.hash : event_id_hex(e));
        if (s->next)
                s->next->prev = s;
        w->sights = s;
        w->n_sights++;
        arrival->n_open++;
        if (verdict == TRIGGER_SEALED)
                open_seal(s);
        else if (*s->found.server)
                check_zap(s);
        else
                take_up(s);
}

static void look_for_named(Watch *w, Event *e, Arrival *arrival) {
        for (const Tag *t = NULL; (t = event_find_tag(e, "p", t));) {
                uint8_t key[32];
                HostAgent *a;

                if (hex_decode(t->values[1], key, 32) < 0)
                        continue;
                a = agents_by_pubkey(w->agents, key);
                /* Named twice is named once. */
                for (const Tag *u = NULL; a && (u = event_find_tag(e, "p", u)) && u != t;)
                        if (streq(u->values[1], t->values[1]))
                                a = NULL;
                if (a)
                        look(w, a, e, true, arrival);
        }
}

static void look_for_keywords(Watch *w, Event *e, Arrival *arrival) {
        for (size_t i = 0; i < w->agents->n_agents; i++) {
                HostAgent *a = w->agents->list[i];

                if (a->settings->keywords && *a->settings->keywords &&
                                !event_has_tag(e, "p", a->pubkey_hex))
                        look(w, a, e, false, arrival);
        }
}

static void take_one(Watch *w, Stream *st, const RelayEvent *re) {
        Arrival *a;
        int r;

        r = inbox_add(&st->inbox, re->seq);
        if (r == 1)
                st->generation++;
        a = r < 0 ? NULL : new0(Arrival, 1);
        if (!a)
                return; /* it comes again */
        *a = (Arrival){ st, st->generation, re->seq, 1 };
        look_for_named(w, re->event, a);
        if (event_kind(re->event) == 1)
                look_for_keywords(w, re->event, a);
        arrival_end(w, a, true);
}

bool watch_take(Watch *w, const char *name, const RelayEvent *events, size_t n) {
        Stream *st = streq(name, NOTES) ? &w->notes : streq(name, WRAPS) ? &w->wraps : NULL;

        for (size_t i = 0; st && i < n; i++)
                take_one(w, st, events + i);
        return st;
}

/* ---- subscribing */

static int add_keys(Buffer *b, const Agents *s, size_t first, size_t n) {
        int r;

        r = buffer_add_string(b, "\"#p\":[");
        for (size_t i = first; r >= 0 && i < first + n; i++)
                r = buffer_addf(b, "%s\"%s\"", i > first ? "," : "", s->list[i]->pubkey_hex);
        return r < 0 ? r : buffer_add_string(b, "]}");
}

static int add_filter(char ***filters, Buffer *b) {
        int r;

        r = strv_add(filters, b->data);
        buffer_clear(b);
        return r;
}

/* Filters that name the agents, a chunk of them in each. */
static int named_filters(const Agents *s, const char *kinds, char ***ret) {
        size_t chunk = MAX((size_t) CHUNK, s->n_agents / (FILTERS_MAX - 2) + 1);
        _cleanup_buffer_ Buffer b = { .max = 1 << 20 };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < s->n_agents; i += chunk) {
                r = buffer_addf(&b, "{\"kinds\":[%s],", kinds);
                if (r >= 0)
                        r = add_keys(&b, s, i, MIN(chunk, s->n_agents - i));
                if (r >= 0)
                        r = add_filter(ret, &b);
        }
        return r;
}

static int add_hashtag(Buffer *b, const char *tag) {
        _cleanup_free_ char *lower = strdup(tag);
        int r;

        if (!lower)
                return -ENOMEM;
        for (char *p = lower; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        r = b->size > 0 ? buffer_add_string(b, ",") : 0;
        return r < 0 ? r : json_write_string(b, lower, strlen(lower));
}

/* Hashtags are asked for; for any other word every note is. */
static int keyword_filters(const Agents *s, char ***ret) {
        _cleanup_buffer_ Buffer tags = { .max = 64 * 1024 }, b = { .max = 80 * 1024 };
        bool all = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < s->n_agents; i++) {
                const AgentSettings *settings = s->list[i]->settings;

                if (!strv_contains(settings->triggers, "keyword"))
                        continue;
                STRV_FOREACH (word, settings->keywords)
                        if (r >= 0 && **word == '#')
                                r = add_hashtag(&tags, *word + 1);
                        else
                                all = true;
        }
        if (r < 0 && r != -ENOBUFS)
                return r;
        if (all || r == -ENOBUFS)
                return strv_add(ret, "{\"kinds\":[1]}");
        if (tags.size == 0)
                return 0;
        r = buffer_addf(&b, "{\"kinds\":[1],\"#t\":[%s]}", tags.data);
        return r < 0 ? r : strv_add(ret, b.data);
}

static int join(char *const *filters, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = 4 << 20 };
        int r = 0;

        STRV_FOREACH (f, filters)
                if (r >= 0)
                        r = buffer_addf(&b, "%s\n", *f);
        if (r < 0)
                return r;
        *ret = b.size > 0 ? buffer_take(&b, NULL) : strdup("");
        return *ret ? 0 : -ENOMEM;
}

/* Only where it is another one: a subscription that is renewed asks relays again. */
static int stream_subscribe(Watch *w, Stream *st, char *const *filters) {
        RelayClient *relay = market_relay(w->agents->host->market);
        char *text;
        int r;

        r = join(filters, &text);
        if (r < 0)
                return r;
        if (st->filters && streq(st->filters, text)) {
                free(text);
                return 0;
        }
        if (filters && *filters)
                r = relay_client_subscribe(relay, st->name, (const char *const *) filters, NULL);
        else if (st->filters && *st->filters)
                r = relay_client_unsubscribe(relay, st->name, false);
        free(st->filters);
        st->filters = text;
        return r;
}

static int watch_subscribe(Watch *w) {
        _cleanup_strv_ char **notes = NULL, **wraps = NULL;
        int r;

        r = named_filters(w->agents, "1,4,1111,9735", &notes);
        if (r >= 0)
                r = keyword_filters(w->agents, &notes);
        if (r >= 0)
                r = named_filters(w->agents, "1059", &wraps);
        if (r >= 0)
                r = stream_subscribe(w, &w->notes, notes);
        if (r >= 0)
                r = stream_subscribe(w, &w->wraps, wraps);
        return r;
}

static int on_resubscribe(
                _unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Watch *w = userdata;
        int r;

        w->resubscribe = sd_event_source_disable_unref(w->resubscribe);
        r = watch_subscribe(w);
        if (r < 0)
                (void) log_error_errno(r, "Agents do not hear of what happens: %m");
        return 0;
}

void watch_changed(Watch *w) {
        if (w->resubscribe || !w->agents->loaded)
                return;
        if (sd_event_add_time_relative(w->agents->event, &w->resubscribe, CLOCK_BOOTTIME,
                            RESUBSCRIBE_USEC, RESUBSCRIBE_USEC / 2, on_resubscribe, w) < 0)
                log_error("No timer is left; agents do not hear of what happens.");
}

void watch_drop_agent(Watch *w, const HostAgent *a) {
        for (Sight *s = w->sights, *next; s; s = next) {
                next = s->next;
                if (s->agent == a)
                        sight_end(s);
        }
}

int watch_new(Agents *s, Watch **ret) {
        Watch *w = new0(Watch, 1);

        if (!w)
                return -ENOMEM;
        w->agents = s;
        w->notes.name = NOTES;
        w->wraps.name = WRAPS;
        map_init(&w->senders, SENDERS_MAX);
        *ret = w;
        return 0;
}

Watch *watch_free(Watch *w) {
        Sender *s;

        if (!w)
                return NULL;
        while (w->sights)
                sight_free(w->sights, false);
        w->resubscribe = sd_event_source_disable_unref(w->resubscribe);
        MAP_FOREACH (s, &w->senders)
                free(s);
        map_done(&w->senders);
        free(w->notes.filters);
        free(w->wraps.filters);
        return mfree(w);
}
