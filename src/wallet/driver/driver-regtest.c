/* The wallet that is built in, for machines without money: a Lightning node of its own, on which
 * every account of this machine can pay every other. Its invoices are real (a node key signs them,
 * the preimage is true, they expire), its sats are not. Its tables are in the store, behind an
 * interface that only pylon-wallet may call; what was settled comes from there through the watch,
 * as from any other backend. */
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/fault.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "money/bolt11.h"
#include "regtest.h"

#define SELF       "self"
#define FAUCET     "faucet"
#define PAGE       500
#define HELD_MAX   64
#define FAULT_WAIT (5 * SEC) /* of the faults "…slow", "…pending" and "regtest.watch" */

typedef struct Held {
        uint8_t hash[32];
        int64_t amount_msat;
        sd_event_source *timer;
        struct Regtest *node;
} Held;

typedef struct Regtest {
        Driver driver;
        BusClient *bus;
        bool has_key, watching, asking, again, delayed;
        uint8_t secret[32];
        int64_t seq; /* of the last settlement that was told */
        sd_event_source *later;
        BusCall *asked;
        Held held[HELD_MAX]; /* payments that a fault keeps pending */
        size_t n_held;
} Regtest;

typedef struct RegtestOp {
        DriverOp op;
        BusCall *call;
        sd_event_source *timer;
        char *bolt11;
        DriverInvoice invoice;
        DriverPayment payment;
        char reason[128];
} RegtestOp;

static Regtest *op_node(RegtestOp *o) {
        return container_of(o->op.driver, Regtest, driver);
}

static void regtest_op_free(DriverOp *op) {
        RegtestOp *o = container_of(op, RegtestOp, op);

        bus_call_free(o->call);
        sd_event_source_disable_unref(o->timer);
        free(o->bolt11);
        free(o);
}

static int op_new(Driver *d, void *userdata, DriverOp **handle, RegtestOp **ret) {
        RegtestOp *o;
        int r;

        o = new0(RegtestOp, 1);
        if (!o)
                return -ENOMEM;
        r = driver_op_begin(d, &o->op, userdata, handle);
        if (r < 0) {
                free(o);
                return r;
        }
        *ret = o;
        return 0;
}

/* Sends a question; on failure the op is gone. */
static int op_ask(RegtestOp *o, sd_bus_message *m, int r, bus_reply_t done) {
        if (r >= 0)
                r = bus_client_call(op_node(o)->bus, m, 0, done, o, &o->call);
        if (r < 0)
                driver_op_free(&o->op);
        return r;
}

static int message_new(Regtest *n, const char *member, sd_bus_message **ret) {
        return bus_client_message(n->bus, BUS_STORE_REGTEST, member, ret);
}

/* ---- the watch */

static void watch_ask(Regtest *n);

static int on_later(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Regtest *n = userdata;

        n->later = sd_event_source_disable_unref(n->later);
        n->delayed = false;
        watch_ask(n);
        return 0;
}

/* Something was settled, or may have been. */
static void watch_wake(Regtest *n) {
        if (!n->watching || n->later)
                return;
        if (fault("regtest.watch") < 0 &&
                        sd_event_add_time_relative(n->driver.doors.event, &n->later,
                                        CLOCK_MONOTONIC, FAULT_WAIT, MSEC, on_later, n) >= 0) {
                n->delayed = true;
                return;
        }
        watch_ask(n);
}

static int read_settled(sd_bus_message *m, DriverInvoice *rows, size_t *ret_n, int64_t *ret_seq) {
        const char *hash, *preimage;
        int r;

        *ret_n = 0;
        r = sd_bus_message_enter_container(m, 'a', "(xsxxs)");
        while (r >= 0 && *ret_n < PAGE) {
                DriverInvoice *i = rows + *ret_n;

                r = sd_bus_message_read(m, "(xsxxs)", ret_seq, &hash, &i->received_msat,
                                &i->settled_at, &preimage);
                if (r <= 0)
                        break;
                i->state = DRIVER_INVOICE_SETTLED;
                r = hex_decode(hash, i->hash, sizeof(i->hash));
                i->has_preimage = hex_decode(preimage, i->preimage, sizeof(i->preimage)) >= 0;
                ++*ret_n;
        }
        return MIN(r, 0);
}

