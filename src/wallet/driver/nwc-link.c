#include "nwc-link.h"

#include <stdio.h>

#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/text.h"
#include "client/relay-query.h"

#define INFO_USEC (5 * SEC) /* for the wallet's announcement */
#define LIVE_USEC (5 * SEC) /* a relay that never says EOSE is believed to be up */
#define REQUEST_LIVES \
        (6 * 3600) /* seconds; the tag `expiration` of what is no payment is shorter */
#define QUESTION_LIVES 60
#define ACCURACY       (50 * MSEC)

typedef enum AskState { ASK_WAITING, ASK_SENT, _ASK_STATE_MAX } AskState;

struct NwcAsk {
        NwcLink *link;
        NwcAsk *prev, *next, **handle;
        AskState state;
        Nip47Method method;
        char *request_json; /* of the message, until it is signed */
        Event *event;
        sd_event_source *deadline;
        RelayPublish *publishing;
        nwc_answer_t done;
        nwc_signed_t prepared;
        void *userdata;
};

struct NwcLink {
        sd_event *event;
        Nip47Uri uri;
        Keypair *client;
        char wallet_hex[HEX32_MAX], client_hex[HEX32_MAX];
        char answers[24], news[32]; /* the names of its subscriptions */
        RelayClient *relay;
        RelayQuery *query;
        sd_event_source *timer; /* EOSE does not come */
        sd_event_source *turn;  /* what waits is sent from the loop, not from a callback */
        bool live, scheme_known, info_found, told_up;
        Nip47Scheme scheme;
        NwcAsk *asks;
        size_t n_asks;
        const NwcHandler *handler;
        void *userdata;
};

static int64_t link_now(const NwcLink *l) {
        uint64_t usec = 0;

        (void) sd_event_now(l->event, CLOCK_REALTIME, &usec);
        return (int64_t) (usec / SEC);
}

static const char *const *link_relays(const NwcLink *l) {
        return (const char *const *) l->uri.relays;
}

/* ---- up and down */

static bool link_is_up(const NwcLink *l) {
        return l->live && l->scheme_known;
}

static void link_want_turn(NwcLink *l) {
        if (link_is_up(l) && l->asks)
                (void) sd_event_source_set_enabled(l->turn, SD_EVENT_ONESHOT);
}

static void link_tell(NwcLink *l, const char *reason) {
        if (l->told_up == link_is_up(l))
                return;
        l->told_up = link_is_up(l);
        if (l->handler->state)
                l->handler->state(l->told_up, reason, l->userdata);
        link_want_turn(l);
}

/* NIP-44 where it is offered or where nothing was found to say otherwise: a wallet that knows it
 * not says so in words that we can read. */
static void on_info(int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        NwcLink *l = userdata;
        const Event *newest = NULL;
        Nip47Info info;

        if (error < 0)
                log_debug("The wallet's announcement was not found: %s.", reason);
        for (size_t i = 0; error >= 0 && i < n; i++)
                if (event_kind(events[i]) == NIP47_INFO_KIND &&
                                memory_equal(event_pubkey(events[i]), l->uri.wallet, 32) &&
                                (!newest || event_created_at(events[i]) > event_created_at(newest)))
                        newest = events[i];
        if (newest) {
                nip47_info_parse(newest, &info);
                l->scheme = info.nip44 ? NIP47_NIP44 : NIP47_NIP04;
        }
        l->info_found = newest;
        l->scheme_known = true;
        link_tell(l, "");
}

static void link_look_for_info(NwcLink *l) {
        char filter[160];
        const char *const filters[] = { filter, NULL };
        RelayQuestion q = {
                .filters = filters,
                .relays = link_relays(l),
                .limit = 1,
                .timeout = INFO_USEC,
        };

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"authors\":[\"%s\"]}",
                        NIP47_INFO_KIND, l->wallet_hex);
        if (relay_client_query(l->relay, &q, on_info, l, &l->query) < 0)
                l->scheme_known = true;
}

/* Without it we may speak in a way which the wallet does not understand. */
static void link_look_again(NwcLink *l) {
        if (!l->info_found && !l->query)
                link_look_for_info(l);
}

/* ---- questions */

