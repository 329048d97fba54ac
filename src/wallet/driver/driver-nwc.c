/* NWC: any wallet that speaks NIP-47, over relays. It has no connection to lose and no receipt for
 * a question: silence says nothing, so a payment is failed only where the wallet says that it was
 * not even tried, or says "failed" of it twice. The signed request of a payment is what may be
 * repeated: it goes to disk before it goes out, and no second one is ever signed. */
#include <stdio.h>

#include "basic/codec.h"
#include "driver.h"
#include "money/bolt11.h"
#include "nwc-link.h"

#define REASON_SIZE 200

typedef struct Nwc {
        Driver driver;
        NwcLink *link;
} Nwc;

typedef struct NwcOp {
        DriverOp op;
        NwcAsk *ask;
        uint8_t hash[32];
        bool again;
        char reason[REASON_SIZE];
} NwcOp;

static Nwc *nwc_of(Driver *d) {
        return container_of(d, Nwc, driver);
}

static NwcOp *nwc_op_of(DriverOp *op) {
        return container_of(op, NwcOp, op);
}

static void nwc_op_free(DriverOp *op) {
        NwcOp *o = nwc_op_of(op);

        nwc_ask_free(o->ask);
        free(o);
}

static int nwc_op_new(Driver *d, void *userdata, DriverOp **handle, NwcOp **ret) {
        NwcOp *o = new0(NwcOp, 1);
        int r;

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

static int nwc_op_ask(NwcOp *o, const Nip47Request *request, nwc_answer_t done) {
        NwcQuestion q = {
                .request = request,
                .method = request->method,
                .deadline = DRIVER_ASK_DEADLINE,
        };

        return nwc_ask(nwc_of(o->op.driver)->link, &q, done, o, &o->ask);
}

/* It never started: nobody is told. */
static int nwc_op_drop(NwcOp *o, int r) {
        if (r < 0)
                driver_op_free(&o->op);
        return MIN(r, 0);
}

/* The wallet's own words, where it has some. */
static const char *nwc_refusal(NwcOp *o, const Nip47Response *p) {
        if (isempty(p->message))
                (void) snprintf(o->reason, sizeof(o->reason), "the wallet says %s",
                                nip47_error_name(p->error));
        else
                (void) snprintf(o->reason, sizeof(o->reason), "the wallet says \"%.150s\"",
                                p->message);
        return o->reason;
}

/* Errors of questions that move no money. 0: there is a result. */
static int nwc_check(NwcOp *o, int error, const char **reason, const Nip47Response *p) {
        if (error < 0)
                return error;
        if (p->error == NIP47_OK)
                return 0;
        *reason = nwc_refusal(o, p);
        return p->error == NIP47_RESTRICTED || p->error == NIP47_UNAUTHORIZED ? -EACCES
               : p->error == NIP47_NOT_FOUND                                  ? -ENOENT
                                                                              : -EREMOTEIO;
}

/* ---- invoices */

/* What it is about the invoice says itself; the wallet's copy of the hash is not asked. */
static int nwc_read_made(const Nip47Transaction *t, DriverInvoice *ret, const char **reason) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        int r;

        if (isempty(t->invoice)) {
                *reason = "the wallet's answer holds no invoice";
                return -EBADMSG;
        }
        r = bolt11_decode(t->invoice, &b, reason);
        if (r < 0) {
                *reason = "the wallet's invoice is none";
                return r == -ENOMEM ? r : -EBADMSG;
        }
        *ret = (DriverInvoice){ .bolt11 = t->invoice, .received_msat = -1 };
        memcpy(ret->hash, b.payment_hash, 32);
        return 0;
}

static void on_made(int error, const char *reason, const Nip47Response *p, void *userdata) {
        NwcOp *o = userdata;
        DriverInvoice i;

        error = nwc_check(o, error, &reason, p);
        if (error >= 0)
                error = nwc_read_made(&p->transaction, &i, &reason);
        driver_op_invoice(&o->op, error, reason, error < 0 ? NULL : &i);
}

static int nwc_make_invoice(Driver *d, const DriverInvoiceRequest *r, driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        char hash[HEX32_MAX] = "";
        Nip47Request q = {
                .method = NIP47_MAKE_INVOICE,
                .amount = r->amount_msat,
                .description = r->description_hash ? NULL : r->description,
                .description_hash = r->description_hash ? hash : NULL,
                .expiry = r->expiry_s,
        };
        NwcOp *o;
        int k;

        if (r->description_hash)
                hex_encode(r->description_hash, 32, hash);
        k = nwc_op_new(d, userdata, ret, &o);
        if (k < 0)
                return k;
        o->op.done.invoice = done;
        return nwc_op_drop(o, nwc_op_ask(o, &q, on_made));
}

