/* Paying, so that no crash and no silence pays twice.
 *
 *   asked       Orders with an address instead of an invoice: this id may have its invoice already.
 *   resolving   lnurl-pay.c asks the payee's server for one, nwc-bill.c the wallet of a customer
 *               who is paid back.
 *   checking    The invoice is read by us: network, amount, expiry. Nothing is written yet.
 *   reserving   The books take amount and fee from what the account and its grant may spend, and
 *               write the intent down, "new", in one transaction; where the driver has nothing to
 *               prepare it is "sent" in that transaction, too. The same invoice, or the same
 *               purpose, joins the payment that is there.
 *   waiting     A person has to say yes: the grant says above which amount.
 *   preparing   The driver makes what must be on disk before anything can pay (NWC: the event).
 *   sent        Durable before the backend hears of it. From here on only the backend's word, or a
 *               person's, ends it: silence is not failure.
 *   looking     What became of it? Asked of the backend by the payment hash, and where that does
 *               not know of the payee's server (LUD-21), which can prove that it was paid and not
 *               that it was not; never sent again but by the rules of may_send_again().
 *   paused      2, 4, 8 … 300 seconds until the next look. The money stays reserved.
 *   settled     The preimage is the proof; without one that fits it is settled, unproven.
 *   failed      Positively refused: the reservation is released. */
#include "payment-private.h"

#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"
#include "money/msat.h"
#include "wallet.h"

#define LOOK_FIRST  (2 * SEC)
#define LOOK_MAX    (300 * SEC)
#define WRITE_AGAIN SEC

static Step payment_reserve(Flow *f);

#define OVER B(PAYMENT_SETTLED) | B(PAYMENT_FAILED)

/* clang-format off */
static const FlowState payment_states[_PAYMENT_STATE_MAX] = {
        /*                      name         enter                        deadline       late             fails            next                                          durable */
        [PAYMENT_ASKED]     = { "asked",     payment_ask,                 0,             0,               PAYMENT_REFUSED, B(PAYMENT_RESOLVING) | B(PAYMENT_CHECKING) | B(PAYMENT_JOINED), false },
        [PAYMENT_RESOLVING] = { "resolving", payment_resolve_destination, 90 * SEC,      PAYMENT_REFUSED, PAYMENT_REFUSED, B(PAYMENT_CHECKING),                          false },
        [PAYMENT_CHECKING]  = { "checking",  payment_check,               0,             0,               PAYMENT_REFUSED, B(PAYMENT_RESERVING),                         false },
        [PAYMENT_RESERVING] = { "reserving", payment_reserve,             0,             0,               PAYMENT_REFUSED, B(PAYMENT_WAITING) | B(PAYMENT_PREPARING) | B(PAYMENT_SENT) | B(PAYMENT_JOINED), false },
        [PAYMENT_WAITING]   = { "waiting",   NULL,                        0,             0,               PAYMENT_FAILED,  B(PAYMENT_PREPARING) | B(PAYMENT_SENT),       false },
        [PAYMENT_PREPARING] = { "preparing", payment_prepare,             MIN_,          PAYMENT_FAILED,  PAYMENT_FAILED,  B(PAYMENT_SENT),                              false },
        [PAYMENT_SENT]      = { "sent",      payment_send,                90 * SEC,      PAYMENT_PAUSED,  PAYMENT_PAUSED,  B(PAYMENT_LOOKING) | B(PAYMENT_PAUSED) | OVER, true },
        [PAYMENT_LOOKING]   = { "looking",   payment_lookup,              MIN_,          PAYMENT_PAUSED,  PAYMENT_PAUSED,  B(PAYMENT_SENT) | B(PAYMENT_LOOKING) | OVER, false },
        [PAYMENT_PAUSED]    = { "paused",    payment_pause,               LOOK_MAX,      PAYMENT_LOOKING, PAYMENT_PAUSED,  OVER,                                         false },
        [PAYMENT_SETTLED]   = { "settled",   .final = true, .durable = true },
        [PAYMENT_FAILED]    = { "failed",    .final = true, .durable = true },
        [PAYMENT_REFUSED]   = { "refused",   .final = true },
        [PAYMENT_JOINED]    = { "joined",    .final = true },
};
/* clang-format on */

