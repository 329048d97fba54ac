/* wallet/payment: with books and a backend that do what each test wants. Whatever the backend says
 * or does not say, it is asked to pay only after "sent" is written, and never twice without the
 * right to. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <systemd/sd-event.h>

#include "basic/crypt.h"
#include "bus/names.h"
#include "money/bolt11.h"
#include "tests/unit/http-server.h"
#include "wallet.h"

#define NOW_SLACK 600

typedef struct World {
        sd_event *event;
        Config *config;
        Wallet *wallet;
        char trail[1024];
        char *bolt11;
        uint8_t preimage[32], hash[32];

        /* What the books and the backend say next. */
        int add_verdict, sent_verdict;
        const char *add_text;
        DriverPayment pay, look;
        unsigned n_pays, n_looks;
        bool silent; /* pay() never answers */
        HttpServer payee;
        const char *verified; /* what the payee's server says */

        bool over;
        PaymentState state;
        char preimage_hex[HEX32_MAX], reason[256], id[64];
        int64_t fee;
        const char *error_name;
} World;

static World *world;

static void note(const char *what) {
        size_t n = strlen(world->trail);

        (void) snprintf(world->trail + n, sizeof(world->trail) - n, "%s ", what);
}

/* ---- the books: every answer comes from the loop */

typedef struct Later {
        sd_event_source *source;
        books_verdict_t done;
        books_intents_t rows;
        books_invoices_t invoices;
        books_text_t text;
        void *userdata;
        int verdict;
        char words[128];
} Later;

struct BooksCall {
        int nothing;
};
struct BooksClient {
        int nothing;
};
static BooksClient the_books;

static int on_later(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Later *l = userdata;

        if (l->done)
                l->done(l->verdict, l->words, l->userdata);
        if (l->rows)
                l->rows(0, NULL, NULL, 0, l->userdata);
        if (l->invoices)
                l->invoices(0, NULL, NULL, 0, l->userdata);
        if (l->text)
                l->text(0, NULL, "", l->userdata);
        sd_event_source_disable_unref(s);
        free(l);
        return 0;
}

static int later(Later l) {
        Later *copy = new0(Later, 1);

        *copy = l;
        return sd_event_add_time_relative(
                        world->event, &copy->source, CLOCK_BOOTTIME, 0, 1, on_later, copy);
}

int books_client_new(_unused_ sd_event *e, _unused_ const char *path, BooksClient **ret) {
        *ret = &the_books;
        return 0;
}
BooksClient *books_client_free(_unused_ BooksClient *c) {
        return NULL;
}
size_t books_client_n_waiting(_unused_ const BooksClient *c) {
        return 0;
}
BooksCall *books_call_free(_unused_ BooksCall *call) {
        return NULL;
}
int books_add_intent(_unused_ BooksClient *c, _unused_ const BooksIntent *i, books_verdict_t done,
                void *userdata, _unused_ BooksCall **ret) {
        Later l = { .done = done, .userdata = userdata, .verdict = world->add_verdict };

        note("reserve");
        (void) snprintf(l.words, sizeof(l.words), "%s", world->add_text ?: "new");
        return later(l);
}
/* Reserved and sent at once, unless a test wants to see it go in two steps. */
int books_send_intent(BooksClient *c, const BooksIntent *i, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        Later l = { .done = done, .userdata = userdata };

        assert_string_equal(i->driver, "scripted");
        if (world->add_verdict != 0 || world->add_text || world->sent_verdict != 0)
                return books_add_intent(c, i, done, userdata, ret);
        note("reserve");
        note("sent");
        (void) snprintf(l.words, sizeof(l.words), "sent");
        return later(l);
}
int books_move_intent(_unused_ BooksClient *c, const BooksMove *m, books_verdict_t done,
                void *userdata, _unused_ BooksCall **ret) {
        Later l = { .done = done, .userdata = userdata };

        note(m->state);
        if (streq(m->state, "sent"))
                l.verdict = world->sent_verdict;
        return done ? later(l) : 0;
}
int books_get_intent(_unused_ BooksClient *c, _unused_ const char *id, books_intents_t done,
                void *userdata, _unused_ BooksCall **ret) {
        return later((Later){ .rows = done, .userdata = userdata });
}
int books_open_intents(_unused_ BooksClient *c, _unused_ const char *after, _unused_ unsigned n,
                books_intents_t done, void *userdata, _unused_ BooksCall **ret) {
        return later((Later){ .rows = done, .userdata = userdata });
}
int books_open_invoices(_unused_ BooksClient *c, _unused_ const char *after, _unused_ unsigned n,
                books_invoices_t done, void *userdata, _unused_ BooksCall **ret) {
        return later((Later){ .invoices = done, .userdata = userdata });
}
int books_get_cursor(_unused_ BooksClient *c, _unused_ const char *driver, books_text_t done,
                void *userdata, _unused_ BooksCall **ret) {
        return later((Later){ .text = done, .userdata = userdata });
}
int books_add_invoice(_unused_ BooksClient *c, _unused_ const BooksInvoice *i,
                _unused_ books_verdict_t done, _unused_ void *userdata, _unused_ BooksCall **ret) {
        return -ENOSYS;
}
int books_settle_invoice(_unused_ BooksClient *c, _unused_ const BooksSettlement *s,
                _unused_ books_verdict_t done, _unused_ void *userdata, _unused_ BooksCall **ret) {
        return -ENOSYS;
}
int books_end_invoice(_unused_ BooksClient *c, _unused_ const char *hash,
                _unused_ const char *state, _unused_ books_verdict_t done, _unused_ void *userdata,
                _unused_ BooksCall **ret) {
        return -ENOSYS;
}
int books_get_invoice(_unused_ BooksClient *c, _unused_ const char *hash,
                _unused_ books_invoices_t done, _unused_ void *userdata, _unused_ BooksCall **ret) {
        return -ENOSYS;
}
int books_set_cursor(_unused_ BooksClient *c, _unused_ const char *driver,
                _unused_ const char *cursor, _unused_ books_verdict_t done, _unused_ void *userdata,
                _unused_ BooksCall **ret) {
        return 0;
}
int books_deposit(_unused_ BooksClient *c, _unused_ const BooksDeposit *d,
                _unused_ books_verdict_t done, _unused_ void *userdata, _unused_ BooksCall **ret) {
        return 0;
}

