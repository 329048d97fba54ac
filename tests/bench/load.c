/* The load generator: a relay and its customers in one process, so that what Pylon needs can be
 * told from what it takes to ask. It signs all requests beforehand, lets a fixed number of them be
 * open at a time, and checks every result's signature when the clock has stopped.
 *
 *     load JOBS INFLIGHT POW-BITS [paid]
 *
 * Prints "port N" when it listens, and one JSON line at the end. Paid: it then reads the path of
 * the wallet's socket from standard input, and pays every invoice from the account "owner". */
#include <stdio.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/map.h"
#include "basic/text.h"
#include "client/wallet-client.h"
#include "net/ws.h"
#include "nostr/event.h"
#include "nostr/message.h"

#define CUSTOMERS     256
#define KIND_REQUEST  5970
#define KIND_RESULT   6970
#define KIND_FEEDBACK 7000
#define GIVE_UP       (120 * SEC)

typedef struct Job {
        Event *request;
        char *result; /* JSON, checked at the end */
        usec_t sent, answered;
        bool paying;
} Job;

typedef struct Load {
        sd_event *event;
        WsLoop *loop;
        WsServer *server;
        Ws *client;
        char subscription[MESSAGE_SUBSCRIPTION_MAX + 1];
        Job *jobs;
        size_t n_jobs, n_sent, n_answered, n_feedback, n_again, inflight;
        Map by_id;
        usec_t first, last;
        struct rusage before;
        WalletClient *wallet; /* NULL: nothing is paid */
        size_t n_paid, n_unpaid;
} Load;

static usec_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