static int payment_record(Flow *f);
static void payment_changed(Flow *f, int from);
static void payment_done(Flow *f);
static uint64_t payment_deadline(Flow *f);

static const FlowTable payment_table = {
        .name = "payment",
        .states = payment_states,
        .n_states = _PAYMENT_STATE_MAX,
        .record = payment_record,
        .changed = payment_changed,
        .done = payment_done,
        .deadline = payment_deadline,
};

Payment *flow_payment(Flow *f) {
        return container_of(f, Payment, flow);
}

const char *payment_word(const Payment *p) {
        switch ((PaymentState) p->flow.state) {
        case PAYMENT_SETTLED:
                return "settled";
        case PAYMENT_FAILED:
        case PAYMENT_REFUSED:
                return "failed";
        case PAYMENT_WAITING:
                return "waiting";
        case PAYMENT_SENT:
                return "sent";
        case PAYMENT_LOOKING:
        case PAYMENT_PAUSED:
                return p->pending ? "pending" : "unknown";
        case PAYMENT_ASKED:
        case PAYMENT_RESOLVING:
        case PAYMENT_CHECKING:
        case PAYMENT_RESERVING:
        case PAYMENT_PREPARING:
        case PAYMENT_JOINED:
        case _PAYMENT_STATE_MAX:
                break;
        }
        return "new";
}

void payment_set_reason(Payment *p, const char *reason) {
        (void) snprintf(p->reason, sizeof(p->reason), "%s",
                        bus_text_or(reason ?: "", "its words cannot be shown"));
}

Step payment_refuse(Payment *p, const char *name, int error, const char *reason) {
        p->error_name = name;
        payment_set_reason(p, reason);
        return flow_fail(&p->flow, error, reason);
}

/* ---- reserving */

/* An invoice of our own needs no network, and most backends refuse to pay themselves. */
static bool is_internal(const Payment *p) {
        return !p->wallet->class->caps.pays_itself && invoice_find(p->wallet, p->hash);
}

/* By which driver it goes; false: that has to make something first. */
static bool payment_take_driver(Payment *p) {
        (void) snprintf(p->driver, sizeof(p->driver), "%s",
                        is_internal(p) ? PAYMENT_INTERNAL : wallet_driver(p->wallet));
        return streq(p->driver, PAYMENT_INTERNAL) || !p->wallet->class->prepare;
}

static Step payment_go_on(Payment *p) {
        if (p->expires_at > 0 && p->expires_at <= wallet_now(p->wallet)) {
                payment_set_reason(p, "the invoice has expired");
                return flow_go(PAYMENT_FAILED);
        }
        return flow_go(payment_take_driver(p) ? PAYMENT_SENT : PAYMENT_PREPARING);
}

static Step payment_join(Payment *p, const char *id) {
        char *other = strdup(id);

        if (!other)
                return payment_refuse(p, NULL, -ENOMEM, "there is no memory");
        (void) map_remove_string(&p->wallet->payments, p->id);
        free(p->id);
        p->id = other;
        return flow_go(PAYMENT_JOINED);
}

static const char *refusal_name(int error) {
        switch (error) {
        case -EDQUOT:
        case -ENOBUFS:
        case -EACCES:
        case -EBUSY:
                return BUS_ERROR_NO_MONEY;
        case -EINVAL:
        case -EEXIST:
        case -ENOENT:
                return BUS_ERROR_BAD_INPUT;
        default:
                return BUS_ERROR_NOT_REACHABLE;
        }
}

static void on_reserved(int verdict, const char *text, void *userdata) {
        Payment *p = userdata;
        Step s;

        if (verdict < 0)
                s = payment_refuse(p, refusal_name(verdict), verdict, text);
        else if (verdict > 0)
                s = payment_join(p, text);
        else {
                p->written = true;
                (void) fault("payment.new");
                p->sent_written = streq(text, "sent");
                p->tries += p->sent_written;
                s = p->sent_written          ? flow_go(PAYMENT_SENT)
                    : streq(text, "waiting") ? flow_go(PAYMENT_WAITING)
                                             : payment_go_on(p);
        }
        flow_drive(&p->flow, s);
}