/* ---- the backend */

typedef struct Answer {
        DriverOp op;
        sd_event_source *source;
        DriverPayment payment;
        bool info;
} Answer;

static void answer_free(DriverOp *op) {
        Answer *a = container_of(op, Answer, op);

        sd_event_source_disable_unref(a->source);
        free(a);
}

static int on_answer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        static const DriverInfo info = { NETWORK_REGTEST, "", "", "" };
        Answer *a = userdata;

        if (a->info)
                driver_op_info(&a->op, 0, NULL, &info);
        else
                driver_op_payment(&a->op, &a->payment);
        return 0;
}

static Answer *answer_new(Driver *d, void *userdata, DriverOp **ret, bool silent) {
        Answer *a = new0(Answer, 1);

        assert_int_equal(driver_op_begin(d, &a->op, userdata, ret), 0);
        if (!silent)
                assert_true(sd_event_add_time_relative(world->event, &a->source, CLOCK_BOOTTIME, 0,
                                            1, on_answer, a) >= 0);
        return a;
}

static int scripted_pay(Driver *d, _unused_ const DriverPayRequest *r, driver_payment_t done,
                void *userdata, DriverOp **ret) {
        Answer *a = answer_new(d, userdata, ret, world->silent);

        note("PAY");
        world->n_pays++;
        a->op.done.payment = done;
        a->payment = world->pay;
        return 0;
}

static int scripted_look(Driver *d, _unused_ const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret) {
        Answer *a = answer_new(d, userdata, ret, false);

        note("look");
        world->n_looks++;
        a->op.done.payment = done;
        a->payment = world->look;
        return 0;
}

static int scripted_info(Driver *d, driver_info_t done, void *userdata, DriverOp **ret) {
        Answer *a = answer_new(d, userdata, ret, false);

        a->op.done.info = done;
        a->info = true;
        return 0;
}

static void scripted_close(Driver *d) {
        free(d);
}

static int scripted_open(const DriverDoors *doors, const DriverHandler *h, void *userdata,
                Driver **ret, const char **reterr);

static DriverClass scripted = {
        .name = "scripted",
        .caps = { .pays_itself = true, .unit_msat = 1 },
        .open = scripted_open,
        .close = scripted_close,
        .op_free = answer_free,
        .pay = scripted_pay,
        .lookup_payment = scripted_look,
        .info = scripted_info,
};