static void on_settled(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        _cleanup_free_ DriverInvoice *rows = NULL;
        Regtest *n = userdata;
        char cursor[24];
        int64_t seq = n->seq;
        size_t count = 0;

        n->asking = false;
        if (error >= 0) {
                rows = new0(DriverInvoice, PAGE);
                error = rows ? read_settled(m, rows, &count, &seq) : -ENOMEM;
        }
        if (error < 0) {
                n->driver.handler->state(false, reason ?: "the answer could not be read",
                                n->driver.userdata);
                return;
        }
        n->driver.handler->state(true, NULL, n->driver.userdata);
        n->seq = seq;
        (void) snprintf(cursor, sizeof(cursor), "%lld", (long long) seq);
        if (count > 0)
                n->driver.handler->settled(rows, count, cursor, n->driver.userdata);
        if (TAKE(n->again, false) || count == PAGE)
                watch_ask(n);
}

static void watch_ask(Regtest *n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (n->asking) {
                n->again = true;
                return;
        }
        r = message_new(n, "Settled", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sxu", SELF, n->seq, (uint32_t) PAGE);
        if (r >= 0)
                r = bus_client_call(n->bus, m, 0, on_settled, n, &n->asked);
        n->asking = r >= 0;
        if (r < 0)
                log_debug("The regtest node cannot be asked what was settled: %s", strerror(-r));
}

static int regtest_watch(Driver *d, const char *cursor) {
        Regtest *n = container_of(d, Regtest, driver);

        if (!isempty(cursor) && parse_i64(cursor, &n->seq) < 0)
                n->seq = 0; /* from the start: what is booked is not booked again */
        n->watching = true;
        watch_ask(n);
        return 0;
}

/* An answer may have been lost with the connection. */
static void on_up(void *userdata) {
        watch_wake(userdata);
}

static void on_down(_unused_ void *userdata) {
}

/* ---- information */

static void info_end(RegtestOp *o) {
        static const DriverInfo info = {
                .network = NETWORK_REGTEST,
                .alias = "regtest node of this machine",
                .version = "",
                .node = "",
        };

        driver_op_info(&o->op, 0, NULL, &info);
}

static void on_key(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        RegtestOp *o = userdata;
        Regtest *n = op_node(o);
        const char *hex;

        if (error >= 0 && sd_bus_message_read(m, "s", &hex) >= 0)
                n->has_key = hex_decode(hex, n->secret, sizeof(n->secret)) >= 0;
        if (n->has_key)
                info_end(o);
        else
                driver_op_info(&o->op, error < 0 ? error : -EBADMSG,
                                reason ?: "its key could not be read", NULL);
}

static int regtest_info(Driver *d, driver_info_t done, void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        uint8_t fresh[32];
        char hex[HEX32_MAX];
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.info = done;
        r = crypt_random(fresh, sizeof(fresh));
        hex_encode(fresh, sizeof(fresh), hex);
        if (r >= 0)
                r = message_new(n, "Key", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", hex);
        memory_wipe(fresh, sizeof(fresh));
        memory_wipe(hex, sizeof(hex));
        return op_ask(o, m, r, on_key);
}

static void on_balance(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        RegtestOp *o = userdata;
        int64_t msat = 0;

        if (error >= 0 && sd_bus_message_read(m, "x", &msat) < 0) {
                error = -EBADMSG;
                reason = "the answer could not be read";
        }
        driver_op_balance(&o->op, error, reason, msat);
}

int regtest_account_balance(Driver *d, const char *account, driver_balance_t done, void *userdata,
                DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.balance = done;
        r = message_new(n, "Balance", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", account);
        return op_ask(o, m, r, on_balance);
}

static int regtest_balance(Driver *d, driver_balance_t done, void *userdata, DriverOp **ret) {
        return regtest_account_balance(d, SELF, done, userdata, ret);
}

int regtest_fund_account(Driver *d, const char *id, const char *account, int64_t msat,
                driver_balance_t done, void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.balance = done;
        r = message_new(n, "Fund", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssx", id, account, msat);
        return op_ask(o, m, r, on_balance);
}

BusClient *regtest_bus(Driver *d) {
        return container_of(d, Regtest, driver)->bus;
}

/* ---- invoices */

static void on_added(_unused_ sd_bus_message *m, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        RegtestOp *o = userdata;

        driver_op_invoice(&o->op, error, reason, error < 0 ? NULL : &o->invoice);
}

static int sign_invoice(Regtest *n, RegtestOp *o, const DriverInvoiceRequest *r, int64_t now) {
        uint16_t features[] = { BOLT11_VAR_ONION, BOLT11_PAYMENT_SECRET };
        Bolt11 b = {
                .network = NETWORK_REGTEST,
                .amount_msat = r->amount_msat,
                .created_at = now,
                .expiry = r->expiry_s,
                .description = r->description_hash ? NULL : (char *) (r->description ?: ""),
                .features = features,
                .n_features = ELEMENTSOF(features),
        };
        const char *reason = "there is no memory";
        int e;

        e = crypt_random(o->invoice.preimage, 32);
        if (e >= 0)
                e = crypt_random(b.payment_secret, 32);
        if (e >= 0)
                e = sha256(o->invoice.preimage, 32, b.payment_hash);
        if (e < 0)
                return e;
        if (r->description_hash)
                memcpy(b.description_hash, r->description_hash, 32);
        memcpy(o->invoice.hash, b.payment_hash, 32);
        e = bolt11_encode(&b, n->secret, &o->bolt11, &reason);
        if (e < 0)
                log_debug("The invoice could not be written: %s", reason);
        return e;
}

int regtest_make_invoice(Driver *d, const char *account, const DriverInvoiceRequest *request,
                driver_invoice_t done, void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        char hash[HEX32_MAX], preimage[HEX32_MAX];
        uint64_t usec = 0;
        RegtestOp *o;
        int64_t now;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.invoice = done;
        (void) sd_event_now(d->doors.event, CLOCK_REALTIME, &usec);
        now = (int64_t) (usec / SEC);
        r = n->has_key ? sign_invoice(n, o, request, now) : -EAGAIN;
        if (r >= 0)
                r = message_new(n, "AddInvoice", &m);
        hex_encode(o->invoice.hash, 32, hash);
        hex_encode(o->invoice.preimage, 32, preimage);
        if (r >= 0)
                r = sd_bus_message_append(m, "sssssxxx", hash, preimage, account, o->bolt11,
                                request->description ?: "", request->amount_msat, now,
                                now + (int64_t) request->expiry_s);
        o->invoice.bolt11 = o->bolt11;
        memory_wipe(o->invoice.preimage, 32); /* the store has it; nobody else needs it yet */
        memory_wipe(preimage, sizeof(preimage));
        return op_ask(o, m, r, on_added);
}

static int regtest_invoice(Driver *d, const DriverInvoiceRequest *request, driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        return regtest_make_invoice(d, SELF, request, done, userdata, ret);
}

static int read_invoice(Regtest *n, sd_bus_message *m, DriverInvoice *ret) {
        const char *state, *account, *bolt11, *description, *preimage;
        int64_t amount, created, expires;
        int r;

        r = sd_bus_message_read(m, "sssssxxxxx", &state, &account, &bolt11, &description, &preimage,
                        &amount, &ret->received_msat, &created, &expires, &ret->settled_at);
        if (r < 0)
                return r;
        ret->state = streq(state, "settled")   ? DRIVER_INVOICE_SETTLED
                     : streq(state, "open")    ? DRIVER_INVOICE_OPEN
                     : streq(state, "expired") ? DRIVER_INVOICE_EXPIRED
                                               : DRIVER_INVOICE_ABSENT;
        if (ret->state != DRIVER_INVOICE_SETTLED)
                return 0;
        if (n->delayed) /* nobody hears of it before the watch tells */
                ret->state = DRIVER_INVOICE_OPEN;
        ret->has_preimage = hex_decode(preimage, ret->preimage, sizeof(ret->preimage)) >= 0;
        return 0;
}

static void on_invoice(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        RegtestOp *o = userdata;

        if (error >= 0) {
                error = read_invoice(op_node(o), m, &o->invoice);
                reason = "the answer could not be read";
        }
        driver_op_invoice(&o->op, error, reason, error < 0 ? NULL : &o->invoice);
}

static int regtest_lookup_invoice(Driver *d, const uint8_t hash[static 32], driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        char hex[HEX32_MAX];
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.invoice = done;
        memcpy(o->invoice.hash, hash, 32);
        hex_encode(hash, 32, hex);
        r = message_new(n, "Invoice", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", hex);
        return op_ask(o, m, r, on_invoice);
}

/* ---- payments */

static void payment_set(RegtestOp *o, DriverOutcome outcome, const char *reason) {
        (void) snprintf(o->reason, sizeof(o->reason), "%s", reason ?: "");
        o->payment.outcome = outcome;
        o->payment.reason = o->reason;
}

static int read_paid(RegtestOp *o, sd_bus_message *m) {
        const char *outcome, *reason, *preimage;
        int64_t amount, at;
        int r;

        r = sd_bus_message_read(m, "sssxx", &outcome, &reason, &preimage, &amount, &at);
        if (r < 0)
                return r;
        if (streq(outcome, "failed")) {
                payment_set(o, DRIVER_FAILED, reason);
                return 0;
        }
        payment_set(o, DRIVER_SETTLED, "");
        o->payment.has_preimage = hex_decode(preimage, o->payment.preimage, 32) >= 0;
        if (fault("regtest.pay.junk") < 0)
                memset(o->payment.preimage, 0x11, 32);
        if (fault("regtest.pay.lost") < 0)
                payment_set(o, DRIVER_UNKNOWN, "the answer was lost");
        return 0;
}

static void on_paid(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        RegtestOp *o = userdata;

        if (error < 0 || read_paid(o, m) < 0)
                payment_set(o, DRIVER_UNKNOWN, reason ?: "the answer could not be read");
        if (o->payment.outcome != DRIVER_FAILED)
                watch_wake(op_node(o)); /* it was perhaps an invoice of ours */
        driver_op_payment(&o->op, &o->payment);
}

static int pay_message(Regtest *n, const char *account, const uint8_t hash[static 32],
                int64_t amount_msat, sd_bus_message **ret) {
        char hex[HEX32_MAX];
        int r;

        hex_encode(hash, 32, hex);
        r = message_new(n, "Pay", ret);
        return r < 0 ? r : sd_bus_message_append(*ret, "ssx", account, hex, amount_msat);
}

int regtest_pay_from(Driver *d, const char *account, const uint8_t hash[static 32],
                int64_t amount_msat, driver_payment_t done, void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.payment = done;
        r = pay_message(n, account, hash, amount_msat, &m);
        return op_ask(o, m, r, on_paid);
}

static int on_fault_end(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        RegtestOp *o = userdata;

        driver_op_payment(&o->op, &o->payment);
        return 0;
}

/* A payment whose outcome a fault says. */
static int pay_with(Driver *d, DriverOutcome outcome, const char *reason, driver_payment_t done,
                void *userdata, DriverOp **ret) {
        RegtestOp *o;
        int r;

        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.payment = done;
        payment_set(o, outcome, reason);
        r = sd_event_add_time_relative(
                        d->doors.event, &o->timer, CLOCK_MONOTONIC, 0, 1, on_fault_end, o);
        if (r < 0)
                driver_op_free(&o->op);
        return r;
}

static void on_held_paid(_unused_ sd_bus_message *m, _unused_ int error, _unused_ const char *name,
                _unused_ const char *reason, void *userdata) {
        watch_wake(userdata);
}

static int on_held(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Held *h = userdata;

        h->timer = sd_event_source_disable_unref(h->timer);
        if (pay_message(h->node, SELF, h->hash, h->amount_msat, &m) >= 0)
                (void) bus_client_call(h->node->bus, m, 0, on_held_paid, h->node, NULL);
        return 0;
}

/* The fault "regtest.pay.pending": it is on its way for five seconds. */
static bool hold(Regtest *n, const DriverPayRequest *r) {
        Held *h = n->held + n->n_held;

        if (n->n_held >= HELD_MAX)
                return false;
        *h = (Held){ .amount_msat = r->amount_msat, .node = n };
        memcpy(h->hash, r->hash, sizeof(h->hash));
        if (sd_event_add_time_relative(n->driver.doors.event, &h->timer, CLOCK_MONOTONIC,
                            FAULT_WAIT, MSEC, on_held, h) < 0)
                return false;
        n->n_held++;
        return true;
}

static bool is_held(const Regtest *n, const uint8_t hash[static 32]) {
        for (size_t i = 0; i < n->n_held; i++)
                if (n->held[i].timer && memcmp(n->held[i].hash, hash, 32) == 0)
                        return true;
        return false;
}

static int regtest_pay(Driver *d, const DriverPayRequest *r, driver_payment_t done, void *userdata,
                DriverOp **ret) {
        Regtest *n = container_of(d, Regtest, driver);

        if (fault("regtest.pay.fail") < 0)
                return pay_with(d, DRIVER_FAILED, "a test wants it so", done, userdata, ret);
        if (fault("regtest.pay.pending") < 0 && hold(n, r))
                return pay_with(d, DRIVER_PENDING, "it is on its way", done, userdata, ret);
        return regtest_pay_from(d, SELF, r->hash, r->amount_is_ours ? r->amount_msat : 0, done,
                        userdata, ret);
}

static void on_payment(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        RegtestOp *o = userdata;
        const char *state, *preimage;
        int64_t amount, at;

        if (error < 0 || sd_bus_message_read(m, "ssxx", &state, &preimage, &amount, &at) < 0)
                payment_set(o, DRIVER_UNKNOWN, reason ?: "the answer could not be read");
        else if (!streq(state, "settled")) {
                payment_set(o, DRIVER_UNKNOWN, "the node does not know it");
                o->payment.absent = true;
        } else {
                payment_set(o, DRIVER_SETTLED, "");
                o->payment.has_preimage = hex_decode(preimage, o->payment.preimage, 32) >= 0;
        }
        driver_op_payment(&o->op, &o->payment);
}

static int regtest_lookup_payment(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Regtest *n = container_of(d, Regtest, driver);
        char hex[HEX32_MAX];
        RegtestOp *o;
        int r;

        if (is_held(n, hash))
                return pay_with(d, DRIVER_PENDING, "it is on its way", done, userdata, ret);
        r = op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.payment = done;
        hex_encode(hash, 32, hex);
        r = message_new(n, "Payment", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", SELF, hex);
        return op_ask(o, m, r, on_payment);
}

static int regtest_fund(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret) {
        return regtest_pay_from(d, FAUCET, hash, 0, done, userdata, ret);
}

/* ---- life cycle */

static void regtest_close(Driver *d) {
        Regtest *n = container_of(d, Regtest, driver);

        for (size_t i = 0; i < n->n_held; i++)
                sd_event_source_disable_unref(n->held[i].timer);
        sd_event_source_disable_unref(n->later);
        bus_client_free(n->bus);
        memory_wipe(n->secret, sizeof(n->secret));
        free(n);
}

static int regtest_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        Regtest *n;
        int r;

        if (doors->config->network != NETWORK_REGTEST) {
                *reterr = "its money is not real, so it is for \"network\" = \"regtest\" only";
                return -ENETUNREACH;
        }
        n = new0(Regtest, 1);
        if (!n)
                return -ENOMEM;
        driver_init(&n->driver, &driver_regtest, doors, handler, userdata);
        r = bus_client_new(doors->event, doors->store_socket, &n->bus);
        if (r < 0) {
                free(n);
                return r;
        }
        bus_client_on_state(n->bus, on_up, on_down, n);
        *ret = &n->driver;
        return 0;
}

const DriverClass driver_regtest = {
        .name = "regtest",
        .caps = {
                .push = true,
                .fee_limit = true,
                .pay_idempotent = true,
                .absent_is_final = true,
                .pays_itself = true,
                .unit_msat = 1,
        },
        .open = regtest_open,
        .close = regtest_close,
        .op_free = regtest_op_free,
        .make_invoice = regtest_invoice,
        .lookup_invoice = regtest_lookup_invoice,
        .pay = regtest_pay,
        .lookup_payment = regtest_lookup_payment,
        .balance = regtest_balance,
        .info = regtest_info,
        .watch = regtest_watch,
        .fund = regtest_fund,
};