static Step payment_reserve(Flow *f) {
        Payment *p = flow_payment(f);
        bool at_once = payment_take_driver(p);
        const BooksIntent intent = {
                .id = p->id,
                .account = p->account,
                .hash = p->hash,
                .bolt11 = p->bolt11,
                .payee = p->payee,
                .grant = p->grant,
                .purpose = p->purpose,
                .ref = p->ref,
                .verify = p->verify,
                .amount_msat = p->amount_msat,
                .fee_max_msat = p->fee_max_msat,
                .driver = p->driver,
        };
        int r;

        r = at_once ? books_send_intent(p->wallet->books, &intent, on_reserved, p, &p->call)
                    : books_add_intent(p->wallet->books, &intent, on_reserved, p, &p->call);
        if (r < 0)
                return payment_refuse(p, BUS_ERROR_BUSY, r, "the books cannot be asked");
        return flow_wait();
}

/* ---- how long, and the books */

static uint64_t payment_deadline(Flow *f) {
        Payment *p = flow_payment(f);

        if (f->state != PAYMENT_PAUSED)
                return payment_states[f->state].deadline_usec;
        p->pauses++;
        return p->pauses > 8 ? LOOK_MAX : MIN(LOOK_FIRST << (p->pauses - 1), LOOK_MAX);
}

static void payment_write_again(Payment *p);

static void on_recorded(int verdict, const char *text, void *userdata) {
        Payment *p = userdata;

        if (verdict < 0 && !payment_is_refusal(verdict)) {
                payment_write_again(p);
                return;
        }
        if (verdict < 0)
                log_error("The books refused that payment %s is %s: %s.", p->id,
                                flow_state_name(&p->flow), text);
        else if (verdict > 0)
                log_warning("Payment %s: %s.", p->id, text);
        if (verdict >= 0 && p->flow.state == PAYMENT_SENT)
                p->tries++;
        flow_recorded(&p->flow, MIN(verdict, 0));
}

static int payment_write(Payment *p) {
        bool settled = p->flow.state == PAYMENT_SETTLED, sent = p->flow.state == PAYMENT_SENT;
        const BooksMove move = {
                .id = p->id,
                .state = flow_state_name(&p->flow),
                .opaque = sent ? p->opaque : NULL,
                .preimage = settled ? p->preimage : NULL,
                .reason = p->reason,
                .driver = sent || settled ? p->driver : NULL,
                .fee_msat = settled ? p->fee_msat : 0,
        };

        return books_move_intent(p->wallet->books, &move, on_recorded, p, &p->call);
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Payment *p = userdata;

        p->again = sd_event_source_disable_unref(p->again);
        if (payment_write(p) < 0)
                payment_write_again(p);
        return 0;
}

static void payment_write_again(Payment *p) {
        p->again_usec = p->again_usec == 0 ? WRITE_AGAIN : MIN(2 * p->again_usec, MIN_);
        if (sd_event_add_time_relative(p->wallet->event, &p->again, CLOCK_BOOTTIME, p->again_usec,
                            p->again_usec / 8, on_again, p) < 0)
                flow_recorded(&p->flow, -ENOMEM);
}

static int payment_record(Flow *f) {
        Payment *p = flow_payment(f);

        p->op = driver_op_free(p->op);
        p->resolution = lnurl_call_free(p->resolution);
        p->again_usec = 0;
        if (p->recorded || (f->state == PAYMENT_SENT && TAKE(p->sent_written, false)))
                return 1;
        if (payment_write(p) < 0)
                payment_write_again(p);
        return 0;
}

static void payment_log(const Payment *p) {
        char amount[MSAT_TEXT_MAX], fee[MSAT_TEXT_MAX], msat[24];

        (void) snprintf(msat, sizeof(msat), "%lld", (long long) p->amount_msat);
        if (p->flow.state == PAYMENT_SETTLED)
                log_event(LOG_NOTICE, LOG_ID_PAYMENT_SENT,
                                LOG_FIELDS("PYLON_PAYMENT", p->hash, "PYLON_JOB", p->ref,
                                                "PYLON_MSAT", msat),
                                "Paid %s and a fee of %s from \"%s\".",
                                msat_text(p->amount_msat, amount), msat_text(p->fee_msat, fee),
                                p->account);
        else if (p->flow.state == PAYMENT_FAILED)
                log_event(LOG_NOTICE, LOG_ID_PAYMENT_FAILED,
                                LOG_FIELDS("PYLON_PAYMENT", p->hash, "PYLON_JOB", p->ref,
                                                "PYLON_MSAT", msat),
                                "A payment of %s from \"%s\" failed: %s.",
                                msat_text(p->amount_msat, amount), p->account, p->reason);
        else if (p->flow.state == PAYMENT_PAUSED && p->pauses == 1)
                log_event(LOG_WARNING, LOG_ID_PAYMENT_UNKNOWN,
                                LOG_FIELDS("PYLON_PAYMENT", p->hash, "PYLON_JOB", p->ref,
                                                "PYLON_MSAT", msat),
                                "What became of a payment of %s from \"%s\" is not known yet: %s.",
                                msat_text(p->amount_msat, amount), p->account,
                                *p->reason ? p->reason : "the backend is still at it");
}

