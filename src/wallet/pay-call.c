#include "pay-call.h"

#include <stdio.h>

#include "basic/crypt.h"
#include "bus/names.h"

#define WAIT_MAX (60 * SEC)

typedef struct PayCall {
        Purse *purse;
        sd_bus_message *message;
        char id[BOOKS_NAME_MAX + 1];
        Payment *payment; /* waited for; NULL while the books are asked */
        BooksCall *call;
        sd_event_source *timer;
        char *destination; /* of a refund */
} PayCall;

static PayCall *pay_call_free(PayCall *c) {
        if (!c)
                return NULL;

        if (c->payment)
                payment_unwait(c->payment, c);
        books_call_free(c->call);
        sd_event_source_disable_unref(c->timer);
        sd_bus_message_unref(c->message);
        c->purse->n_calls--;
        if (c->destination) /* it may be a secret */
                explicit_bzero(c->destination, strlen(c->destination));
        free(c->destination);
        return mfree(c);
}
DEFINE_CLEANUP(PayCall, pay_call_free)

static int pay_call_new(Purse *p, sd_bus_message *m, const char *id, PayCall **ret) {
        PayCall *c;

        if (isempty(id) || strlen(id) > BOOKS_NAME_MAX)
                return -EINVAL;
        c = new0(PayCall, 1);
        if (!c)
                return -ENOMEM;
        c->purse = p;
        c->message = sd_bus_message_ref(m);
        (void) snprintf(c->id, sizeof(c->id), "%s", id);
        p->n_calls++;
        *ret = c;
        return 0;
}

/* ---- answers; each is the end of the call */

static void answer_error(PayCall *call, const char *name, const char *reason) {
        _cleanup_(pay_call_freep) PayCall *c = call;

        (void) sd_bus_reply_method_errorf(
                        c->message, name ?: SD_BUS_ERROR_NO_MEMORY, "%s.", reason);
}

static void answer_row(PayCall *call, const BooksIntent *i) {
        _cleanup_(pay_call_freep) PayCall *c = call;

        (void) sd_bus_reply_method_return(c->message, "sssxs", i->state, i->hash, i->preimage ?: "",
                        i->fee_msat, i->reason ?: "");
}

static void answer_payment(PayCall *call, const Payment *p) {
        _cleanup_(pay_call_freep) PayCall *c = call;

        (void) sd_bus_reply_method_return(c->message, "sssxs", payment_word(p), p->hash,
                        p->preimage, p->fee_msat, p->reason);
}

/* ---- waiting */

static void pay_call_ask_books(PayCall *c);

static void on_over(Payment *p, void *userdata) {
        PayCall *c = userdata;

        c->payment = NULL;
        if (p->flow.state == PAYMENT_JOINED) {
                (void) snprintf(c->id, sizeof(c->id), "%s", p->id);
                pay_call_ask_books(c);
        } else if (p->flow.state == PAYMENT_REFUSED)
                answer_error(c, p->error_name, p->reason);
        else
                answer_payment(c, p);
}

static int on_patience_end(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        PayCall *c = userdata;

        if (c->payment)
                answer_payment(c, c->payment);
        else
                answer_error(c, BUS_ERROR_NOT_REACHABLE, "The books do not answer");
        return 0;
}

static int pay_call_wait(PayCall *c, Payment *p) {
        int r = 0;

        if (!c->timer)
                r = sd_event_add_time_relative(service_event(c->purse->service), &c->timer,
                                CLOCK_BOOTTIME, WAIT_MAX, SEC, on_patience_end, c);
        if (r >= 0)
                r = payment_wait(p, on_over, c);
        if (r >= 0)
                c->payment = p;
        return r;
}

/* ---- the books know what is over */

static bool is_over(const BooksIntent *i) {
        return streq(i->state, "settled") || streq(i->state, "failed");
}

static void answer_known(PayCall *c, const BooksIntent *rows, bool wait) {
        Payment *p;

        p = payment_find(c->purse->wallet, rows->id);
        if (!p && !is_over(rows)) { /* this very process lost sight of it */
                (void) payment_adopt(c->purse->wallet, rows);
                p = payment_find(c->purse->wallet, rows->id);
        }
        if (is_over(rows) || !p || !wait || pay_call_wait(c, p) < 0)
                answer_row(c, rows);
}

static void on_intent_row(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        PayCall *c = userdata;

        if (error < 0)
                answer_error(c, BUS_ERROR_NOT_REACHABLE, reason);
        else if (n == 0)
                answer_error(c, BUS_ERROR_NO_PAYMENT, "There is no such payment");
        else
                answer_known(c, rows, c->timer);
}

static void pay_call_ask_books(PayCall *c) {
        if (books_get_intent(c->purse->wallet->books, c->id, on_intent_row, c, &c->call) < 0)
                answer_error(c, BUS_ERROR_BUSY, "The books cannot be asked");
}

/* ---- the calls */

