#pragma once
/* The world of a provider under test: store, signer and relay, which note what they are asked and
 * answer when the test says so. For one test program, whose own the functions are. */
#include "tests/unit/unit.h"

#include <stdarg.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "client/relay-query.h"
#include "nostr/nip13.h"
#include "pow-worker.h"
#include "provider.h"

#define ASKED_MAX 64

typedef struct Asked {
        char what[200]; /* "add queued", "move publishing" … */
        void (*answer)(struct Asked *a);
        union {
                store_verdict_t verdict;
                store_page_t page;
                store_setting_t setting;
                customers_done_t customers;
                relay_query_done_t found;
                signer_done_t sign;
                relay_published_t published;
                wallet_invoice_done_t invoice;
                wallet_job_payments_done_t payments;
                wallet_paid_done_t paid;
        } done;
        void *userdata;
        void **handle;
        Event *events[2];
        size_t n_events;
} Asked;

/* What store, signer and relay are to this test. */
static struct World {
        sd_event *event;
        Config config;
        Keypair *ours, *customer;
        Provider *provider;
        RelayHandler handler;
        WalletHandler wallet;
        void *wallet_userdata;
        int wallet_error; /* of the next one who asks for an invoice */
        const char *payment, *stage, *refund;
        void *handler_userdata;
        Asked asked[ASKED_MAX];
        size_t n_asked;
        char trail[4096];
        char announced[64]; /* what the store knows of it */
        uint64_t counted;   /* requests, in what the store was told of them */
        char stories[256];  /* the verdicts of those that were told one by one */
        Event *published[32];
        size_t n_published;
        int verdict; /* of the store */
        bool verdict_once;
        int relay_error; /* of the next one who asks for it */
        const char *verdict_text, *wish, *opened;
        const char *full; /* the state that the disk has no room for */
        StoreJob open[2];
        size_t n_open;
        const StoreJob *own; /* the job that the store is asked for */
        Event *found[2];     /* what relays have; the test's own */
        size_t n_found;
        uint64_t acknowledged;
        bool changed_to_offline;
} world;

static const uint8_t zeros[32];

static void trail(const char *format, ...) _printf_(1, 2);
static void trail(const char *format, ...) {
        size_t n = strlen(world.trail);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(world.trail + n, sizeof(world.trail) - n, format, ap);
        va_end(ap);
}

static Asked *ask(void (*answer)(Asked *a), void *userdata, void *handle) {
        Asked *a = &world.asked[world.n_asked++];

        assert_true(world.n_asked <= ASKED_MAX);
        *a = (Asked){ .answer = answer, .userdata = userdata, .handle = handle };
        if (a->handle)
                *a->handle = a;
        return a;
}

static void *let_go(void *call) {
        Asked *a = call;

        if (a) {
                if (a->handle)
                        *TAKE_PTR(a->handle) = NULL;
                a->answer = NULL;
                for (size_t i = 0; i < a->n_events; i++)
                        a->events[i] = event_unref(a->events[i]);
        }
        return NULL;
}

/* ---- the store */

static void answer_verdict(Asked *a) {
        int verdict = world.verdict;

        if (world.verdict_once)
                world.verdict = 0;
        a->done.verdict(verdict, world.verdict_text ?: "", a->userdata);
}

static void answer_full(Asked *a) {
        a->done.verdict(-ENOSPC, "the disk is full", a->userdata);
}

static void answer_page(Asked *a) {
        size_t n = TAKE(world.n_open, 0);

        a->done.page(0, NULL, world.open, n, a->userdata);
}

static void answer_setting(Asked *a) {
        a->done.setting(0, NULL, world.wish, a->userdata);
}

int store_client_new(_unused_ sd_event *event, _unused_ const char *socket_path,
                _unused_ StoreClient **ret) {
        return 0;
}

void store_client_on_return(_unused_ StoreClient *c, _unused_ void (*returned)(void *userdata),
                _unused_ void *userdata) {
}

StoreClient *store_client_free(_unused_ StoreClient *c) {
        return NULL;
}