static int scripted_open(const DriverDoors *doors, const DriverHandler *h, void *userdata,
                Driver **ret, _unused_ const char **reterr) {
        *ret = new0(Driver, 1);
        driver_init(*ret, &scripted, doors, h, userdata);
        return 0;
}

/* ---- one payment */

static void on_over(Payment *p, void *userdata) {
        World *w = userdata;

        w->over = true;
        w->state = (PaymentState) p->flow.state;
        w->fee = p->fee_msat;
        w->error_name = p->error_name;
        (void) snprintf(w->preimage_hex, sizeof(w->preimage_hex), "%s", p->preimage);
        (void) snprintf(w->reason, sizeof(w->reason), "%s", p->reason);
        (void) snprintf(w->id, sizeof(w->id), "%s", p->id);
}

static void make_invoice(World *w, Network network, int64_t msat, int64_t age) {
        uint8_t secret[32] = { [31] = 7 };
        uint16_t features[] = { BOLT11_VAR_ONION, BOLT11_PAYMENT_SECRET };
        Bolt11 b = { .network = network,
                .amount_msat = msat,
                .expiry = NOW_SLACK,
                .description = (char *) "x",
                .features = features,
                .n_features = 2 };
        const char *reason = "";
        uint64_t now;

        memset(w->preimage, 0x42, sizeof(w->preimage));
        assert_int_equal(sha256(w->preimage, 32, w->hash), 0);
        memcpy(b.payment_hash, w->hash, 32);
        assert_true(sd_event_now(w->event, CLOCK_REALTIME, &now) >= 0);
        b.created_at = (int64_t) (now / SEC) - age;
        free(w->bolt11);
        w->bolt11 = NULL;
        assert_int_equal(bolt11_encode(&b, secret, &w->bolt11, &reason), 0);
}

/* ---- the payee's server, for LUD-21 */

static char *serve(_unused_ const char *path, _unused_ void *userdata) {
        note("verify");
        return strdup(world->verified);
}

static void payee_listen(World *w) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(a);

        w->payee.event = w->event;
        w->payee.serve = serve;
        http_server_listen(&w->payee, (const struct sockaddr *) &a, sizeof(a));
        assert_int_equal(getsockname(sd_event_source_get_io_fd(w->payee.accept),
                                         (struct sockaddr *) &a, &size),
                        0);
        w->payee.port = ntohs(a.sin_port);
}

static int set_up(void **state) {
        World *w = world = new0(World, 1);
        WalletSetup setup = {
                .class = &scripted, .store_socket = "", .relay_socket = "", .signer_socket = ""
        };

        assert_int_equal(crypt_setup(), 0);
        assert_true(sd_event_new(&w->event) >= 0);
        assert_int_equal(config_parse("", 0, NULL, NULL, &w->config), 0);
        setup.config = w->config;
        scripted.caps = (DriverCaps){ .pays_itself = true, .unit_msat = 1 };
        assert_int_equal(wallet_new(w->event, &setup, NULL, NULL, &w->wallet), 0);
        while (w->wallet->state != WALLET_READY)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        payee_listen(w);
        make_invoice(w, NETWORK_REGTEST, 1000, 0);
        w->pay = (DriverPayment){ .outcome = DRIVER_SETTLED, .fee_msat = 3, .has_preimage = true };
        memcpy(w->pay.preimage, w->preimage, 32);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        w->wallet = wallet_free(w->wallet);
        http_server_done(&w->payee);
        config_free(w->config);
        free(w->bolt11);
        sd_event_unref(w->event);
        free(w);
        return 0;
}

static Payment *start_amount(World *w, int64_t msat) {
        const PaymentOrder order = { .id = "p",
                .account = "owner",
                .destination = w->bolt11,
                .amount_msat = msat,
                .fee_max_msat = -1 };
        Payment *p;

        w->over = false;
        assert_int_equal(payment_new(w->wallet, &order, &p), 0);
        assert_int_equal(payment_wait(p, on_over, w), 0);
        return p;
}

static void run(World *w) {
        while (!w->over)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static void run_until(World *w, const char *trail) {
        while (!streq(w->trail, trail)) {
                assert_true(strlen(w->trail) < strlen(trail));
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        }
}

static void a_payment_is_written_down_before_it_is_made(void **state) {
        World *w = *state;
        char hex[HEX32_MAX];

        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "reserve sent PAY settled ");
        assert_int_equal(w->state, PAYMENT_SETTLED);
        assert_int_equal(w->fee, 3);
        hex_encode(w->preimage, 32, hex);
        assert_string_equal(w->preimage_hex, hex);
        assert_int_equal(map_size(&w->wallet->payments), 0);
}

