/* What a backend is told, and what its words mean for a payment that is written down. */
#include "basic/crypt.h"
#include "basic/fault.h"
#include "basic/log.h"
#include "payment-private.h"

#define SENDS_MAX   2          /* of one payment; it was not known when it was sent again */
#define RESENDS_MAX 8          /* of one signed event */
#define LATE_HTLC   (2 * 3600) /* seconds after its expiry in which a payment may still settle */

/* ---- preparing, sent */

static DriverPayRequest payment_request(const Payment *p) {
        DriverPayRequest r = {
                .id = p->id,
                .bolt11 = p->bolt11,
                .amount_msat = p->amount_msat,
                .amount_is_ours = p->amount_is_ours,
                .fee_max_msat = p->fee_max_msat,
                .expires_at = p->expires_at,
                .opaque = p->opaque ?: "",
                .again = p->tries > 1,
        };

        memcpy(r.hash, p->hash_bytes, sizeof(r.hash));
        return r;
}

static void on_prepared(int error, const char *reason, const char *opaque, void *userdata) {
        Payment *p = userdata;

        if (error >= 0) {
                free(p->opaque);
                p->opaque = strdup(opaque);
                error = p->opaque ? 0 : -ENOMEM;
        }
        if (error < 0)
                payment_set_reason(p, reason);
        flow_drive(&p->flow, flow_go(error < 0 ? PAYMENT_FAILED : PAYMENT_SENT));
}

Step payment_prepare(Flow *f) {
        Payment *p = flow_payment(f);
        const DriverPayRequest request = payment_request(p);
        int r;

        r = p->wallet->class->prepare(p->wallet->driver, &request, on_prepared, p, &p->op);
        if (r < 0) {
                payment_set_reason(p, "the wallet's backend cannot be asked");
                return flow_go(PAYMENT_FAILED);
        }
        return flow_wait();
}

static bool preimage_fits(const Payment *p, const DriverPayment *o) {
        uint8_t hash[32];

        return o->has_preimage && sha256(o->preimage, sizeof(o->preimage), hash) >= 0 &&
               memory_equal(hash, p->hash_bytes, sizeof(hash));
}

static Step payment_settle(Payment *p, const DriverPayment *o) {
        p->fee_msat = MAX(o->fee_msat, INT64_C(0));
        p->preimage[0] = 0;
        if (preimage_fits(p, o))
                hex_encode(o->preimage, sizeof(o->preimage), p->preimage);
        else
                log_warning("Payment %s is settled, but the wallet's backend has no proof of it.",
                                p->hash);
        payment_set_reason(p, "");
        (void) fault("payment.outcome");
        return flow_go(PAYMENT_SETTLED);
}

static Step payment_not_settled(Payment *p, const DriverPayment *o) {
        p->pending = o->outcome == DRIVER_PENDING;
        payment_set_reason(p, o->reason);
        return flow_go(PAYMENT_PAUSED);
}

static void on_paid(const DriverPayment *o, void *userdata) {
        Payment *p = userdata;
        Step s;

        if (o->outcome == DRIVER_SETTLED)
                s = payment_settle(p, o);
        else if (o->outcome == DRIVER_FAILED) {
                payment_set_reason(p, o->reason);
                (void) fault("payment.outcome");
                s = flow_go(PAYMENT_FAILED);
        } else
                s = payment_not_settled(p, o);
        flow_drive(&p->flow, s);
}

static void on_settled_inside(int verdict, const char *text, void *userdata) {
        Payment *p = userdata;
        Invoice *i = invoice_find(p->wallet, p->hash);

        if (verdict >= 0 && i)
                invoice_paid_inside(i);
        if (verdict < 0)
                payment_set_reason(p, text);
        else
                p->recorded = true;
        flow_drive(&p->flow, flow_go(verdict >= 0                          ? PAYMENT_SETTLED
                                             : payment_is_refusal(verdict) ? PAYMENT_FAILED
                                                                           : PAYMENT_PAUSED));
}

/* The payer's and the payee's side are one transaction of the books. */
static Step payment_settle_inside(Payment *p) {
        const BooksMove move = { .id = p->id, .state = "settled", .driver = PAYMENT_INTERNAL };
        int r;

        r = books_move_intent(p->wallet->books, &move, on_settled_inside, p, &p->call);
        return r < 0 ? flow_go(PAYMENT_PAUSED) : flow_wait();
}

Step payment_send(Flow *f) {
        Payment *p = flow_payment(f);
        const DriverPayRequest request = payment_request(p);
        int r;

        (void) fault("payment.sent");
        p->op = driver_op_free(p->op);
        p->looked_first = 0;
        if (streq(p->driver, PAYMENT_INTERNAL))
                return payment_settle_inside(p);
        r = p->wallet->class->pay(p->wallet->driver, &request, on_paid, p, &p->op);
        if (r < 0) { /* it never started; the look that follows says so, too */
                payment_set_reason(p, "the wallet's backend cannot be asked");
                return flow_go(PAYMENT_PAUSED);
        }
        return flow_wait();
}