StoreCall *store_call_free(StoreCall *call) {
        return let_go(call);
}

int store_add_job(_unused_ StoreClient *c, const StoreJob *job, store_verdict_t done,
                void *userdata, StoreCall **ret) {
        trail("add %s\n", job->state);
        ask(answer_verdict, userdata, ret)->done.verdict = done;
        return 0;
}

int store_move_job(_unused_ StoreClient *c, const StoreMove *move, store_verdict_t done,
                void *userdata, StoreCall **ret) {
        trail("move %s%s%s%s\n", move->state, isempty(move->result) ? "" : " with result",
                        isempty(move->error) ? "" : " with error", move->lazy ? ", lazy" : "");
        ask(world.full && streq(move->state, world.full) ? answer_full : answer_verdict, userdata,
                        ret)
                        ->done.verdict = done;
        return 0;
}

int store_open_jobs(_unused_ StoreClient *c, _unused_ const char *after, _unused_ unsigned limit,
                store_page_t done, void *userdata, StoreCall **ret) {
        ask(answer_page, userdata, ret)->done.page = done;
        return 0;
}

static void answer_find(Asked *a) {
        a->done.page(0, NULL, world.own, world.own ? 1 : 0, a->userdata);
}

int store_find_job(_unused_ StoreClient *c, const char *id, store_page_t done, void *userdata,
                StoreCall **ret) {
        trail("find %.8s\n", id);
        ask(answer_find, userdata, ret)->done.page = done;
        return 0;
}

int store_get_setting(_unused_ StoreClient *c, _unused_ const char *name, store_setting_t done,
                void *userdata, StoreCall **ret) {
        ask(answer_setting, userdata, ret)->done.setting = done;
        return 0;
}

int store_set_setting(_unused_ StoreClient *c, _unused_ const char *name, const char *value,
                store_setting_t done, void *userdata, StoreCall **ret) {
        (void) snprintf(world.announced, sizeof(world.announced), "%s", value);
        if (done)
                ask(answer_setting, userdata, ret)->done.setting = done;
        return 0;
}

/* What is remembered of customers: nothing. */

static void answer_customers(Asked *a) {
        a->done.customers(0, NULL, a->userdata);
}

int customers_note(_unused_ StoreClient *c, _unused_ const char *what, _unused_ const char *job,
                _unused_ const char *customer, _unused_ int64_t day) {
        return 0;
}

int customers_read(_unused_ StoreClient *c, _unused_ const char *what, _unused_ int64_t since_day,
                _unused_ customers_row_t row, customers_done_t done, void *userdata,
                CustomersCall **ret) {
        ask(answer_customers, userdata, ret)->done.customers = done;
        return 0;
}

CustomersCall *customers_call_free(CustomersCall *call) {
        return let_go(call);
}

/* What became of requests: noted, and never answered. */

int why_client_count(_unused_ StoreClient *c, const WhyBatch *b, _unused_ why_counted_t done,
                _unused_ void *userdata, _unused_ WhyCall **ret) {
        for (size_t i = 0; i < b->n_counts; i++)
                world.counted += b->counts[i].n;
        for (size_t i = 0; i < b->n_requests; i++)
                (void) strncat(world.stories, b->requests[i].verdict,
                                sizeof(world.stories) - strlen(world.stories) - 1);
        return 0;
}

WhyCall *why_call_free(_unused_ WhyCall *call) {
        return NULL;
}

/* ---- the signer */

static void answer_sign(Asked *a) {
        SignerResult results[2] = {};

        for (size_t i = 0; i < a->n_events; i++)
                results[i].event = a->events[i];
        a->done.sign(0, NULL, NULL, results, a->n_events, a->userdata);
        for (size_t i = 0; i < a->n_events; i++)
                a->events[i] = event_unref(a->events[i]);
}

static void answer_key(Asked *a) {
        char hex[HEX32_MAX];

        hex_encode(keypair_pubkey(world.ours), 32, hex);
        a->done.sign(0, NULL, NULL, &(SignerResult){ .text = hex }, 1, a->userdata);
}

