/* The functions of a driver that are the same for every backend with an HTTP interface: from a
 * question of the core to the dialect's words, over the wire, and back to an outcome. */
#include <arpa/inet.h>

#include "basic/crypt.h"
#include "nostr/url.h"
#include "wire.h"

#define URL_BYTES_MAX 512

typedef struct WireOp {
        DriverOp op;
        WireCall *call;
        sd_event_source *defer;
        uint8_t hash[32];
        int64_t expires_at;
        WirePaid verdict; /* what the answer to pay() was worth */
        const char *why;  /* in words, or a constant */
        WireWords words;
} WireOp;

static Wire *op_wire(WireOp *o) {
        return container_of(o->op.driver, Wire, driver);
}

void wire_op_free(DriverOp *op) {
        WireOp *o = container_of(op, WireOp, op);

        wire_call_free(o->call);
        sd_event_source_disable_unref(o->defer);
        free(o);
}

static WireOp *op_new(Driver *d, void *userdata, DriverOp **ret) {
        WireOp *o = new0(WireOp, 1);

        if (o && driver_op_begin(d, &o->op, userdata, ret) < 0)
                return mfree(o);
        return o;
}

/* Before the question was on its way: the caller gets an error, and no callback. */
static int op_abandon(WireOp *o, int r) {
        driver_op_free(&o->op);
        return r;
}

static int op_ask(WireOp *o, const WireAsk *ask, wire_answered_t answered) {
        const char *reason;

        o->call = wire_call_free(o->call);
        return wire_call(op_wire(o), ask, answered, o, &o->call, &reason);
}

/* ---- invoices */

static void on_made(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        Wire *w = op_wire(o);
        const char *reason = "the backend's answer has another form";
        DriverInvoice invoice = { .received_msat = -1 };
        int r = a->error;

        if (r < 0)
                reason = a->reason;
        else
                r = w->dialect->read_made(a, &invoice, &reason);
        if (r >= 0 && w->dialect->made)
                w->dialect->made(w, invoice.hash, o->expires_at);
        driver_op_invoice(&o->op, r, r < 0 ? reason : NULL, r < 0 ? NULL : &invoice);
}

int wire_make_invoice(Driver *d, const DriverInvoiceRequest *r, driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        _cleanup_ask_ WireAsk ask;
        const char *reason;
        WireOp *o;
        int e;

        wire_ask_init(&ask);
        e = w->dialect->ask_make(&ask, r, &reason);
        if (e < 0)
                return e;
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.invoice = done;
        o->expires_at = wire_now(w) + r->expiry_s;
        e = op_ask(o, &ask, on_made);
        return e < 0 ? op_abandon(o, e) : 0;
}

static void on_invoice(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        Wire *w = op_wire(o);
        const char *reason = "the backend's answer has another form";
        DriverInvoice invoice = { .received_msat = -1 };
        int r = a->error;

        memcpy(invoice.hash, o->hash, 32);
        if (r < 0)
                reason = a->reason;
        else
                r = w->dialect->read_invoice(a, o->hash, &invoice, &reason);
        if (r >= 0 && invoice.state == DRIVER_INVOICE_OPEN && w->dialect->made)
                w->dialect->made(w, o->hash, 0);
        driver_op_invoice(&o->op, r, r < 0 ? reason : NULL, r < 0 ? NULL : &invoice);
}

int wire_lookup_invoice(Driver *d, const uint8_t hash[static 32], driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        _cleanup_ask_ WireAsk ask;
        WireOp *o;
        int r;

        wire_ask_init(&ask);
        r = w->dialect->ask_invoice(&ask, hash);
        if (r < 0)
                return r;
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.invoice = done;
        memcpy(o->hash, hash, 32);
        r = op_ask(o, &ask, on_invoice);
        return r < 0 ? op_abandon(o, r) : 0;
}

/* ---- payments */

static void op_paid(WireOp *o, DriverOutcome outcome, const char *reason) {
        DriverPayment p = { .outcome = outcome, .fee_msat = -1, .reason = reason };

        driver_op_payment(&o->op, &p);
}