static int refuse(sd_bus_error *error, int r) {
        if (r == -EINVAL)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "A payment's id has 1 to %d characters.", BOOKS_NAME_MAX);
        if (r == -ENOBUFS)
                return sd_bus_error_set(
                                error, BUS_ERROR_BUSY, "Too many payments are on their way.");
        return r;
}

int pay_call(Purse *p, sd_bus_message *m, const PaymentOrder *order, sd_bus_error *error) {
        _cleanup_(pay_call_freep) PayCall *c = NULL;
        Payment *payment;
        int r;

        r = pay_call_new(p, m, order->id, &c);
        if (r >= 0)
                r = payment_new(p->wallet, order, &payment);
        if (r >= 0)
                r = pay_call_wait(c, payment);
        if (r < 0)
                return refuse(error, r);
        TAKE_PTR(c);
        return 1;
}

int lookup_call(Purse *p, sd_bus_message *m, const char *id_or_hash, sd_bus_error *error) {
        PayCall *c;
        int r;

        r = pay_call_new(p, m, id_or_hash, &c);
        if (r < 0)
                return refuse(error, r);
        pay_call_ask_books(c);
        return 1;
}

/* What is owed for the job: what its paid invoices brought into this wallet. A zap did not, and
 * that it was paid says its server alone: whoever gives that back is a person. */
static int64_t owed(const BooksInvoice *rows, size_t n) {
        int64_t msat = 0;

        for (size_t i = 0; i < n; i++)
                if (streq(rows[i].state, "paid") && !streq(rows[i].stage, "zap") &&
                                __builtin_add_overflow(msat, rows[i].received_msat, &msat))
                        return 0;
        return msat;
}

static bool has_zap(const BooksInvoice *rows, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(rows[i].state, "paid") && streq(rows[i].stage, "zap"))
                        return true;
        return false;
}

static bool names_amount(const char *destination) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason;

        return bolt11_decode(destination, &b, &reason) >= 0 && b.amount_msat > 0;
}

/* The same refund joins the earlier one in the books, by its purpose and ref. */
static int refund_id(char *ret, size_t size) {
        uint8_t chance[8];
        char hex[2 * sizeof(chance) + 1];
        int r;

        r = crypt_random(chance, sizeof(chance));
        if (r < 0)
                return r;
        hex_encode(chance, sizeof(chance), hex);
        (void) snprintf(ret, size, "refund:%s", hex);
        return 0;
}

static void on_job_invoices(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        PayCall *c = userdata;
        char job[BOOKS_NAME_MAX + 1], id[BOOKS_NAME_MAX + 1];
        PaymentOrder order = { .id = id,
                .account = "refunds",
                .destination = c->destination,
                .purpose = "refund",
                .ref = job,
                .fee_max_msat = -1 };
        Payment *payment;

        if (error < 0) {
                answer_error(c, BUS_ERROR_NOT_REACHABLE, reason);
                return;
        }
        (void) snprintf(job, sizeof(job), "%s", c->id);
        order.amount_msat = owed(rows, n);
        if (order.amount_msat <= 0) {
                answer_error(c, BUS_ERROR_NO_PAYMENT,
                                has_zap(rows, n)
                                                ? "It was paid by a zap, which only a person gives back"
                                                : "Nothing was paid for this job");
                return;
        }
        if (names_amount(c->destination))
                order.amount_msat = 0; /* the books refuse more than is owed */
        if (refund_id(id, sizeof(id)) < 0 || payment_new(c->purse->wallet, &order, &payment) < 0 ||
                        pay_call_wait(c, payment) < 0)
                answer_error(c, BUS_ERROR_BUSY, "Too many payments are on their way");
}

/* One that is on its way, or was paid: its invoice is in the books, and no other is asked for. */
static void on_refund_row(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        PayCall *c = userdata;
        const char *job = c->id;

        if (error < 0)
                answer_error(c, BUS_ERROR_NOT_REACHABLE, reason);
        else if (n > 0)
                answer_known(c, rows, true);
        else if (books_job_invoices(c->purse->wallet->books, &job, 1, on_job_invoices, c,
                                 &c->call) < 0)
                answer_error(c, BUS_ERROR_BUSY, "The books cannot be asked");
}

static int refund_begin(PayCall *c) {
        Wallet *w = c->purse->wallet;
        Payment *p = payment_find_refund(w, c->id);
        char name[sizeof(BOOKS_REFUND_OF) + BOOKS_NAME_MAX];

        if (p)
                return pay_call_wait(c, p);
        (void) snprintf(name, sizeof(name), BOOKS_REFUND_OF "%s", c->id);
        return books_get_intent(w->books, name, on_refund_row, c, &c->call);
}

int refund_call(Purse *p, sd_bus_message *m, const char *job, const char *destination,
                sd_bus_error *error) {
        _cleanup_(pay_call_freep) PayCall *c = NULL;
        int r;

        r = pay_call_new(p, m, job, &c);
        if (r < 0)
                return refuse(error, r);
        c->destination = strdup(destination);
        if (!c->destination)
                return -ENOMEM;
        r = refund_begin(c);
        if (r < 0)
                return refuse(error, r);
        TAKE_PTR(c);
        return 1;
}