static void answer_decrypt(Asked *a) {
        a->done.sign(0, NULL, NULL,
                        &(SignerResult){
                                        .error = world.opened ? 0 : -EBADMSG,
                                        .reason = "it is not for us",
                                        .text = world.opened,
                                        .scheme = "nip44",
                        },
                        1, a->userdata);
}

static void answer_encrypt(Asked *a) {
        a->done.sign(0, NULL, NULL, &(SignerResult){ .text = "SEALED" }, 1, a->userdata);
}

int signer_client_new(_unused_ sd_event *event, _unused_ const char *socket_path,
                _unused_ SignerClient **ret) {
        return 0;
}

SignerClient *signer_client_free(_unused_ SignerClient *c) {
        return NULL;
}

SignerCall *signer_call_free(SignerCall *call) {
        return let_go(call);
}

int signer_sign(_unused_ SignerClient *c, const char *key, const Draft *const *drafts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret) {
        Asked *a = ask(answer_sign, userdata, ret);

        assert_string_equal(key, "provider");
        a->done.sign = done;
        for (a->n_events = 0; a->n_events < n; a->n_events++)
                assert_int_equal(draft_sign(drafts[a->n_events], world.ours, zeros,
                                                 &a->events[a->n_events]),
                                0);
        return 0;
}

int signer_public_key(_unused_ SignerClient *c, _unused_ const char *key, signer_done_t done,
                void *userdata, SignerCall **ret) {
        ask(answer_key, userdata, ret)->done.sign = done;
        return 0;
}

int signer_decrypt(_unused_ SignerClient *c, _unused_ const char *key,
                _unused_ const SignerText *texts, _unused_ size_t n, signer_done_t done,
                void *userdata, SignerCall **ret) {
        trail("decrypt\n");
        ask(answer_decrypt, userdata, ret)->done.sign = done;
        return 0;
}

int signer_encrypt(_unused_ SignerClient *c, _unused_ const char *key, const SignerText *texts,
                _unused_ size_t n, signer_done_t done, void *userdata, SignerCall **ret) {
        trail("encrypt %s\n", texts[0].scheme);
        ask(answer_encrypt, userdata, ret)->done.sign = done;
        return 0;
}

/* ---- the wallet */

static void answer_invoice(Asked *a) {
        static const WalletInvoice invoice = {
                .hash = "ab",
                .bolt11 = "lnbcrt1",
                .expires_at = INT64_C(1) << 40,
        };
        int error = TAKE(world.wallet_error, 0);

        a->done.invoice(error, error < 0 ? "the wallet is ill" : NULL, &invoice, a->userdata);
}

static void answer_payments(Asked *a) {
        const WalletJobPayment payment = {
                .job_id = a->what,
                .stage = world.stage ?: "pre",
                .received_msat = 1000,
                .status = world.payment,
        };

        a->done.payments(0, NULL, &payment, world.payment ? 1 : 0, a->userdata);
}

static void answer_paid(Asked *a) {
        a->done.paid(0, NULL,
                        &(WalletPaid){
                                        .state = world.refund ?: "settled",
                                        .hash = "",
                                        .preimage = "",
                                        .reason = "",
                        },
                        a->userdata);
}

int wallet_client_new(_unused_ sd_event *event, _unused_ const char *socket_path,
                const WalletHandler *handler, void *userdata, _unused_ WalletClient **ret) {
        world.wallet = *handler;
        world.wallet_userdata = userdata;
        return 0;
}

WalletClient *wallet_client_free(_unused_ WalletClient *c) {
        return NULL;
}

WalletCall *wallet_call_free(WalletCall *call) {
        return let_go(call);
}

void wallet_client_listen(_unused_ WalletClient *c) {
        trail("listen\n");
}

void wallet_client_noted(_unused_ WalletClient *c, _unused_ const char *job_id) {
        trail("noted\n");
}