/* ---- looking, paused */

/* The backend says that it knows nothing of this payment. */
static bool may_send_again(const Payment *p) {
        const DriverCaps *caps = &p->wallet->class->caps;

        if (p->expires_at <= wallet_now(p->wallet))
                return false;
        if (caps->resend_opaque)
                return !isempty(p->opaque) && p->tries < RESENDS_MAX;
        return caps->pay_idempotent && p->tries < SENDS_MAX;
}

static Step payment_absent(Payment *p) {
        int64_t now = wallet_now(p->wallet);

        if (may_send_again(p))
                return flow_go(PAYMENT_SENT);
        if (p->wallet->class->caps.absent_is_final ||
                        (p->looked_first > 0 && now > p->expires_at + LATE_HTLC)) {
                payment_set_reason(p, "the wallet's backend never heard of it");
                return flow_go(PAYMENT_FAILED);
        }
        if (p->looked_first == 0 && now > p->expires_at + LATE_HTLC)
                p->looked_first = now;
        return flow_go(PAYMENT_PAUSED);
}

static Step payment_not_known(Payment *p) {
        return p->absent ? payment_absent(p) : flow_go(PAYMENT_PAUSED);
}

static void on_verified(int error, const char *reason, bool settled,
                const uint8_t preimage[static 32], void *userdata) {
        DriverPayment o = { .outcome = DRIVER_SETTLED, .has_preimage = true, .fee_msat = -1 };
        Payment *p = userdata;

        if (error < 0)
                log_debug("The payee's server does not say whether it was paid: %s.", reason);
        memcpy(o.preimage, preimage, sizeof(o.preimage));
        flow_drive(&p->flow, settled ? payment_settle(p, &o) : payment_not_known(p));
}

/* LUD-21. A preimage of its hash proves that it was paid, whoever shows it; all else proves
 * nothing, and the backend's word stands. */
static Step payment_ask_payee(Payment *p) {
        const Config *config = p->wallet->config;
        const LnurlProof proof = {
                .verify = p->verify,
                .hash = p->hash_bytes,
                .network = config->network,
                .allow_private = config->wallet.allow_private,
        };
        const char *reason;

        p->resolution = lnurl_call_free(p->resolution);
        if (isempty(p->verify) || !p->wallet->web ||
                        lnurl_verify(p->wallet->web, &proof, on_verified, p, &p->resolution,
                                        &reason) < 0)
                return payment_not_known(p);
        return flow_wait();
}

static void on_looked(const DriverPayment *o, void *userdata) {
        Payment *p = userdata;
        Step s;

        if (o->outcome == DRIVER_SETTLED)
                s = payment_settle(p, o);
        else if (o->outcome == DRIVER_FAILED &&
                        (p->failed_once || !p->wallet->class->caps.failed_twice)) {
                payment_set_reason(p, o->reason);
                s = flow_go(PAYMENT_FAILED);
        } else {
                p->absent = o->outcome == DRIVER_UNKNOWN && o->absent;
                p->failed_once = o->outcome == DRIVER_FAILED || (p->absent && p->failed_once);
                s = payment_not_settled(p, o);
                if (o->outcome != DRIVER_PENDING)
                        s = payment_ask_payee(p);
        }
        flow_drive(&p->flow, s);
}

Step payment_lookup(Flow *f) {
        Payment *p = flow_payment(f);
        Wallet *w = p->wallet;
        int r;

        p->op = driver_op_free(p->op);
        if (p->tries == 0) { /* "sent" never reached the disk, and the backend nothing */
                if (!*p->reason)
                        payment_set_reason(p, "it could not be written down");
                return flow_go(PAYMENT_FAILED);
        }
        if (streq(p->driver, PAYMENT_INTERNAL))
                return payment_settle_inside(p);
        if (!w->driver || !streq(p->driver, wallet_driver(w))) {
                payment_set_reason(p, "it was sent by another wallet than the one that is set up");
                p->absent = false;
                return payment_ask_payee(p);
        }
        r = w->class->lookup_payment(w->driver, p->hash_bytes, on_looked, p, &p->op);
        return r < 0 ? flow_go(PAYMENT_PAUSED) : flow_wait();
}

Step payment_pause(Flow *f) {
        Payment *p = flow_payment(f);
        const BooksMove move = { .id = p->id, .state = "unknown", .reason = p->reason };

        p->op = driver_op_free(p->op);
        p->resolution = lnurl_call_free(p->resolution);
        if (p->tries == 0) { /* "sent" never reached the disk, and the backend nothing */
                if (!*p->reason)
                        payment_set_reason(p, "it could not be written down");
                return flow_go(PAYMENT_FAILED);
        }
        if (p->pauses == 1 && !p->pending) /* so that a list of the books shows it */
                (void) books_move_intent(p->wallet->books, &move, NULL, NULL, NULL);
        return flow_wait();
}
