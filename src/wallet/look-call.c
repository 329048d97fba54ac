#include "look-call.h"

#include <stdio.h>

#include "basic/codec.h"
#include "bus/names.h"
#include "bus/text.h"

typedef struct LookCall {
        Purse *purse;
        sd_bus_message *message, *reply; /* the reply's array is open while the backend is asked */
        char id[BOOKS_NAME_MAX + 1];
        BooksCall *call;
        DriverOp *op;
} LookCall;

static LookCall *look_call_free(LookCall *c) {
        if (!c)
                return NULL;

        books_call_free(c->call);
        driver_op_free(c->op);
        sd_bus_message_unref(c->message);
        sd_bus_message_unref(c->reply);
        c->purse->n_calls--;
        return mfree(c);
}
DEFINE_CLEANUP(LookCall, look_call_free)

/* ---- answers; each is the end of the call */

static void answer_error(LookCall *call, const char *name, const char *reason) {
        _cleanup_(look_call_freep) LookCall *c = call;

        (void) sd_bus_reply_method_errorf(c->message, name, "%s.", reason);
}

static void answer(LookCall *call, int r) {
        _cleanup_(look_call_freep) LookCall *c = call;

        if (r >= 0)
                r = sd_bus_message_close_container(c->reply);
        if (r >= 0)
                r = sd_bus_send(NULL, c->reply, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errno(c->message, r, NULL);
}

static int append_text(sd_bus_message *m, const char *name, const char *value) {
        return sd_bus_message_append(m, "{sv}", name, "s", value ?: "");
}

static int append_number(sd_bus_message *m, const char *name, int64_t value) {
        return sd_bus_message_append(m, "{sv}", name, "x", value);
}

static int append_intent(sd_bus_message *m, const BooksIntent *i) {
        int r;

        r = append_text(m, "type", "payment");
        if (r >= 0)
                r = append_text(m, "id", i->id);
        if (r >= 0)
                r = append_text(m, "state", i->state);
        if (r >= 0)
                r = append_text(m, "hash", i->hash);
        if (r >= 0)
                r = append_text(m, "account", i->account);
        if (r >= 0)
                r = append_text(m, "payee", i->payee);
        if (r >= 0)
                r = append_text(m, "purpose", i->purpose);
        if (r >= 0)
                r = append_text(m, "ref", i->ref);
        if (r >= 0)
                r = append_text(m, "grant", i->grant);
        if (r >= 0)
                r = append_text(m, "bolt11", i->bolt11);
        if (r >= 0)
                r = append_text(m, "preimage", i->preimage);
        if (r >= 0)
                r = append_text(m, "reason", i->reason);
        if (r >= 0)
                r = append_text(m, "driver", i->driver);
        if (r >= 0)
                r = append_number(m, "amount_msat", i->amount_msat);
        if (r >= 0)
                r = append_number(m, "fee_msat", i->fee_msat);
        if (r >= 0)
                r = append_number(m, "fee_max_msat", i->fee_max_msat);
        if (r >= 0)
                r = append_number(m, "created_at", i->created_at);
        if (r >= 0)
                r = append_number(m, "tries", i->tries);
        return r;
}

static int append_invoice(sd_bus_message *m, const BooksInvoice *i) {
        int r;

        r = append_text(m, "type", "invoice");
        if (r >= 0)
                r = append_text(m, "state", i->state);
        if (r >= 0)
                r = append_text(m, "hash", i->hash);
        if (r >= 0)
                r = append_text(m, "account", i->account);
        if (r >= 0)
                r = append_text(m, "job", i->job);
        if (r >= 0)
                r = append_text(m, "stage", i->stage);
        if (r >= 0)
                r = append_text(m, "description", i->description);
        if (r >= 0)
                r = append_text(m, "bolt11", i->bolt11);
        if (r >= 0)
                r = append_text(m, "preimage", i->preimage);
        if (r >= 0)
                r = append_number(m, "amount_msat", i->amount_msat);
        if (r >= 0)
                r = append_number(m, "received_msat", i->received_msat);
        if (r >= 0)
                r = append_number(m, "created_at", i->created_at);
        if (r >= 0)
                r = append_number(m, "expires_at", i->expires_at);
        if (r >= 0)
                r = append_number(m, "settled_at", i->settled_at);
        return r;
}

static int begin_answer(LookCall *c) {
        int r;

        r = sd_bus_message_new_method_return(c->message, &c->reply);
        return r < 0 ? r : sd_bus_message_open_container(c->reply, 'a', "{sv}");
}

/* What the backend says: one word, and why it said nothing. */
static void answer_backend(LookCall *c, const char *word, const char *reason) {
        int r;

        r = append_text(c->reply, "backend", word);
        if (r >= 0 && !isempty(reason))
                r = append_text(c->reply, "backend_reason",
                                bus_text_or(reason, "its words cannot be shown"));
        answer(c, r);
}

/* ---- the backend, about what is not over */

static const char *const invoice_words[_DRIVER_INVOICE_STATE_MAX] = {
        [DRIVER_INVOICE_OPEN] = "open",
        [DRIVER_INVOICE_SETTLED] = "settled",
        [DRIVER_INVOICE_EXPIRED] = "expired",
        [DRIVER_INVOICE_ABSENT] = "absent",
};

/* What was missed so far is booked now. */
static void on_invoice_looked(
                int error, const char *reason, const DriverInvoice *invoice, void *userdata) {
        LookCall *c = userdata;

        if (error < 0) {
                answer_backend(c, "silent", reason);
                return;
        }
        if (invoice->state == DRIVER_INVOICE_SETTLED &&
                        invoice_book(c->purse->wallet, invoice, "") < 0)
                reason = "there is no memory to book it";
        answer_backend(c, invoice_words[invoice->state], reason);
}

static void on_payment_looked(const DriverPayment *payment, void *userdata) {
        LookCall *c = userdata;
        Payment *p = payment_find(c->purse->wallet, c->id);

        if (p)
                payment_look(p); /* what it says is believed by the payment's own rules */
        answer_backend(c, payment->absent ? "absent" : driver_outcome_name(payment->outcome),
                        payment->reason);
}

static bool asks_backend(const Purse *p, const char *driver) {
        const Wallet *w = p->wallet;

        return w->state == WALLET_READY && w->driver &&
               (isempty(driver) || streq(driver, wallet_driver(w)));
}

static int ask_about_invoice(LookCall *c, const BooksInvoice *row) {
        Wallet *w = c->purse->wallet;
        uint8_t hash[32];

        if (!streq(row->state, "pending") || !asks_backend(c->purse, row->driver) ||
                        hex_decode(row->hash, hash, sizeof(hash)) < 0)
                return 0;
        return w->class->lookup_invoice(w->driver, hash, on_invoice_looked, c, &c->op) < 0 ? 0 : 1;
}

/* Before "sent" the backend has heard nothing. */
static int ask_about_payment(LookCall *c, const BooksIntent *row) {
        Wallet *w = c->purse->wallet;
        uint8_t hash[32];
        bool open = streq(row->state, "sent") || streq(row->state, "unknown");

        if (!open || isempty(row->driver) || !asks_backend(c->purse, row->driver) ||
                        hex_decode(row->hash, hash, sizeof(hash)) < 0)
                return 0;
        (void) snprintf(c->id, sizeof(c->id), "%s", row->id);
        return w->class->lookup_payment(w->driver, hash, on_payment_looked, c, &c->op) < 0 ? 0 : 1;
}

/* ---- the books */

static void on_invoice_row(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        LookCall *c = userdata;
        int r;

        if (error < 0 || n == 0) {
                answer_error(c, error < 0 ? BUS_ERROR_NOT_REACHABLE : BUS_ERROR_NO_PAYMENT,
                                error < 0 ? reason
                                          : "There is no such payment, and no such invoice");
                return;
        }
        r = begin_answer(c);
        if (r >= 0)
                r = append_invoice(c->reply, rows);
        if (r < 0 || ask_about_invoice(c, rows) == 0)
                answer(c, r);
}

static void on_intent_row(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        LookCall *c = userdata;
        int r;

        if (error < 0) {
                answer_error(c, BUS_ERROR_NOT_REACHABLE, reason);
                return;
        }
        if (n == 0) {
                if (books_get_invoice(c->purse->wallet->books, c->id, on_invoice_row, c, &c->call) <
                                0)
                        answer_error(c, BUS_ERROR_BUSY, "The books cannot be asked");
                return;
        }
        r = begin_answer(c);
        if (r >= 0)
                r = append_intent(c->reply, rows);
        if (r < 0 || ask_about_payment(c, rows) == 0)
                answer(c, r);
}

int look_call(Purse *p, sd_bus_message *m, const char *id_or_hash, sd_bus_error *error) {
        _cleanup_(look_call_freep) LookCall *c = NULL;
        int r;

        if (isempty(id_or_hash) || strlen(id_or_hash) > BOOKS_NAME_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "A payment's id has 1 to %d characters.", BOOKS_NAME_MAX);
        c = new0(LookCall, 1);
        if (!c)
                return -ENOMEM;
        c->purse = p;
        p->n_calls++;
        c->message = sd_bus_message_ref(m);
        (void) snprintf(c->id, sizeof(c->id), "%s", id_or_hash);
        r = books_get_intent(p->wallet->books, c->id, on_intent_row, c, &c->call);
        if (r < 0)
                return r == -ENOBUFS ? sd_bus_error_set(error, BUS_ERROR_BUSY,
                                                       "Too much is being asked.")
                                     : r;
        TAKE_PTR(c);
        return 1;
}