int wallet_zapped(_unused_ WalletClient *c, _unused_ const WalletZap *zap,
                _unused_ wallet_done_t done, _unused_ void *userdata, _unused_ WalletCall **ret) {
        return -ENOSYS;
}

int wallet_invoice(_unused_ WalletClient *c, const WalletAsk *ask_for, wallet_invoice_done_t done,
                void *userdata, WalletCall **ret) {
        trail("invoice %s %lld\n", ask_for->stage, (long long) ask_for->amount_msat);
        ask(answer_invoice, userdata, ret)->done.invoice = done;
        return 0;
}

int wallet_job_payments(_unused_ WalletClient *c, const char *const *job_ids, size_t n,
                wallet_job_payments_done_t done, void *userdata, WalletCall **ret) {
        Asked *a = ask(answer_payments, userdata, ret);

        trail("payments %zu\n", n);
        a->done.payments = done;
        (void) snprintf(a->what, sizeof(a->what), "%s", job_ids[0]);
        return 0;
}

int wallet_refund(_unused_ WalletClient *c, _unused_ const char *job_id, const char *destination,
                wallet_paid_done_t done, void *userdata, WalletCall **ret) {
        trail("refund to %s\n", destination);
        ask(answer_paid, userdata, ret)->done.paid = done;
        return 0;
}

/* ---- the relay */

static void answer_published(Asked *a) {
        int error = TAKE(world.relay_error, 0);

        if (a->done.published)
                a->done.published(
                                error, error < 0 ? "there are too many relays" : NULL, a->userdata);
        else
                world.relay_error = error; /* nobody hears of it */
}

int relay_client_new(_unused_ sd_event *e, _unused_ const char *socket_path,
                const RelayHandler *handler, void *userdata, _unused_ RelayClient **ret) {
        world.handler = *handler;
        world.handler_userdata = userdata;
        return 0;
}

RelayClient *relay_client_free(_unused_ RelayClient *c) {
        return NULL;
}

int relay_client_subscribe(_unused_ RelayClient *c, _unused_ const char *name,
                const char *const *filters, _unused_ const char *const *relays) {
        trail("subscribe %s %s\n", filters[0], filters[1]);
        return 0;
}

int relay_client_unsubscribe(_unused_ RelayClient *c, _unused_ const char *name, bool forget) {
        trail("unsubscribe%s\n", forget ? ", forget" : "");
        return 0;
}

void relay_client_acknowledge(_unused_ RelayClient *c, _unused_ const char *name, uint64_t seq) {
        trail("ack\n");
        world.acknowledged = seq;
}

int relay_client_publish(_unused_ RelayClient *c, const char *json, const char *const *relays,
                bool durable, relay_published_t done, void *userdata, RelayPublish **ret) {
        const char *reason;
        Event *e = NULL;

        assert_int_equal(event_parse(json, strlen(json), &e, &reason), 0);
        trail("publish %u %s%s%s%s\n", event_kind(e), event_tag_value(e, "status") ?: "",
                        durable ? " durable" : "", relays && relays[0] ? " at " : "",
                        relays && relays[0] ? relays[0] : "");
        assert_true(world.n_published < ELEMENTSOF(world.published));
        world.published[world.n_published++] = e;
        ask(answer_published, userdata, ret)->done.published = done;
        return 0;
}

static void answer_query(Asked *a) {
        a->done.found(0, NULL, world.found, world.n_found, a->userdata);
}

int relay_client_query(_unused_ RelayClient *c, const RelayQuestion *q, relay_query_done_t done,
                void *userdata, RelayQuery **ret) {
        trail("query %.18s%s%s\n", q->filters[0], q->relays ? " at " : "",
                        q->relays ? q->relays[0] : "");
        ask(answer_query, userdata, ret)->done.found = done;
        return 0;
}

RelayQuery *relay_query_free(RelayQuery *q) {
        return let_go(q);
}

RelayPublish *relay_publish_free(RelayPublish *p) {
        return let_go(p);
}

void relay_client_forget(_unused_ RelayClient *c, _unused_ const char *id) {
        trail("forget\n");
}