static void nwc_read_invoice(const Nip47Transaction *t, DriverInvoice *ret) {
        ret->bolt11 = t->invoice;
        ret->received_msat = -1;
        if (nip47_is_settled(t)) {
                ret->state = DRIVER_INVOICE_SETTLED;
                ret->received_msat = t->amount;
                ret->settled_at = t->settled_at;
                ret->has_preimage = t->preimage && hex_decode(t->preimage, ret->preimage, 32) >= 0;
        } else if (t->state == NIP47_STATE_EXPIRED || t->state == NIP47_STATE_FAILED)
                ret->state = DRIVER_INVOICE_EXPIRED;
        else
                ret->state = DRIVER_INVOICE_OPEN;
}

/* A wallet that answers with another hash has not understood what was asked. */
static bool is_about(const Nip47Transaction *t, const uint8_t hash[static 32]) {
        uint8_t theirs[32];

        return !t->payment_hash ||
               (hex_decode(t->payment_hash, theirs, 32) >= 0 && memcmp(theirs, hash, 32) == 0);
}

static void on_invoice(int error, const char *reason, const Nip47Response *p, void *userdata) {
        NwcOp *o = userdata;
        DriverInvoice i = { 0 };

        memcpy(i.hash, o->hash, 32);
        error = nwc_check(o, error, &reason, p);
        if (error == -ENOENT) {
                i.state = DRIVER_INVOICE_ABSENT;
                i.received_msat = -1;
                error = 0;
        } else if (error >= 0 && !is_about(&p->transaction, o->hash)) {
                reason = "the wallet answers about another invoice";
                error = -EBADMSG;
        } else if (error >= 0)
                nwc_read_invoice(&p->transaction, &i);
        driver_op_invoice(&o->op, error, reason, error < 0 ? NULL : &i);
}

static int nwc_look(NwcOp *o, nwc_answer_t done) {
        char hash[HEX32_MAX];
        Nip47Request q = { .method = NIP47_LOOKUP_INVOICE, .payment_hash = hash };

        hex_encode(o->hash, 32, hash);
        return nwc_op_ask(o, &q, done);
}

static int nwc_lookup_invoice(Driver *d, const uint8_t hash[static 32], driver_invoice_t done,
                void *userdata, DriverOp **ret) {
        NwcOp *o;
        int r;

        r = nwc_op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        memcpy(o->hash, hash, 32);
        o->op.done.invoice = done;
        return nwc_op_drop(o, nwc_look(o, on_invoice));
}

/* ---- payments */

static void on_prepared(int error, const char *reason, const Event *event, void *userdata) {
        NwcOp *o = userdata;
        const char *json = event ? event_json(event, NULL) : NULL;

        if (json && strlen(json) >= DRIVER_OPAQUE_MAX) {
                error = -E2BIG;
                reason = "the request would be too large";
        }
        driver_op_prepared(&o->op, error, reason, error < 0 ? NULL : json);
}

static int nwc_prepare_payment(Driver *d, const DriverPayRequest *r, driver_prepared_t done,
                void *userdata, DriverOp **ret) {
        Nip47Request q = {
                .method = NIP47_PAY_INVOICE,
                .invoice = r->bolt11,
                .amount = r->amount_is_ours ? r->amount_msat : 0,
        };
        NwcOp *o;
        int k;

        k = nwc_op_new(d, userdata, ret, &o);
        if (k < 0)
                return k;
        o->op.done.prepared = done;
        return nwc_op_drop(o, nwc_prepare(nwc_of(d)->link, &q, DRIVER_ASK_DEADLINE, on_prepared, o,
                                              &o->ask));
}

/* Said of a payment, these mean that it was never tried. PAYMENT_FAILED is not among them: the NIP
 * lets it mean a timeout; and the ways in which wallets say "that is paid already" are INTERNAL and
 * OTHER. */
