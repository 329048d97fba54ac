/* wallet/lnurl-pay: a server that does what the name says, and the ways it may try to cheat. */
#include "tests/unit/unit.h"

#include <netinet/in.h>

#include "basic/crypt.h"
#include "lnurl-pay.h"
#include "nostr/nip57.h"
#include "tests/unit/http-server.h"

typedef struct World {
        sd_event *event;
        HttpServer server;
        Http *http;
        LnurlCall *call;
        unsigned n_done;
        int error;
        bool settled;
        char reason[256], bolt11[2048], verify[256], description[64], asked[4096];
        char lnurl[256], server_key[HEX32_MAX];
        const char *zap;
} World;

static const char metadata[] = "[[\"text/plain\",\"tea\"]]";
static const uint8_t preimage[32] = { 42 };

#define SERVER "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"

static bool says(const char *path, const char *word) {
        return strstr(path, word) != NULL;
}

static char *serve_offer(World *w, const char *name) {
        char *text = NULL;
        int n = asprintf(&text,
                        "{\"tag\":\"payRequest\",\"callback\":\"%s127.0.0.1:%u/cb/%s\","
                        "\"minSendable\":1000,\"maxSendable\":50000,\"commentAllowed\":20,%s"
                        "\"metadata\":\"[[\\\"text/plain\\\",\\\"tea\\\"]]\"}",
                        says(name, "file") ? "file://" : "http://", w->server.port, name,
                        says(name, "zap") ? "\"allowsNostr\":true,\"nostrPubkey\":\"" SERVER "\","
                                          : "");

        assert_true(n > 0);
        return text;
}

static char *serve_invoice(World *w, const char *path) {
        static const uint8_t secret[32] = { [31] = 9 };
        const char *amount = strstr(path, "amount="), *reason = NULL;
        _cleanup_free_ char *bolt11 = NULL, *text = strdup("x");
        Bolt11 b = { .network = NETWORK_REGTEST, .created_at = 1, .payment_secret = { 1 } };
        char *json = NULL;

        (void) snprintf(w->asked, sizeof(w->asked), "%s", path);
        assert_non_null(amount);
        assert_int_equal(sha256(preimage, 32, b.payment_hash), 0);
        assert_int_equal(sha256(metadata, strlen(metadata), b.description_hash), 0);
        b.amount_msat = strtoll(amount + 7, NULL, 10) + (says(path, "dearer") ? 1 : 0);
        if (says(path, "mainnet"))
                b.network = NETWORK_MAINNET;
        if (w->zap)
                assert_int_equal(sha256(w->zap, strlen(w->zap), b.description_hash), 0);
        if (says(path, "hash"))
                b.description_hash[0] ^= 1;
        if (says(path, "plain"))
                b.description = text;
        if (says(path, "free"))
                b.amount_msat = 0;
        assert_int_equal(bolt11_encode(&b, secret, &bolt11, &reason), 0);
        if (says(path, "garbage"))
                bolt11[20] ^= 1;
        assert_true(asprintf(&json,
                                    "{\"pr\":\"%s\",\"routes\":[],\"verify\":"
                                    "\"http://127.0.0.1:%u/verify/ok\"}",
                                    bolt11, w->server.port) > 0);
        return json;
}

static char *serve(const char *path, void *userdata) {
        const char *name = startswith(path, "/.well-known/lnurlp/");

        if (path[0] == '/' && says(path, "refuse"))
                return strdup("{\"status\":\"ERROR\",\"reason\":\"no such user\"}");
        if (says(path, "html"))
                return strdup("<html>");
        if (name)
                return serve_offer(userdata, name);
        if (startswith(path, "/cb/"))
                return serve_invoice(userdata, path);
        if (says(path, "/verify/ok"))
                return strdup("{\"status\":\"OK\",\"settled\":true,\"preimage\":"
                              "\"2a00000000000000000000000000000000000000000000000000000000000000\""
                              "}");
        if (says(path, "/verify/lie"))
                return strdup("{\"status\":\"OK\",\"settled\":true,\"preimage\":"
                              "\"2b00000000000000000000000000000000000000000000000000000000000000\""
                              "}");
        return NULL;
}