static void payment_changed(Flow *f, _unused_ int from) {
        Payment *p = flow_payment(f);

        payment_log(p);
        if (p->written && p->wallet->hooks)
                p->wallet->hooks->moved(p, p->wallet->userdata);
}

static void payment_done(Flow *f) {
        Payment *p = flow_payment(f);

        if (f->state == PAYMENT_SETTLED)
                (void) fault("payment.settled");
        if (map_get_string(&p->wallet->payments, p->id) == p)
                (void) map_remove_string(&p->wallet->payments, p->id);
        for (size_t i = 0; i < p->n_waiters; i++)
                p->waiters[i].over(p, p->waiters[i].userdata);
        p->n_waiters = 0;
        payment_free(p);
}

/* ---- life cycle */

/* It may be a secret. */
void payment_forget_destination(Payment *p) {
        if (p->destination)
                explicit_bzero(p->destination, strlen(p->destination));
        p->destination = mfree(p->destination);
}

Payment *payment_free(Payment *p) {
        if (!p)
                return NULL;

        flow_stop(&p->flow);
        if (p->id && map_get_string(&p->wallet->payments, p->id) == p)
                (void) map_remove_string(&p->wallet->payments, p->id);
        lnurl_call_free(p->resolution);
        nwc_bill_free(p->bill);
        driver_op_free(p->op);
        books_call_free(p->call);
        sd_event_source_disable_unref(p->again);
        free(p->id);
        free(p->account);
        payment_forget_destination(p);
        free(p->bolt11);
        free(p->payee);
        free(p->grant);
        free(p->purpose);
        free(p->ref);
        free(p->comment);
        free(p->zap);
        free(p->verify);
        free(p->opaque);
        return mfree(p);
}

static void payment_freep(Payment **p) {
        *p = payment_free(*p);
}

static bool copy(char **ret, const char *text) {
        *ret = strdup(text ?: "");
        return *ret;
}