static void what_cannot_be_reserved_is_never_sent(void **state) {
        World *w = *state;

        w->add_verdict = -EDQUOT;
        w->add_text = "more than per_day allows";
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "reserve ");
        assert_int_equal(w->state, PAYMENT_REFUSED);
        assert_string_equal(w->error_name, BUS_ERROR_NO_MONEY);
}

static void what_cannot_be_written_as_sent_is_never_sent(void **state) {
        World *w = *state;

        w->sent_verdict = -EALREADY;
        (void) start_amount(w, 0);
        run(w);
        assert_int_equal(w->n_pays, 0);
        assert_int_equal(w->state, PAYMENT_FAILED);
}

static void a_refusal_is_final(void **state) {
        World *w = *state;

        w->pay = (DriverPayment){ .outcome = DRIVER_FAILED, .reason = "there is no route" };
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "reserve sent PAY failed ");
        assert_string_equal(w->reason, "there is no route");
}

static void silence_is_not_failure(void **state) {
        World *w = *state;

        w->pay = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .reason = "the answer was lost" };
        w->look = (DriverPayment){ .outcome = DRIVER_SETTLED, .has_preimage = true };
        memcpy(w->look.preimage, w->preimage, 32);
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "reserve sent PAY unknown look settled ");
        assert_int_equal(w->n_pays, 1);
}

static void an_unknown_payment_is_sent_again_only_where_that_is_safe(void **state) {
        World *w = *state;
        Payment *p;

        w->pay = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .reason = "the answer was lost" };
        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .absent = true };
        p = start_amount(w, 0);
        run_until(w, "reserve sent PAY unknown look ");
        for (int i = 0; i < 20; i++) {
                assert_true(sd_event_run(w->event, 10 * MSEC) >= 0);
                payment_look(p);
        }
        assert_true(w->n_looks > 3);
        assert_int_equal(w->n_pays, 1);
        assert_false(w->over);
        assert_string_equal(payment_word(p), "unknown");
}

static void an_idempotent_backend_is_asked_to_pay_once_more(void **state) {
        World *w = *state;
        Payment *p;

        scripted.caps.pay_idempotent = true;
        w->pay = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .reason = "the answer was lost" };
        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .absent = true };
        p = start_amount(w, 0);
        for (int i = 0; i < 40; i++) {
                assert_true(sd_event_run(w->event, 10 * MSEC) >= 0);
                payment_look(p);
        }
        assert_int_equal(w->n_pays, 2);
        assert_false(w->over);
}

static void a_failure_that_must_be_seen_twice_is(void **state) {
        World *w = *state;
        Payment *p;

        scripted.caps.failed_twice = true;
        w->pay = (DriverPayment){ .outcome = DRIVER_PENDING };
        w->look = (DriverPayment){ .outcome = DRIVER_FAILED, .reason = "expired" };
        p = start_amount(w, 0);
        while (w->n_looks < 1) {
                assert_true(sd_event_run(w->event, 10 * MSEC) >= 0);
                if (w->n_pays > 0)
                        payment_look(p);
        }
        assert_false(w->over);
        run(w);
        assert_int_equal(w->n_looks, 2);
        assert_int_equal(w->state, PAYMENT_FAILED);
}

static void a_wrong_preimage_proves_nothing(void **state) {
        World *w = *state;

        w->pay.preimage[0] ^= 1;
        (void) start_amount(w, 0);
        run(w);
        assert_int_equal(w->state, PAYMENT_SETTLED);
        assert_string_equal(w->preimage_hex, "");
}

static void another_network_is_refused(void **state) {
        World *w = *state;

        make_invoice(w, NETWORK_MAINNET, 1000, 0);
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "");
        assert_string_equal(w->error_name, BUS_ERROR_WRONG_NETWORK);
}

static void an_expired_invoice_is_refused(void **state) {
        World *w = *state;

        make_invoice(w, NETWORK_REGTEST, 1000, NOW_SLACK + 1);
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "");
        assert_string_equal(w->reason, "the invoice has expired");
}