static void fail(const char *what, int r) {
        (void) fprintf(stderr, "load: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static void job_sign(Job *job, const Keypair *customer, size_t n, const char *bits) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const uint8_t chance[32] = { 0 };
        char input[256];
        int r;

        (void) snprintf(input, sizeof(input),
                        "{\"kind\":1,\"created_at\":%lld,\"tags\":[],\"content\":\"note number %zu\"}",
                        (long long) time(NULL), n);
        r = draft_new(KIND_REQUEST, time(NULL), &d);
        if (r >= 0)
                r = draft_tag(d, "i", input, "text", NULL);
        if (r >= 0)
                r = draft_tag(d, "param", "pow", bits, NULL);
        if (r >= 0)
                r = draft_sign(d, customer, chance, &job->request);
        if (r < 0)
                fail("a request could not be signed", r);
}

static void load_prepare(Load *l, const char *bits) {
        Keypair *customers[CUSTOMERS];

        for (size_t i = 0; i < CUSTOMERS; i++) {
                uint8_t secret[32];

                if (crypt_random(secret, sizeof(secret)) < 0 ||
                                keypair_new(secret, &customers[i]) < 0)
                        fail("no key", -EIO);
        }
        for (size_t i = 0; i < l->n_jobs; i++) {
                job_sign(l->jobs + i, customers[i % CUSTOMERS], i, bits);
                if (map_put(&l->by_id, event_id(l->jobs[i].request), 32, l->jobs + i) < 0)
                        fail("no memory", -ENOMEM);
        }
        for (size_t i = 0; i < CUSTOMERS; i++)
                keypair_free(customers[i]);
}

/* Keeps `inflight` requests open. */
static void load_feed(Load *l) {
        _cleanup_buffer_ Buffer b = { .max = MESSAGE_SIZE_MAX };

        while (l->n_sent < l->n_jobs && l->n_sent - l->n_answered < l->inflight) {
                Job *job = l->jobs + l->n_sent;
                size_t size;
                const char *json = event_json(job->request, &size);

                buffer_clear(&b);
                if (message_write_event(&b, l->subscription, json, size) < 0 ||
                                ws_send(l->client, b.data, b.size) < 0)
                        return;
                job->sent = now_usec();
                if (l->n_sent++ == 0) {
                        l->first = job->sent;
                        (void) getrusage(RUSAGE_SELF, &l->before);
                }
        }
}

static void on_paid(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Load *l = userdata;

        if (error >= 0 && streq(paid->state, "settled"))
                l->n_paid++;
        else if (l->n_unpaid++ == 0)
                (void) fprintf(stderr, "load: a payment is %s: %s\n",
                                error < 0 ? "refused" : paid->state,
                                error < 0 ? reason : paid->reason);
}

static void load_pay(Load *l, Job *job, const Event *e) {
        const Tag *t = event_find_tag(e, "amount", NULL);
        int r;

        if (!l->wallet || job->paying || !t || t->n < 3)
                return;
        job->paying = true;
        r = wallet_pay(l->wallet,
                        &(WalletPay){
                                        .id = event_id_hex(job->request),
                                        .account = "owner",
                                        .destination = t->values[2],
                                        .fee_max_msat = -1,
                        },
                        on_paid, l, NULL);
        if (r < 0)
                fail("an invoice could not be paid", r);
}

static void load_take(Load *l, const Event *e, MessagePart json) {
        const char *id = event_tag_value(e, "e");
        uint8_t key[32];
        Job *job;

        if (event_kind(e) == KIND_FEEDBACK)
                l->n_feedback++;
        if (!id || hex_decode(id, key, sizeof(key)) < 0)
                return;
        job = map_get(&l->by_id, key, sizeof(key));
        if (!job)
                return;
        if (event_kind(e) == KIND_FEEDBACK)
                load_pay(l, job, e);
        if (event_kind(e) != KIND_RESULT)
                return;
        if (job->result) {
                l->n_again++;
                return;
        }
        job->answered = l->last = now_usec();
        job->result = strndup(json.text, json.size);
        if (++l->n_answered == l->n_jobs)
                (void) sd_event_exit(l->event, 0);
}

static void on_message(Ws *ws, const char *text, size_t size, void *userdata) {
        _cleanup_buffer_ Buffer b = { .max = MESSAGE_SIZE_MAX };
        _cleanup_(event_unrefp) Event *e = NULL;
        Load *l = userdata;
        const char *reason;
        Message m;

        if (message_parse_from_client(text, size, &m, &reason) < 0)
                return;
        if (m.type == MESSAGE_REQ) {
                /* What is asked about kind 5970 is the provider's subscription. */
                if (memmem(m.filters[0].text, m.filters[0].size, "5970", 4))
                        memcpy(l->subscription, m.subscription, sizeof(l->subscription));
                if (message_write_eose(&b, m.subscription) >= 0)
                        (void) ws_send(ws, b.data, b.size);
                l->client = ws;
        } else if (m.type == MESSAGE_EVENT &&
                        event_parse_trusted(m.json.text, m.json.size, &e, &reason) >= 0) {
                if (message_write_ok(&b, event_id_hex(e), true, "") >= 0)
                        (void) ws_send(ws, b.data, b.size);
                load_take(l, e, m.json);
        }
        if (l->subscription[0] && l->client)
                load_feed(l);
}

static void on_drained(_unused_ Ws *ws, void *userdata) {
        Load *l = userdata;

        if (l->subscription[0] && l->client)
                load_feed(l);
}

static void on_closed(Ws *ws, _unused_ int error, _unused_ const char *reason, void *userdata) {
        Load *l = userdata;

        if (l->client == ws) {
                l->client = NULL;
                l->subscription[0] = '\0'; /* the next connection has one of its own */
        }
        ws_free(ws);
}

static const WsHandler handler = {
        .message = on_message, .drained = on_drained, .closed = on_closed
};

static int on_accept(_unused_ WsServer *s, Ws *ws, _unused_ const WsRequest *r, void *userdata) {
        ws_set_handler(ws, &handler, userdata);
        return 0;
}

static bool on_allow(_unused_ WsServer *s, _unused_ const WsRequest *r, _unused_ void *userdata) {
        return true;
}

static int on_give_up(_unused_ sd_event_source *s, _unused_ uint64_t t, void *userdata) {
        return sd_event_exit(((Load *) userdata)->event, 1);
}

static int compare_usec(const void *a, const void *b) {
        usec_t x = *(const usec_t *) a, y = *(const usec_t *) b;

        return (x > y) - (x < y);
}

static double cpu_seconds(const struct rusage *u) {
        return (double) (u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
               (double) (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static int load_report(Load *l, const struct rusage *after) {
        usec_t *times = new0(usec_t, l->n_jobs);
        size_t n = 0, n_bad = 0;

        for (size_t i = 0; times && i < l->n_jobs; i++) {
                _cleanup_(event_unrefp) Event *e = NULL;
                const char *reason;

                if (!l->jobs[i].result)
                        continue;
                times[n++] = l->jobs[i].answered - l->jobs[i].sent;
                if (event_parse(l->jobs[i].result, strlen(l->jobs[i].result), &e, &reason) < 0)
                        n_bad++;
        }
        if (n > 0)
                qsort(times, n, sizeof(*times), compare_usec);
        printf("{\"jobs\":%zu,\"inflight\":%zu,\"answered\":%zu,\"bad_signatures\":%zu,\"answered_again\":%zu,"
               "\"paid\":%zu,\"feedback\":%zu,\"seconds\":%.3f,\"jobs_per_second\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
               "\"max_ms\":%.3f,\"generator_cpu_seconds\":%.3f}\n",
                        l->n_jobs, l->inflight, n, n_bad, l->n_again, l->n_paid, l->n_feedback,
                        (double) (l->last - l->first) / 1e6,
                        l->last > l->first ? (double) n * 1e6 / (double) (l->last - l->first) : 0.0,
                        n ? (double) times[n / 2] / 1e3 : 0.0,
                        n ? (double) times[n * 99 / 100] / 1e3 : 0.0,
                        n ? (double) times[n - 1] / 1e3 : 0.0,
                        cpu_seconds(after) - cpu_seconds(&l->before));
        free(times);
        return n == l->n_jobs && n_bad == 0 && l->n_again == 0 && l->n_unpaid == 0 ? EXIT_SUCCESS
                                                                                   : EXIT_FAILURE;
}

static void load_open_wallet(Load *l) {
        char path[256];
        int r;

        if (!fgets(path, sizeof(path), stdin))
                fail("no wallet was named", -ENOENT);
        path[strcspn(path, "\n")] = '\0';
        r = wallet_client_new(l->event, path, NULL, NULL, &l->wallet);
        if (r < 0)
                fail("no wallet", r);
}

static void load_done(Load *l) {
        l->wallet = wallet_client_free(l->wallet);
        ws_free(l->client);
        ws_server_free(l->server);
        ws_loop_free(l->loop);
        for (size_t i = 0; i < l->n_jobs; i++) {
                event_unref(l->jobs[i].request);
                free(l->jobs[i].result);
        }
        free(l->jobs);
        map_done(&l->by_id);
        sd_event_unref(l->event);
}

int main(int argc, char *argv[]) {
        static const WsServerHandler server_handler = { .allow = on_allow, .accept = on_accept };
        const WsLimits limits = { .message_max = MESSAGE_SIZE_MAX, .queue_max = 16 << 20 };
        uint64_t jobs, inflight;
        struct rusage after;
        Load l = { 0 };
        int fd, r;

        if (argc < 4 || argc > 5 || parse_u64(argv[1], &jobs) < 0 ||
                        parse_u64(argv[2], &inflight) < 0) {
                (void) fprintf(stderr, "usage: load JOBS INFLIGHT POW-BITS [paid]\n");
                return 2;
        }
        l.n_jobs = jobs;
        l.inflight = inflight;
        l.jobs = new0(Job, jobs);
        map_init(&l.by_id, jobs);
        if (!l.jobs || crypt_setup() < 0 || sd_event_new(&l.event) < 0)
                fail("no memory", -ENOMEM);
        load_prepare(&l, argv[3]);

        r = ws_loop_new(l.event, NULL, &l.loop);
        if (r >= 0)
                r = ws_listen("127.0.0.1:0", &fd);
        if (r >= 0)
                r = ws_server_new(l.loop, fd, &limits, 4, &server_handler, &l, &l.server);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                l.event, NULL, CLOCK_MONOTONIC, GIVE_UP, SEC, on_give_up, &l);
        if (r < 0)
                fail("no relay", r);
        printf("port %u\n", ws_server_port(l.server));
        (void) fflush(stdout);
        if (argc == 5)
                load_open_wallet(&l);

        (void) sd_event_loop(l.event);
        (void) getrusage(RUSAGE_SELF, &after);
        r = load_report(&l, &after);
        load_done(&l);
        return r;
}