NwcAsk *nwc_ask_free(NwcAsk *a) {
        if (!a)
                return NULL;
        if (a->handle)
                *a->handle = NULL;
        if (a->next)
                a->next->prev = a->prev;
        *(a->prev ? &a->prev->next : &a->link->asks) = a->next;
        a->link->n_asks--;
        /* The relay service keeps what it was asked to send until it is told that we know enough.
         */
        if (a->event && a->state == ASK_SENT)
                relay_client_forget(a->link->relay, event_id_hex(a->event));
        relay_publish_free(a->publishing);
        sd_event_source_disable_unref(a->deadline);
        event_unref(a->event);
        free(a->request_json);
        return mfree(a);
}

/* The handle is taken away first: the caller may free nothing twice. */
static void ask_over(NwcAsk *a, int error, const char *reason, const Nip47Response *response) {
        if (a->handle)
                *a->handle = NULL;
        a->handle = NULL;
        if (a->prepared)
                a->prepared(error, reason, error < 0 ? NULL : a->event, a->userdata);
        else
                a->done(error, reason, response, a->userdata);
        nwc_ask_free(a);
}

static int on_ask_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        NwcAsk *a = userdata;

        link_look_again(a->link);
        ask_over(a, -ETIMEDOUT,
                        a->state == ASK_SENT ? "the wallet did not answer in time"
                                             : "the wallet's relays cannot be reached",
                        NULL);
        return 0;
}

static int link_encrypt(NwcLink *l, const char *text, char **ret) {
        uint8_t random[32];
        int r;

        r = crypt_random(random, sizeof(random));
        return r < 0 ? r : nip47_encrypt(l->client, l->uri.wallet, l->scheme, random, text, ret);
}

static int link_sign_text(NwcLink *l, const char *text, int64_t lives, Event **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *content = NULL;
        int64_t now = link_now(l);
        uint8_t random[32];
        int r;

        r = link_encrypt(l, text, &content);
        if (r >= 0)
                r = nip47_request_draft(l->wallet_hex, l->scheme, content, now, now + lives, &d);
        if (r >= 0)
                r = crypt_random(random, sizeof(random));
        return r < 0 ? r : draft_sign(d, l->client, random, ret);
}

int nwc_link_read(NwcLink *l, const char *json, Event **ret) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;
        int r;

        r = event_parse(json, strlen(json), &e, &reason);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (event_kind(e) != NIP47_REQUEST_KIND || !streq(event_pubkey_hex(e), l->client_hex) ||
                        !event_has_tag(e, "p", l->wallet_hex))
                return -EBADMSG;
        *ret = TAKE_PTR(e);
        return 0;
}

static void on_published(int error, const char *reason, void *userdata) {
        NwcAsk *a = userdata;

        if (error < 0)
                ask_over(a, error, reason, NULL);
}

/* From the loop; the question may be over afterwards. */
static void ask_send(NwcAsk *a) {
        NwcLink *l = a->link;
        int r = 0;

        if (!a->event) {
                r = link_sign_text(l, a->request_json, a->prepared ? REQUEST_LIVES : QUESTION_LIVES,
                                &a->event);
                if (r < 0)
                        return ask_over(a, r, "the question could not be signed", NULL);
        }
        if (a->prepared)
                return ask_over(a, 0, "", NULL);
        a->state = ASK_SENT;
        /* The relay service may have sent this very event before a crash of ours; it sends again
         * what it was told to forget. */
        if (!a->request_json)
                relay_client_forget(l->relay, event_id_hex(a->event));
        r = relay_client_publish(l->relay, event_json(a->event, NULL), link_relays(l), false,
                        on_published, a, &a->publishing);
        if (r < 0)
                ask_over(a, r, "the question could not be handed to the relays", NULL);
}

static NwcAsk *link_waiting(NwcLink *l) {
        for (NwcAsk *a = l->asks; a; a = a->next)
                if (a->state == ASK_WAITING)
                        return a;
        return NULL;
}

static int on_turn(_unused_ sd_event_source *s, void *userdata) {
        NwcLink *l = userdata;
        NwcAsk *a;

        while (link_is_up(l) && (a = link_waiting(l)))
                ask_send(a);
        return 0;
}