static int set_up(void **state) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(a);
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_true(sd_event_new(&w->event) >= 0);
        w->server.event = w->event;
        w->server.serve = serve;
        w->server.userdata = w;
        http_server_listen(&w->server, (const struct sockaddr *) &a, sizeof(a));
        assert_int_equal(getsockname(sd_event_source_get_io_fd(w->server.accept),
                                         (struct sockaddr *) &a, &size),
                        0);
        w->server.port = ntohs(a.sin_port);
        assert_int_equal(http_new(w->event, NULL, &w->http), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        lnurl_call_free(w->call);
        http_unref(w->http);
        http_server_done(&w->server);
        sd_event_unref(w->event);
        free(w);
        return 0;
}

static void on_bill(int error, const char *reason, const LnurlBill *bill, void *userdata) {
        World *w = userdata;

        assert_null(w->call);
        w->n_done++;
        w->error = error;
        (void) snprintf(w->reason, sizeof(w->reason), "%s", reason);
        assert_int_equal(!bill, error < 0);
        if (!bill)
                return;
        (void) snprintf(w->bolt11, sizeof(w->bolt11), "%s", bill->bolt11);
        (void) snprintf(w->verify, sizeof(w->verify), "%s", bill->verify ?: "");
        (void) snprintf(w->description, sizeof(w->description), "%s", bill->description);
        assert_int_equal(bill->invoice->amount_msat, 21000);
}

static void wait_for_it(World *w) {
        for (unsigned i = 0; i < 1000 && w->n_done == 0; i++)
                assert_true(sd_event_run(w->event, 100 * MSEC) >= 0);
        assert_int_equal(w->n_done, 1);
        assert_null(w->call);
        w->n_done = 0;
}

static void ask(World *w, const char *name, const char *comment) {
        char destination[128];
        LnurlOrder order = {
                .destination = destination,
                .msat = 21000,
                .comment = comment,
                .zap_request = w->zap,
                .network = NETWORK_REGTEST,
        };
        const char *reason = NULL;

        (void) snprintf(destination, sizeof(destination), "%s@127.0.0.1:%u", name, w->server.port);
        assert_int_equal(lnurl_bill(w->http, &order, on_bill, w, &w->call, &reason), 0);
        wait_for_it(w);
}

static void a_name_becomes_an_invoice(void **state) {
        World *w = *state;
        char expected[256];

        ask(w, "tea", "for you");
        assert_string_equal(w->reason, "");
        assert_int_equal(w->error, 0);
        assert_non_null(startswith(w->bolt11, "lnbcrt210n1"));
        assert_string_equal(w->description, "tea");
        assert_string_equal(w->asked, "/cb/tea?amount=21000&comment=for%20you");
        (void) snprintf(expected, sizeof(expected), "http://127.0.0.1:%u/verify/ok",
                        w->server.port);
        assert_string_equal(w->verify, expected);
        ask(w, "plain", NULL);
        assert_int_equal(w->error, 0);
}

static void a_server_that_cheats_is_found_out(void **state) {
        static const struct {
                const char *name;
                int error;
                const char *reason;
        } rows[] = {
                { "dearer", -EBADMSG, "its invoice is about another amount" },
                { "free", -EBADMSG, "its invoice is about another amount" },
                { "mainnet", -EBADMSG, "its invoice is of another network" },
                { "hash", -EBADMSG, "its invoice is about something else" },
                { "garbage", -EBADMSG, "the server's invoice is none" },
                { "refuse", -EREMOTEIO, "the server says: no such user" },
                { "file", -EBADMSG, "its URL begins not with https://" },
                { "html", -EBADMSG, NULL },
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ask(w, rows[i].name, NULL);
                assert_int_equal(w->error, rows[i].error);
                if (rows[i].reason)
                        assert_string_equal(w->reason, rows[i].reason);
        }
}