static bool was_never_tried(Nip47Error e) {
        switch (e) {
        case NIP47_INSUFFICIENT_BALANCE:
        case NIP47_QUOTA_EXCEEDED:
        case NIP47_RESTRICTED:
        case NIP47_UNAUTHORIZED:
        case NIP47_NOT_IMPLEMENTED:
        case NIP47_RATE_LIMITED:
        case NIP47_UNSUPPORTED_ENCRYPTION:
        case NIP47_BAD_REQUEST:
        case NIP47_EXPIRED:
                return true;
        case NIP47_OK:
        case NIP47_INTERNAL:
        case NIP47_OTHER:
        case NIP47_PAYMENT_FAILED:
        case NIP47_NOT_FOUND:
        case _NIP47_ERROR_MAX:
                return false;
        }
        return false;
}

static void on_paid(int error, const char *reason, const Nip47Response *p, void *userdata) {
        DriverPayment result = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        NwcOp *o = userdata;

        if (error < 0)
                result.reason = reason;
        else if (p->error != NIP47_OK) {
                result.outcome = was_never_tried(p->error) && !o->again ? DRIVER_FAILED
                                                                        : DRIVER_UNKNOWN;
                result.reason = nwc_refusal(o, p);
        } else if (p->preimage && hex_decode(p->preimage, result.preimage, 32) >= 0) {
                result.outcome = DRIVER_SETTLED;
                result.has_preimage = true;
                result.fee_msat = p->fees_paid;
        } else
                result.reason = "the wallet's answer proves nothing";
        driver_op_payment(&o->op, &result);
}

static int nwc_pay(Driver *d, const DriverPayRequest *r, driver_payment_t done, void *userdata,
                DriverOp **ret) {
        _cleanup_(event_unrefp) Event *event = NULL;
        NwcQuestion q = { .method = NIP47_PAY_INVOICE, .deadline = DRIVER_PAY_DEADLINE };
        NwcOp *o;
        int k;

        k = nwc_link_read(nwc_of(d)->link, r->opaque, &event);
        if (k < 0)
                return k;
        k = nwc_op_new(d, userdata, ret, &o);
        if (k < 0)
                return k;
        memcpy(o->hash, r->hash, 32);
        o->again = r->again; /* the first one may be what there is no budget left for */
        o->op.done.payment = done;
        q.event = event;
        return nwc_op_drop(o, nwc_ask(nwc_of(d)->link, &q, on_paid, o, &o->ask));
}

/* "expired" is what Alby Hub says of an outgoing payment whose invoice is over: it may still be on
 * its way. */
static void nwc_read_payment(NwcOp *o, const Nip47Transaction *t, DriverPayment *ret) {
        ret->reason = "the wallet does not say what became of it";
        if (!is_about(t, o->hash)) {
                ret->reason = "the wallet answers about another payment";
                return;
        }
        if (!t->outgoing)
                return;
        if (nip47_is_settled(t)) {
                ret->outcome = DRIVER_SETTLED;
                ret->fee_msat = t->fees_paid;
                ret->has_preimage = t->preimage && hex_decode(t->preimage, ret->preimage, 32) >= 0;
        } else if (t->state == NIP47_STATE_FAILED) {
                ret->outcome = DRIVER_FAILED;
                ret->reason = "the wallet says that it failed";
        } else if (t->state == NIP47_STATE_PENDING || t->state == NIP47_STATE_ACCEPTED)
                ret->outcome = DRIVER_PENDING;
}

static void on_looked(int error, const char *reason, const Nip47Response *p, void *userdata) {
        DriverPayment result = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        NwcOp *o = userdata;

        error = nwc_check(o, error, &reason, p);
        if (error >= 0)
                nwc_read_payment(o, &p->transaction, &result);
        else
                result.reason = reason;
        result.absent = error == -ENOENT;
        driver_op_payment(&o->op, &result);
}

static int nwc_lookup_payment(Driver *d, const uint8_t hash[static 32], driver_payment_t done,
                void *userdata, DriverOp **ret) {
        NwcOp *o;
        int r;

        r = nwc_op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        memcpy(o->hash, hash, 32);
        o->op.done.payment = done;
        return nwc_op_drop(o, nwc_look(o, on_looked));
}

/* ---- the wallet itself */

static void on_balance(int error, const char *reason, const Nip47Response *p, void *userdata) {
        NwcOp *o = userdata;

        error = nwc_check(o, error, &reason, p);
        driver_op_balance(&o->op, error, reason, error < 0 ? 0 : p->balance);
}