static void the_amount_is_the_invoices_or_ours(void **state) {
        World *w = *state;

        (void) start_amount(w, 999);
        run(w);
        assert_string_equal(w->reason, "the invoice is about another amount");
        make_invoice(w, NETWORK_REGTEST, 0, 0);
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->reason, "the invoice names no amount, so say one");
        assert_string_equal(w->trail, "");
        (void) start_amount(w, 5);
        run(w);
        assert_int_equal(w->state, PAYMENT_SETTLED);
}

static void the_same_purpose_joins_the_payment_that_is_there(void **state) {
        World *w = *state;

        w->add_verdict = 1;
        w->add_text = "the-first";
        (void) start_amount(w, 0);
        run(w);
        assert_string_equal(w->trail, "reserve ");
        assert_int_equal(w->state, PAYMENT_JOINED);
        assert_string_equal(w->id, "the-first");
}

static void a_person_lets_it_go(void **state) {
        World *w = *state;
        Payment *p;

        w->add_text = "waiting";
        p = start_amount(w, 0);
        run_until(w, "reserve ");
        while (p->flow.state != PAYMENT_WAITING)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        assert_int_equal(w->n_pays, 0);
        assert_int_equal(payment_approved(p, true), 0);
        run(w);
        assert_int_equal(w->state, PAYMENT_SETTLED);
}

static void a_person_knows_better(void **state) {
        World *w = *state;
        Payment *p;

        w->silent = true;
        p = start_amount(w, 0);
        run_until(w, "reserve sent PAY ");
        assert_int_equal(payment_resolve(p, false, "the channel was closed"), 0);
        run(w);
        assert_int_equal(w->state, PAYMENT_FAILED);
        assert_string_equal(w->trail, "reserve sent PAY failed ");
}

/* As after a restart: the row of the books is all there is. */
static void adopt_verified(World *w, const char *word, int64_t tries, const char *verify) {
        char hash[HEX32_MAX];
        BooksIntent row = { .id = "old",
                .account = "owner",
                .bolt11 = w->bolt11,
                .state = word,
                .driver = tries > 0 ? "scripted" : "",
                .amount_msat = 1000,
                .verify = verify,
                .tries = tries };
        Payment *p;

        hex_encode(w->hash, 32, hash);
        row.hash = hash;
        assert_int_equal(payment_adopt(w->wallet, &row), 0);
        p = payment_find(w->wallet, hash);
        assert_non_null(p);
        w->over = false;
        assert_int_equal(payment_wait(p, on_over, w), 0);
}

static void adopt(World *w, const char *word, int64_t tries) {
        adopt_verified(w, word, tries, NULL);
}

/* As after a restart, with a payee whose server says this. */
static void adopt_said(World *w, const char *verified) {
        char url[64];

        (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/verify", w->payee.port);
        w->verified = verified;
        adopt_verified(w, "sent", 1, url);
}

static void run_to(World *w, PaymentState state) {
        while (payment_find(w->wallet, "old")->flow.state != (int) state)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
}

#define PREIMAGE       "4242424242424242424242424242424242424242424242424242424242424242"
#define SAID(preimage) "{\"status\":\"OK\",\"settled\":true,\"preimage\":\"" preimage "\"}"

static void the_payees_server_proves_what_the_backend_does_not_know(void **state) {
        World *w = *state;

        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        adopt_said(w, SAID(PREIMAGE));
        run(w);
        assert_string_equal(w->trail, "look verify settled ");
        assert_int_equal(w->state, PAYMENT_SETTLED);
        assert_string_equal(w->preimage_hex, PREIMAGE);
        assert_int_equal(w->fee, 0);
}

static void what_the_payees_server_denies_is_not_failed(void **state) {
        static const char *const words[] = { "{\"status\":\"OK\",\"settled\":false}",
                "{\"status\":\"ERROR\",\"reason\":\"Not found\"}", "<html>",
                SAID("4242424242424242424242424242424242424242424242424242424242424243"),
                "{\"status\":\"OK\",\"settled\":true}" };
        World *w = *state;

        /* So sure may a backend be that never heard of it. */
        scripted.caps.pay_idempotent = true;
        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                w->trail[0] = 0;
                adopt_said(w, words[i]);
                run_to(w, PAYMENT_PAUSED);
                assert_string_equal(w->trail, "look verify unknown ");
                payment_free(payment_find(w->wallet, "old"));
        }
}