static int ask_new(NwcLink *l, usec_t deadline, void *userdata, NwcAsk **ret_handle, NwcAsk **ret) {
        NwcAsk *a;
        int r;

        if (l->n_asks >= NWC_ASKS_MAX)
                return -ENOBUFS;
        a = new0(NwcAsk, 1);
        if (!a)
                return -ENOMEM;
        a->link = l;
        a->userdata = userdata;
        a->next = l->asks;
        if (a->next)
                a->next->prev = a;
        l->asks = a;
        l->n_asks++;
        r = sd_event_add_time_relative(l->event, &a->deadline, CLOCK_MONOTONIC, deadline, ACCURACY,
                        on_ask_deadline, a);
        if (r < 0) {
                nwc_ask_free(a);
                return r;
        }
        (void) sd_event_source_set_description(a->deadline, "nwc-deadline");
        a->handle = ret_handle;
        if (ret_handle)
                *ret_handle = a;
        *ret = a;
        link_want_turn(l);
        return 0;
}

int nwc_ask(NwcLink *l, const NwcQuestion *question, nwc_answer_t done, void *userdata,
                NwcAsk **ret) {
        _cleanup_free_ char *json = NULL;
        NwcAsk *a;
        int r;

        if (question->request) {
                r = nip47_request_write(question->request, &json);
                if (r < 0)
                        return r;
        }
        r = ask_new(l, question->deadline, userdata, ret, &a);
        if (r < 0)
                return r;
        a->request_json = TAKE_PTR(json);
        a->event = event_ref(question->event);
        a->method = question->method;
        a->done = done;
        return 0;
}

int nwc_prepare(NwcLink *l, const Nip47Request *request, usec_t deadline, nwc_signed_t done,
                void *userdata, NwcAsk **ret) {
        _cleanup_free_ char *json = NULL;
        NwcAsk *a;
        int r;

        r = nip47_request_write(request, &json);
        if (r >= 0)
                r = ask_new(l, deadline, userdata, ret, &a);
        if (r < 0)
                return r;
        a->request_json = TAKE_PTR(json);
        a->prepared = done;
        return 0;
}

/* ---- answers */

static NwcAsk *link_find(NwcLink *l, const char *request_id) {
        for (NwcAsk *a = l->asks; a; a = a->next)
                if (a->state == ASK_SENT && streq(event_id_hex(a->event), request_id))
                        return a;
        return NULL;
}

static void link_take_answer(NwcLink *l, const Event *e) {
        const char *id = event_tag_value(e, "e"), *reason = NULL;
        _cleanup_nip47_response_ Nip47Response p = { 0 };
        _cleanup_free_ char *text = NULL;
        NwcAsk *a = id ? link_find(l, id) : NULL;
        int r;

        if (!a)
                return; /* of another client of this wallet, or too late */
        r = nip47_decrypt(l->client, l->uri.wallet, event_content(e, NULL), &text, &reason);
        if (r >= 0)
                r = nip47_response_parse(text, strlen(text), a->method, &p, &reason);
        if (r < 0) {
                /* Not the answer yet: the wallet may send a better one. */
                log_debug("An answer of the wallet is not taken: %s.", reason ?: "no memory");
                return;
        }
        if (p.error == NIP47_UNSUPPORTED_ENCRYPTION)
                l->scheme = l->scheme == NIP47_NIP44 ? NIP47_NIP04 : NIP47_NIP44;
        ask_over(a, 0, "", &p);
}

static void link_take_news(NwcLink *l, const Event *e) {
        _cleanup_nip47_notification_ Nip47Notification n = { 0 };
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;
        int r;

        r = nip47_decrypt(l->client, l->uri.wallet, event_content(e, NULL), &text, &reason);
        if (r >= 0)
                r = nip47_notification_parse(text, strlen(text), &n, &reason);
        if (r < 0)
                log_debug("News of the wallet are not taken: %s.", reason ?: "no memory");
        else
                l->handler->news(&n.transaction, l->userdata);
}

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        NwcLink *l = userdata;

        for (size_t i = 0; i < n; i++) {
                const Event *e = events[i].event;

                if (!memory_equal(event_pubkey(e), l->uri.wallet, 32))
                        continue;
                if (event_kind(e) == NIP47_RESPONSE_KIND)
                        link_take_answer(l, e);
                else if (l->handler->news)
                        link_take_news(l, e);
        }
        relay_client_acknowledge(l->relay, name, events[n - 1].seq);
}