/* The second look: a refusal counts where nothing is in flight under this hash. */
static void on_second_look(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        DriverPayment p = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1, .reason = a->reason };
        WireWords words;
        bool refused = o->verdict == WIRE_REFUSED;

        if (a->error >= 0)
                op_wire(o)->dialect->read_payment(a, o->hash, refused, &words, &p);
        if (refused && (p.outcome == DRIVER_FAILED || (p.outcome == DRIVER_UNKNOWN && p.absent)))
                return op_paid(o, DRIVER_FAILED, o->why);

        if (p.outcome == DRIVER_UNKNOWN && isempty(p.reason))
                p.reason = o->why;
        p.absent = false; /* it said a moment ago that it knows it */
        driver_op_payment(&o->op, &p);
}

static void on_paid(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        _cleanup_ask_ WireAsk ask;
        DriverPayment p = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };

        wire_ask_init(&ask);
        if (a->error < 0)
                return op_paid(o, DRIVER_UNKNOWN, a->reason);

        o->verdict = op_wire(o)->dialect->read_pay(a, &o->words, &p);
        o->why = p.reason;
        if (o->verdict == WIRE_TOLD) {
                driver_op_payment(&o->op, &p);
                return;
        }
        if (op_wire(o)->dialect->ask_payment(&ask, o->hash) < 0 ||
                        op_ask(o, &ask, on_second_look) < 0)
                op_paid(o, DRIVER_UNKNOWN, o->why);
}

static int on_cannot(_unused_ sd_event_source *s, void *userdata) {
        WireOp *o = userdata;

        op_paid(o, DRIVER_FAILED, o->why);
        return 0;
}

/* Nothing was sent, and nothing will be. */
static int op_cannot(WireOp *o, const char *reason) {
        o->why = reason;
        return sd_event_add_defer(o->op.driver->doors.event, &o->defer, on_cannot, o);
}

int wire_pay(Driver *d, const DriverPayRequest *r, driver_payment_t done, void *userdata,
                DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        WireOp *o;
        int e;

        wire_ask_init(&ask);
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.payment = done;
        memcpy(o->hash, r->hash, 32);

        ask.total = DRIVER_PAY_DEADLINE;
        e = w->dialect->ask_pay(&ask, r, &reason);
        if (e == -EINVAL)
                e = op_cannot(o, reason);
        else if (e >= 0)
                e = op_ask(o, &ask, on_paid);
        return e < 0 ? op_abandon(o, e) : 0;
}

static void on_payment(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        DriverPayment p = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1, .reason = a->reason };

        if (a->error >= 0)
                op_wire(o)->dialect->read_payment(a, o->hash, false, &o->words, &p);
        driver_op_payment(&o->op, &p);
}

int wire_lookup_payment(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        _cleanup_ask_ WireAsk ask;
        WireOp *o;
        int r;

        wire_ask_init(&ask);
        r = w->dialect->ask_payment(&ask, hash);
        if (r < 0)
                return r;
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.payment = done;
        memcpy(o->hash, hash, 32);
        r = op_ask(o, &ask, on_payment);
        return r < 0 ? op_abandon(o, r) : 0;
}

/* ---- the rest */

static void on_balance(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        const char *reason = "the backend's answer has another form";
        int64_t msat = 0;
        int r = a->error;

        if (r < 0)
                reason = a->reason;
        else
                r = op_wire(o)->dialect->read_balance(a, &msat, &reason);
        driver_op_balance(&o->op, r, r < 0 ? reason : NULL, msat);
}

int wire_balance(Driver *d, driver_balance_t done, void *userdata, DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        _cleanup_ask_ WireAsk ask;
        WireOp *o;
        int r;

        wire_ask_init(&ask);
        r = w->dialect->ask_balance(&ask);
        if (r < 0)
                return r;
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.balance = done;
        r = op_ask(o, &ask, on_balance);
        return r < 0 ? op_abandon(o, r) : 0;
}

static void on_info(const WireAnswer *a, void *userdata) {
        WireOp *o = userdata;
        const char *reason = "the backend's answer has another form";
        DriverInfo info = { .network = -1, .alias = "", .version = "", .node = "" };
        int r = a->error;

        if (r < 0)
                reason = a->reason;
        else
                r = op_wire(o)->dialect->read_info(a, &info, &reason);
        driver_op_info(&o->op, r, r < 0 ? reason : NULL, r < 0 ? NULL : &info);
}