static void what_the_server_does_not_take_is_not_asked(void **state) {
        World *w = *state;

        ask(w, "tea", "a comment that is longer than twenty characters");
        assert_int_equal(w->error, -EINVAL);
        assert_string_equal(w->asked, "");
}

static void our_own_network_is_not_asked_for_a_stranger(void **state) {
        World *w = *state;
        char destination[128];
        LnurlOrder order = { .destination = destination, .msat = 21000 };
        const char *reason = NULL;

        (void) snprintf(destination, sizeof(destination), "tea@127.0.0.1:%u", w->server.port);
        assert_int_equal(lnurl_bill(w->http, &order, on_bill, w, &w->call, &reason), 0);
        wait_for_it(w);
        assert_int_equal(w->error, -EACCES);
        assert_string_equal(w->reason, "its address is not of the public Internet");
        assert_int_equal(w->server.n_requests, 0);

        order.destination = "lnurlp://";
        assert_int_equal(lnurl_bill(w->http, &order, on_bill, w, &w->call, &reason), -EINVAL);
        assert_null(w->call);
}

static void letting_go_cancels(void **state) {
        World *w = *state;
        char destination[128];
        LnurlOrder order = {
                .destination = destination, .msat = 21000, .network = NETWORK_REGTEST
        };
        const char *reason = NULL;

        (void) snprintf(destination, sizeof(destination), "tea@127.0.0.1:%u", w->server.port);
        assert_int_equal(lnurl_bill(w->http, &order, on_bill, w, &w->call, &reason), 0);
        lnurl_call_free(w->call);
        assert_null(w->call);
        for (unsigned i = 0; i < 3; i++)
                assert_true(sd_event_run(w->event, 10 * MSEC) >= 0);
        assert_int_equal(w->n_done, 0);
}