static int payment_make(Wallet *w, const char *id, Payment **ret) {
        _cleanup_(payment_freep) Payment *p = NULL;
        int r;

        p = new0(Payment, 1);
        if (!p)
                return -ENOMEM;
        p->wallet = w;
        p->id = strdup(id);
        if (!p->id)
                return -ENOMEM;
        r = map_put_string(&w->payments, p->id, p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static int on_start(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Payment *p = userdata;

        p->again = sd_event_source_disable_unref(s);
        return flow_start(&p->flow, &payment_table, p->wallet->event, p->flow.state);
}

/* From the loop, so that who made it can wait for it first. */
static int payment_start(Payment *p, PaymentState first) {
        p->flow.table = &payment_table;
        p->flow.state = (int) first;
        return sd_event_add_time_relative(
                        p->wallet->event, &p->again, CLOCK_BOOTTIME, 0, 1, on_start, p);
}

int payment_new(Wallet *w, const PaymentOrder *order, Payment **ret) {
        _cleanup_(payment_freep) Payment *p = NULL;
        int r;

        *ret = map_get_string(&w->payments, order->id);
        if (*ret)
                return 0;
        r = payment_make(w, order->id, &p);
        if (r < 0)
                return r;
        if (!copy(&p->account, order->account) || !copy(&p->destination, order->destination) ||
                        !copy(&p->grant, order->grant) || !copy(&p->purpose, order->purpose) ||
                        !copy(&p->ref, order->ref) || !copy(&p->comment, order->comment) ||
                        !copy(&p->payee, order->payee) || !copy(&p->zap, order->zap))
                return -ENOMEM;
        p->amount_msat = order->amount_msat;
        p->fee_max_msat = order->fee_max_msat;
        r = payment_start(p, PAYMENT_ASKED);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static PaymentState state_of(const BooksIntent *intent) {
        return streq(intent->state, "waiting") ? PAYMENT_WAITING : PAYMENT_LOOKING;
}

int payment_adopt(Wallet *w, const BooksIntent *intent) {
        _cleanup_(payment_freep) Payment *p = NULL;
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason = "";
        int r;

        r = payment_make(w, intent->id, &p);
        if (r < 0)
                return r == -EEXIST ? 0 : r;
        if (!copy(&p->account, intent->account) || !copy(&p->destination, intent->bolt11) ||
                        !copy(&p->bolt11, intent->bolt11) || !copy(&p->grant, intent->grant) ||
                        !copy(&p->purpose, intent->purpose) || !copy(&p->ref, intent->ref) ||
                        !copy(&p->payee, intent->payee) || !copy(&p->comment, "") ||
                        !copy(&p->opaque, intent->opaque) || !copy(&p->verify, intent->verify))
                return -ENOMEM;
        r = bolt11_decode(intent->bolt11, &b, &reason);
        if (r < 0) {
                log_error("Payment %s in the books has an invoice that cannot be read: %s.",
                                intent->id, reason);
                return r;
        }
        r = payment_take_invoice(p, &b);
        if (r < 0)
                return r;
        p->amount_msat = intent->amount_msat;
        p->amount_is_ours = b.amount_msat == 0;
        p->fee_max_msat = intent->fee_max_msat;
        p->tries = intent->tries;
        p->written = true;
        (void) snprintf(p->driver, sizeof(p->driver), "%s", intent->driver ?: "");
        payment_set_reason(
                        p, p->tries > 0 ? intent->reason : "the wallet stopped before it was sent");
        r = payment_start(p, state_of(intent));
        if (r < 0)
                return r;
        TAKE_PTR(p);
        return 0;
}

Payment *payment_find(Wallet *w, const char *id_or_hash) {
        Payment *p = map_get_string(&w->payments, id_or_hash);

        if (p)
                return p;
        MAP_FOREACH (p, &w->payments)
                if (streq(p->hash, id_or_hash))
                        return p;
        return NULL;
}

Payment *payment_find_refund(Wallet *w, const char *job) {
        Payment *p;

        MAP_FOREACH (p, &w->payments)
                if (streq(p->account, "refunds") && streq(p->ref, job))
                        return p;
        return NULL;
}

int payment_wait(Payment *p, payment_over_t over, void *userdata) {
        if (p->n_waiters >= PAYMENT_WAITERS_MAX)
                return -ENOBUFS;
        p->waiters[p->n_waiters++] = (PaymentWaiter){ over, userdata };
        return 0;
}

void payment_unwait(Payment *p, const void *userdata) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_waiters; i++)
                if (p->waiters[i].userdata != userdata)
                        p->waiters[n++] = p->waiters[i];
        p->n_waiters = n;
}

int payment_approved(Payment *p, bool yes) {
        if (p->flow.state != PAYMENT_WAITING || p->again)
                return -EALREADY;
        if (yes)
                flow_drive(&p->flow, payment_go_on(p));
        else {
                p->recorded = true;
                payment_set_reason(p, "a person said no");
                flow_drive(&p->flow, flow_go(PAYMENT_FAILED));
        }
        return 0;
}

int payment_resolve(Payment *p, bool settled, const char *note) {
        int state = p->flow.state;

        if (p->again || (state != PAYMENT_LOOKING && state != PAYMENT_PAUSED &&
                                        state != PAYMENT_SENT))
                return -EALREADY;

        p->op = driver_op_free(p->op);
        p->resolved = true;
        p->fee_msat = 0;
        p->preimage[0] = 0;
        payment_set_reason(p, note);
        flow_drive(&p->flow, flow_go(settled ? PAYMENT_SETTLED : PAYMENT_FAILED));
        return 0;
}

void payment_look(Payment *p) {
        if (p->flow.state == PAYMENT_PAUSED && !p->again)
                flow_drive(&p->flow, flow_go(PAYMENT_LOOKING));
}