int wire_info(Driver *d, driver_info_t done, void *userdata, DriverOp **ret) {
        Wire *w = container_of(d, Wire, driver);
        _cleanup_ask_ WireAsk ask;
        WireOp *o;
        int r;

        wire_ask_init(&ask);
        r = w->dialect->ask_info(&ask);
        if (r < 0)
                return r;
        o = op_new(d, userdata, ret);
        if (!o)
                return -ENOMEM;
        o->op.done.info = done;
        r = op_ask(o, &ask, on_info);
        return r < 0 ? op_abandon(o, r) : 0;
}

void wire_settled(Wire *w, const DriverInvoice *invoices, size_t n, const char *cursor) {
        if (w->driver.handler->settled)
                w->driver.handler->settled(invoices, n, cursor, w->driver.userdata);
}

void wire_state(Wire *w, bool up, const char *reason) {
        if (w->driver.handler->state)
                w->driver.handler->state(up, reason, w->driver.userdata);
}

/* ---- opening */

static bool host_is_loopback(const char *host) {
        struct in6_addr six;
        struct in_addr four;

        if (streq(host, "localhost"))
                return true;
        if (inet_pton(AF_INET, host, &four) == 1)
                return ntohl(four.s_addr) >> 24 == 127;
        return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* The rules for a relay's URL, with the other scheme. */
static int base_check(const char *rest, bool secure, const char **reterr) {
        _cleanup_(url_freep) Url *url = NULL;
        char text[URL_BYTES_MAX + 8] = "wss://";
        int r;

        if (!secure)
                memcpy(text, "ws://", sizeof("ws://"));
        strncat(text, rest, URL_BYTES_MAX - 1);
        r = url_parse(text, &url, reterr);
        if (r < 0)
                return r;
        if (!secure && !host_is_loopback(url->host)) {
                *reterr = "its url has no encryption: http:// is for this machine only";
                return -EINVAL;
        }
        if (strchr(url->path, '?')) {
                *reterr = "its url holds a query";
                return -EINVAL;
        }
        return 0;
}

static int wire_set_url(Wire *w, const char *url, const char **reterr) {
        const char *path = startswith(url, "unix:"), *rest = startswith(url, "https://");
        bool secure = rest;
        size_t n = strlen(url);
        int r;

        if (path) {
                if (path[0] != '/')
                        return *reterr = "its unix: url names no absolute path", -EINVAL;
                w->socket = strdup(path);
                w->base = strdup("http://localhost");
                return w->socket && w->base ? 0 : -ENOMEM;
        }

        rest = rest ?: startswith(url, "http://");
        if (!rest || n >= URL_BYTES_MAX)
                return *reterr = "its url begins neither with https:// nor http:// nor unix:",
                       -EINVAL;
        r = base_check(rest, secure, reterr);
        if (r < 0)
                return r;
        while (n > 0 && url[n - 1] == '/')
                n--;
        w->base = strndup(url, n);
        return w->base ? 0 : -ENOMEM;
}

static bool header_is_clean(const Buffer *b) {
        for (size_t i = 0; i < b->size; i++)
                if ((unsigned char) b->data[i] < ' ' || (unsigned char) b->data[i] >= 0x7f)
                        return false;
        return true;
}

int wire_init(Wire *w, const WireDialect *dialect, const DriverDoors *doors,
                const DriverHandler *handler, void *userdata, const char **reterr) {
        const char *url = doors->config->wallet.url;
        int r;

        driver_init(&w->driver, dialect->class, doors, handler, userdata);
        w->dialect = dialect;
        buffer_init(&w->header, WIRE_PATH_MAX);

        *reterr = "there was no memory";
        r = wire_set_url(w, isempty(url) ? dialect->usual : url, reterr);
        if (r < 0)
                return r;
        r = buffer_reserve(&w->header, WIRE_PATH_MAX - 1); /* never moved: no copy is left behind */
        if (r >= 0 && doors->secret)
                r = dialect->header(doors->secret, &w->header);
        if (r >= 0 && !header_is_clean(&w->header))
                r = -EINVAL;
        if (r < 0)
                *reterr = r == -ENOMEM ? "there was no memory" : "its secret has another form";
        return r;
}

void wire_done(Wire *w) {
        if (w->header.data)
                memory_wipe(w->header.data, w->header.size);
        buffer_done(&w->header);
        free(w->base);
        free(w->socket);
}