static void the_payees_server_is_asked_before_anything_is_sent_again(void **state) {
        World *w = *state;

        scripted.caps.pay_idempotent = true;
        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .absent = true, .fee_msat = -1 };
        adopt_said(w, SAID(PREIMAGE));
        run(w);
        assert_string_equal(w->trail, "look verify settled ");

        w->trail[0] = 0;
        adopt_said(w, "{\"status\":\"OK\",\"settled\":false}");
        run(w);
        assert_string_equal(w->trail, "look verify sent PAY settled ");
}

static void who_knows_is_not_asked_twice(void **state) {
        World *w = *state;

        w->look = (DriverPayment){ .outcome = DRIVER_PENDING, .fee_msat = -1 };
        adopt_said(w, SAID(PREIMAGE));
        run_to(w, PAYMENT_PAUSED);
        assert_string_equal(w->trail, "look ");
        w->look = (DriverPayment){ .outcome = DRIVER_FAILED, .reason = "no route" };
        payment_look(payment_find(w->wallet, "old"));
        run(w);
        assert_string_equal(w->trail, "look look failed ");
}

static void a_person_decides_while_the_payees_server_is_asked(void **state) {
        World *w = *state;

        w->look = (DriverPayment){ .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        adopt_said(w, SAID(PREIMAGE));
        while (!payment_find(w->wallet, "old")->resolution)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        assert_int_equal(
                        payment_resolve(payment_find(w->wallet, "old"), false, "it never went"), 0);
        run(w);
        assert_int_equal(w->state, PAYMENT_FAILED);
}

static void another_wallets_payment_is_proved_by_the_payee(void **state) {
        World *w = *state;
        Payment *p;

        adopt_said(w, SAID(PREIMAGE));
        p = payment_find(w->wallet, "old");
        (void) snprintf(p->driver, sizeof(p->driver), "another");
        run(w);
        assert_string_equal(w->trail, "verify settled ");
}

static void after_a_crash_what_was_never_sent_is_released(void **state) {
        World *w = *state;

        adopt(w, "new", 0);
        run(w);
        assert_string_equal(w->trail, "failed ");
        assert_string_equal(w->reason, "the wallet stopped before it was sent");
}

static void after_a_crash_what_was_sent_is_looked_up(void **state) {
        World *w = *state;

        w->look = (DriverPayment){ .outcome = DRIVER_SETTLED, .has_preimage = true };
        memcpy(w->look.preimage, w->preimage, 32);
        adopt(w, "sent", 1);
        run(w);
        assert_string_equal(w->trail, "look settled ");
        assert_int_equal(w->n_pays, 0);
}

static void what_another_wallet_sent_is_left_alone(void **state) {
        World *w = *state;
        Payment *p;

        adopt(w, "sent", 1);
        p = payment_find(w->wallet, "old");
        (void) snprintf(p->driver, sizeof(p->driver), "another");
        while (p->flow.state != PAYMENT_PAUSED)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        assert_int_equal(w->n_looks, 0);
        assert_int_equal(w->n_pays, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(a_payment_is_written_down_before_it_is_made),
                T(what_cannot_be_reserved_is_never_sent),
                T(what_cannot_be_written_as_sent_is_never_sent),
                T(a_refusal_is_final),
                T(silence_is_not_failure),
                T(an_unknown_payment_is_sent_again_only_where_that_is_safe),
                T(an_idempotent_backend_is_asked_to_pay_once_more),
                T(a_failure_that_must_be_seen_twice_is),
                T(a_wrong_preimage_proves_nothing),
                T(another_network_is_refused),
                T(an_expired_invoice_is_refused),
                T(the_amount_is_the_invoices_or_ours),
                T(the_same_purpose_joins_the_payment_that_is_there),
                T(a_person_lets_it_go),
                T(a_person_knows_better),
                T(after_a_crash_what_was_never_sent_is_released),
                T(after_a_crash_what_was_sent_is_looked_up),
                T(what_another_wallet_sent_is_left_alone),
                T(the_payees_server_proves_what_the_backend_does_not_know),
                T(what_the_payees_server_denies_is_not_failed),
                T(the_payees_server_is_asked_before_anything_is_sent_again),
                T(who_knows_is_not_asked_twice),
                T(a_person_decides_while_the_payees_server_is_asked),
                T(another_wallets_payment_is_proved_by_the_payee),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