/* ---- the relays */

static void on_live(const char *name, _unused_ const char *relay, void *userdata) {
        NwcLink *l = userdata;

        if (!streq(name, l->answers))
                return;
        l->live = true;
        link_tell(l, "");
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        NwcLink *l = userdata;

        l->live = true;
        link_tell(l, "");
        return 0;
}

/* The news name us; answers need not: a wallet service of npm leaves our key out. */
static int link_subscribe(NwcLink *l) {
        char answers[160], news[256];
        const char *const first[] = { answers, NULL }, *const second[] = { news, NULL };
        int r;

        (void) snprintf(answers, sizeof(answers), "{\"kinds\":[%d],\"authors\":[\"%s\"]}",
                        NIP47_RESPONSE_KIND, l->wallet_hex);
        (void) snprintf(news, sizeof(news),
                        "{\"kinds\":[%d,%d],\"authors\":[\"%s\"],\"#p\":[\"%s\"]}",
                        NIP47_NOTIFICATION_KIND, NIP47_NOTIFICATION_NIP04_KIND, l->wallet_hex,
                        l->client_hex);
        r = relay_client_subscribe(l->relay, l->answers, first, link_relays(l));
        if (r < 0 || !l->handler->news)
                return r;
        return relay_client_subscribe(l->relay, l->news, second, link_relays(l));
}

/* Another relay may have taken it; that none did is the deadline's to find out. */
static void on_outcome(const char *id, const char *relay, RelayVerdict verdict, const char *message,
                _unused_ void *userdata) {
        if (verdict == RELAY_REFUSED)
                log_debug("%s does not take the question %.8s: %s", relay, id, message);
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .live = on_live,
        .outcome = on_outcome,
};

static int link_open(NwcLink *l, const char *relay_socket) {
        int r;

        r = keypair_new(l->uri.secret, &l->client);
        if (r < 0)
                return r;
        explicit_bzero(l->uri.secret, sizeof(l->uri.secret)); /* the pair has it */
        hex_encode(l->uri.wallet, 32, l->wallet_hex);
        hex_encode(keypair_pubkey(l->client), 32, l->client_hex);
        r = sd_event_add_defer(l->event, &l->turn, on_turn, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(l->event, &l->timer, CLOCK_MONOTONIC, LIVE_USEC,
                                ACCURACY, on_timer, l);
        if (r >= 0)
                r = relay_client_new(l->event, relay_socket, &relay_handler, l, &l->relay);
        return r < 0 ? r : link_subscribe(l);
}

int nwc_link_new(sd_event *e, const char *relay_socket, const char *name, Nip47Uri *uri,
                const NwcHandler *handler, void *userdata, NwcLink **ret) {
        _cleanup_(nwc_link_freep) NwcLink *l = new0(NwcLink, 1);
        int r;

        if (!l)
                return -ENOMEM;
        l->event = sd_event_ref(e);
        l->uri = TAKE(*uri, (Nip47Uri){ 0 });
        explicit_bzero(uri->secret, sizeof(uri->secret));
        (void) snprintf(l->answers, sizeof(l->answers), "%s", name);
        (void) snprintf(l->news, sizeof(l->news), "%s-news", l->answers);
        l->handler = handler;
        l->userdata = userdata;
        r = link_open(l, relay_socket);
        if (r < 0)
                return r;
        link_look_for_info(l);
        *ret = TAKE_PTR(l);
        return 0;
}

void nwc_link_forget(NwcLink *l) {
        (void) relay_client_unsubscribe(l->relay, l->answers, true);
}

NwcLink *nwc_link_free(NwcLink *l) {
        if (!l)
                return NULL;
        while (l->asks)
                nwc_ask_free(l->asks);
        sd_event_source_disable_unref(l->timer);
        sd_event_source_disable_unref(l->turn);
        relay_query_free(l->query);
        relay_client_free(l->relay);
        keypair_free(l->client);
        nip47_uri_done(&l->uri);
        sd_event_unref(l->event);
        return mfree(l);
}