static int nwc_balance(Driver *d, driver_balance_t done, void *userdata, DriverOp **ret) {
        Nip47Request q = { .method = NIP47_GET_BALANCE };
        NwcOp *o;
        int r;

        r = nwc_op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.balance = done;
        return nwc_op_drop(o, nwc_op_ask(o, &q, on_balance));
}

static int network_from_name(const char *name) {
        if (!name)
                return -1;
        for (Network n = 0; n < _NETWORK_MAX; n++)
                if (streq(network_name(n), name))
                        return (int) n;
        return streq(name, "bitcoin") ? NETWORK_MAINNET : -1;
}

static void on_info(int error, const char *reason, const Nip47Response *p, void *userdata) {
        NwcOp *o = userdata;
        DriverInfo info = { .network = -1, .alias = "", .version = "", .node = "" };

        error = nwc_check(o, error, &reason, p);
        if (error >= 0) {
                info.network = network_from_name(p->network);
                info.alias = p->alias ?: "";
                info.node = p->pubkey ?: "";
        }
        driver_op_info(&o->op, error, reason, error < 0 ? NULL : &info);
}

static int nwc_info(Driver *d, driver_info_t done, void *userdata, DriverOp **ret) {
        Nip47Request q = { .method = NIP47_GET_INFO };
        NwcOp *o;
        int r;

        r = nwc_op_new(d, userdata, ret, &o);
        if (r < 0)
                return r;
        o->op.done.info = done;
        return nwc_op_drop(o, nwc_op_ask(o, &q, on_info));
}

/* News go to whoever has asked for them before; what was missed the core looks up by itself. */
static int nwc_watch(_unused_ Driver *d, _unused_ const char *cursor) {
        return 0;
}

static void on_news(const Nip47Transaction *t, void *userdata) {
        Nwc *n = userdata;
        DriverInvoice i = { 0 };

        if (!t->payment_hash || hex_decode(t->payment_hash, i.hash, 32) < 0)
                return;
        if (t->outgoing) {
                if (n->driver.handler->payment_moved)
                        n->driver.handler->payment_moved(i.hash, n->driver.userdata);
                return;
        }
        /* Named "payment_received": settled, though some say no state with it. */
        nwc_read_invoice(t, &i);
        if (t->state == NIP47_STATE_NONE || i.state == DRIVER_INVOICE_SETTLED) {
                i.state = DRIVER_INVOICE_SETTLED;
                i.received_msat = t->amount;
                n->driver.handler->settled(&i, 1, "", n->driver.userdata);
        }
}

static void on_link(bool up, const char *reason, void *userdata) {
        Nwc *n = userdata;

        if (n->driver.handler->state)
                n->driver.handler->state(up, reason, n->driver.userdata);
}

static const NwcHandler link_handler = {
        .state = on_link,
        .news = on_news,
};

static void nwc_close(Driver *d) {
        Nwc *n = nwc_of(d);

        nwc_link_free(n->link);
        free(n);
}

static int nwc_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        _cleanup_nip47_uri_ Nip47Uri uri = { 0 };
        Nwc *n;
        int r;

        if (!doors->relay_socket)
                return *reterr = "there is no relay service", -ENODEV;
        r = nip47_uri_parse(secret_text(doors->secret), &uri, reterr);
        if (r < 0) {
                *reterr = r == -ENOMEM ? "there is no memory"
                                       : "its secret is no NWC address (nostr+walletconnect://…)";
                return r;
        }
        n = new0(Nwc, 1);
        if (!n)
                return *reterr = "there is no memory", -ENOMEM;
        driver_init(&n->driver, &driver_nwc, doors, handler, userdata);
        r = nwc_link_new(
                        doors->event, doors->relay_socket, "nwc", &uri, &link_handler, n, &n->link);
        if (r < 0) {
                free(n);
                *reterr = "the relay service cannot be asked";
                return r;
        }
        *ret = &n->driver;
        return 0;
}

const DriverClass driver_nwc = {
        .name = "nwc",
        .caps = {
                .push = true,
                .resend_opaque = true,
                .failed_twice = true,
                .unit_msat = 1,
        },
        .wants_secret = true,
        .open = nwc_open,
        .close = nwc_close,
        .op_free = nwc_op_free,
        .make_invoice = nwc_make_invoice,
        .lookup_invoice = nwc_lookup_invoice,
        .prepare = nwc_prepare_payment,
        .pay = nwc_pay,
        .lookup_payment = nwc_lookup_payment,
        .balance = nwc_balance,
        .info = nwc_info,
        .watch = nwc_watch,
};