/* The request's JSON as the signer gives it. */
static char *zap_request(const char *lnurl, int64_t msat) {
        static const char *const relays[] = { "wss://relay.example/", NULL };
        static const uint8_t secret[32] = { [31] = 7 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        char *json;

        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(zap_request_draft(&(ZapRequest){ .recipient_hex = SERVER,
                                                           .relays = relays,
                                                           .msat = msat,
                                                           .lnurl = lnurl,
                                                           .comment = "a & b" },
                                         1700000000, &d),
                        0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        json = strdup(event_json(e, NULL));
        assert_non_null(json);
        return json;
}

static void on_offered(int error, const char *reason, const LnurlPay *offer, const char *lnurl,
                void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->error = error;
        (void) snprintf(w->reason, sizeof(w->reason), "%s", reason);
        if (error < 0)
                return;
        assert_int_equal(offer->min_msat, 1000);
        assert_int_equal(offer->max_msat, 50000);
        assert_int_equal(offer->comment_max, 20);
        (void) snprintf(w->lnurl, sizeof(w->lnurl), "%s", lnurl);
        w->server_key[0] = 0;
        if (offer->allows_nostr)
                hex_encode(offer->nostr_pubkey, 32, w->server_key);
}

static void on_verified(int error, _unused_ const char *reason, bool settled,
                _unused_ const uint8_t proof[static 32], void *userdata) {
        World *w = userdata;

        w->n_done++;
        w->error = error;
        w->settled = settled;
}

static void only_the_preimage_proves_it(void **state) {
        static const struct {
                const char *path;
                bool settled;
                int error;
        } rows[] = { { "verify/ok", true, 0 }, { "verify/lie", false, 0 },
                { "verify/html", false, -EBADMSG }, { "verify/refuse", false, -EREMOTEIO } };
        World *w = *state;
        uint8_t hash[32];
        char url[256];
        LnurlProof proof = { .verify = url, .hash = hash, .network = NETWORK_REGTEST };
        const char *reason = NULL;

        assert_int_equal(sha256(preimage, 32, hash), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", w->server.port,
                                rows[i].path);
                assert_int_equal(lnurl_verify(w->http, &proof, on_verified, w, &w->call, &reason),
                                0);
                wait_for_it(w);
                assert_int_equal(w->error, rows[i].error);
                assert_int_equal(w->settled, rows[i].settled);
        }
}

static void ask_offer(World *w, const char *name) {
        char destination[128];
        const LnurlOrder order = { .destination = destination, .network = NETWORK_REGTEST };
        const char *reason = NULL;

        (void) snprintf(destination, sizeof(destination), "%s@127.0.0.1:%u", name, w->server.port);
        assert_int_equal(lnurl_ask(w->http, &order, on_offered, w, &w->call, &reason), 0);
        wait_for_it(w);
}

static void what_an_address_takes_is_told_without_asking_for_an_invoice(void **state) {
        World *w = *state;
        _cleanup_free_ char *url = NULL;
        char expected[128];
        const char *reason;

        ask_offer(w, "zapped");
        assert_int_equal(w->error, 0);
        assert_string_equal(w->server_key, SERVER);
        assert_int_equal(lnurl_url(w->lnurl, true, &url, &reason), 0);
        (void) snprintf(expected, sizeof(expected), "http://127.0.0.1:%u/.well-known/lnurlp/zapped",
                        w->server.port);
        assert_string_equal(url, expected);
        ask_offer(w, "tea");
        assert_string_equal(w->server_key, "");
        ask_offer(w, "refuse");
        assert_int_equal(w->error, -EREMOTEIO);
        assert_string_equal(w->asked, "");
}

static void a_zap_request_goes_with_the_question_and_into_the_invoice(void **state) {
        World *w = *state;
        _cleanup_free_ char *zap = NULL, *encoded = NULL;

        ask_offer(w, "zapped");
        w->zap = zap = zap_request(w->lnurl, 21000);
        ask(w, "zapped", NULL);
        assert_string_equal(w->reason, "");
        assert_int_equal(w->error, 0);
        assert_int_equal(percent_encode(zap, &encoded), 0);
        assert_true(says(w->asked, "amount=21000&nostr="));
        assert_true(says(w->asked, encoded));
        assert_true(says(w->asked, "&lnurl=lnurl1"));
}

static void ask_refused(World *w, const char *name, const char *expected) {
        char destination[128];
        const LnurlOrder order = {
                .destination = destination,
                .msat = 21000,
                .zap_request = w->zap,
                .network = NETWORK_REGTEST,
        };
        const char *reason = NULL;

        (void) snprintf(destination, sizeof(destination), "%s@127.0.0.1:%u", name, w->server.port);
        assert_int_equal(lnurl_bill(w->http, &order, on_bill, w, &w->call, &reason), -EINVAL);
        assert_string_equal(reason, expected);
        assert_null(w->call);
}

static void a_zap_that_would_be_worth_nothing_is_not_asked_for(void **state) {
        World *w = *state;
        _cleanup_free_ char *other = NULL, *dearer = NULL, *open = NULL;

        w->zap = "{}";
        ask_refused(w, "zapped", "a field is missing");
        w->zap = other = zap_request("lnurl1other", 21000);
        ask_refused(w, "zapped", "the zap request is for another address");
        w->zap = dearer = zap_request(NULL, 22000);
        ask_refused(w, "zapped", "its request names another amount");
        assert_string_equal(w->asked, "");

        w->zap = open = zap_request(NULL, 21000);
        ask(w, "tea", NULL);
        assert_int_equal(w->error, -EINVAL);
        assert_string_equal(w->reason, "the server knows nothing of zaps");
        ask(w, "zap-hash", NULL);
        assert_int_equal(w->error, -EBADMSG);
        assert_string_equal(w->reason, "its invoice is about something else");
        ask(w, "zap-plain", NULL);
        assert_int_equal(w->error, -EBADMSG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(a_name_becomes_an_invoice),
                T(a_server_that_cheats_is_found_out),
                T(what_the_server_does_not_take_is_not_asked),
                T(our_own_network_is_not_asked_for_a_stranger),
                T(letting_go_cancels),
                T(only_the_preimage_proves_it),
                T(what_an_address_takes_is_told_without_asking_for_an_invoice),
                T(a_zap_request_goes_with_the_question_and_into_the_invoice),
                T(a_zap_that_would_be_worth_nothing_is_not_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
