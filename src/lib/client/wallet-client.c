#include "client/wallet-client.h"

#include <stdio.h>

#include "basic/text.h"
#include "bus/names.h"
#include "bus/text.h"
#include "client/wallet-private.h"

#define BATCH_MAX   256
#define SETTLED_MAX 4096
/* After what came in this turn has been read, before the loop sleeps. */
#define FLUSH_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* Invoices that are asked for in one message. */
struct WalletBatch {
        WalletClient *client;
        sd_bus_message *message; /* its array is open while it is filled */
        WalletCall *first, *last;
        size_t n;
        int error;                /* it could not be sent */
        WalletBatch *prev, *next; /* among those on the way, or those that failed */
};

struct WalletClient {
        sd_event *event;
        sd_event_source *flush;
        BusClient *bus;
        WalletBatch *asks; /* being filled; NULL: nothing to send */
        WalletBatch *sent, *failed;
        WalletCall *alone;
        size_t n_waiting;
        char **noted; /* jobs, to be sent */
        const WalletHandler *handler;
        void *userdata;
        bool listening, was_down;
};

/* Calls. */

static void call_unlink(WalletCall *call) {
        WalletCall **list = call->batch ? &call->batch->first : &call->client->alone;

        *(call->prev ? &call->prev->next : list) = call->next;
        if (call->next)
                call->next->prev = call->prev;
        else if (call->batch)
                call->batch->last = call->prev;
        call->client->n_waiting--;
        if (call->handle)
                *call->handle = NULL;
}

/* A row of a batch keeps its place, since the answers come in the order of the rows. */
WalletCall *wallet_call_free(WalletCall *call) {
        if (!call)
                return NULL;

        if (call->batch) {
                if (call->handle)
                        *call->handle = NULL;
                call->handle = NULL;
                call->done.invoice = NULL;
                return NULL;
        }
        call_unlink(call);
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}

int wallet_call_new(WalletClient *c, WalletBatch *batch, void *userdata, WalletCall **ret) {
        WalletCall *call;

        if (c->n_waiting >= WALLET_WAITING_MAX)
                return -ENOBUFS;
        call = new0(WalletCall, 1);
        if (!call)
                return -ENOMEM;
        *call = (WalletCall){ .client = c, .batch = batch, .userdata = userdata };
        if (batch) {
                call->prev = batch->last;
                *(batch->last ? &batch->last->next : &batch->first) = call;
                batch->last = call;
        } else {
                call->next = c->alone;
                if (call->next)
                        call->next->prev = call;
                c->alone = call;
        }
        c->n_waiting++;
        *ret = call;
        return 0;
}

WalletCall wallet_call_end(WalletCall *call) {
        WalletCall copy = *call;

        call_unlink(call);
        free(call);
        return copy;
}

int wallet_error(int error, const char *name) {
        if (streq(name, BUS_ERROR_NO_WALLET) || streq(name, BUS_ERROR_WRONG_NETWORK))
                return -EHOSTDOWN;
        if (streq(name, BUS_ERROR_NO_PAYMENT))
                return -ENOENT;
        if (streq(name, BUS_ERROR_NOT_ALLOWED))
                return -EPERM;
        if (streq(name, BUS_ERROR_NO_MONEY))
                return -EDQUOT;
        if (streq(name, BUS_ERROR_BAD_INPUT))
                return -EINVAL;
        if (streq(name, BUS_ERROR_BUSY))
                return -EBUSY;
        if (streq(name, BUS_ERROR_NOT_REACHABLE))
                return -EAGAIN;
        return error;
}

/* Batches. */

static WalletBatch *batch_free(WalletBatch *b) {
        if (!b)
                return NULL;

        while (b->first) {
                WalletCall *call = b->first;

                call_unlink(call);
                free(call);
        }
        sd_bus_message_unref(b->message);
        return mfree(b);
}
DEFINE_CLEANUP(WalletBatch, batch_free)

static void batch_link(WalletBatch *b) {
        WalletBatch **list = b->error < 0 ? &b->client->failed : &b->client->sent;

        b->next = *list;
        if (b->next)
                b->next->prev = b;
        *list = b;
}

static void batch_unlink(WalletBatch *b) {
        WalletBatch **list = b->error < 0 ? &b->client->failed : &b->client->sent;

        *(b->prev ? &b->prev->next : list) = b->next;
        if (b->next)
                b->next->prev = b->prev;
        b->prev = b->next = NULL;
}

/* A callback may free the client: this batch is nobody's by now and its calls leave one by one. */
static void batch_answer(WalletBatch *b, sd_bus_message *m, int error, const char *reason) {
        WalletCall *call;

        if (m && sd_bus_message_enter_container(m, 'a', "(isssx)") < 0)
                error = -EBADMSG;
        while ((call = b->first)) {
                wallet_invoice_done_t done = call->done.invoice;
                const char *why = reason ?: "the wallet's answer could not be read";
                void *userdata = call->userdata;
                WalletInvoice i = { 0 };
                int verdict = error;

                if (error >= 0 && sd_bus_message_read(m, "(isssx)", &verdict, &why, &i.hash,
                                                  &i.bolt11, &i.expires_at) <= 0)
                        verdict = error = -EBADMSG;
                call_unlink(call);
                free(call);
                if (done)
                        done(MIN(verdict, 0), verdict < 0 ? why : NULL, verdict < 0 ? NULL : &i,
                                        userdata);
        }
}

static void batch_on_reply(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_(batch_freep) WalletBatch *b = userdata;

        batch_unlink(b);
        batch_answer(b, m, error < 0 ? wallet_error(error, name) : 0, reason);
}

static void batch_send(WalletBatch *b) {
        WalletClient *c;
        int r;

        if (!b)
                return;
        c = b->client;
        r = sd_bus_message_close_container(b->message);
        if (r >= 0)
                r = bus_client_call(c->bus, b->message, 0, batch_on_reply, b, NULL);
        b->error = MIN(r, 0);
        b->message = sd_bus_message_unref(b->message); /* the bus client keeps its own */
        batch_link(b);
        if (r < 0) /* told from the event loop: the caller of this may be one of them */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

static void on_noted(_unused_ sd_bus_message *m, _unused_ int error, _unused_ const char *name,
                _unused_ const char *reason, _unused_ void *userdata) {
}

/* One that gets lost is told of again. */
static void noted_send(WalletClient *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!c->noted)
                return;
        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "Noted", &m);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, c->noted);
        if (r >= 0)
                (void) bus_client_call(c->bus, m, 0, on_noted, c, NULL);
        c->noted = strv_free(c->noted);
}

static int on_flush(_unused_ sd_event_source *s, void *userdata) {
        _cleanup_(batch_freep) WalletBatch *b = NULL;
        WalletClient *c = userdata;

        noted_send(c);
        batch_send(TAKE_PTR(c->asks));
        b = c->failed;
        if (!b)
                return 0;
        batch_unlink(b);
        if (c->failed) /* a callback may free the client: one at a time */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        batch_answer(b, NULL, b->error, "the wallet cannot be asked");
        return 0;
}

static int batch_get(WalletClient *c, WalletBatch **ret) {
        _cleanup_(batch_freep) WalletBatch *b = NULL;
        int r;

        if (c->asks && c->asks->n >= BATCH_MAX)
                batch_send(TAKE_PTR(c->asks));
        if (c->asks) {
                *ret = c->asks;
                return 0;
        }
        b = new0(WalletBatch, 1);
        if (!b)
                return -ENOMEM;
        b->client = c;
        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "Invoices", &b->message);
        if (r >= 0)
                r = sd_bus_message_open_container(b->message, 'a', "(ssxsu)");
        if (r >= 0)
                r = sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;
        *ret = c->asks = TAKE_PTR(b);
        return 0;
}

int wallet_invoice(WalletClient *c, const WalletAsk *ask, wallet_invoice_done_t done,
                void *userdata, WalletCall **ret) {
        WalletCall *call;
        WalletBatch *b;
        int r;

        if (!bus_text_is_fit(ask->job_id) || !bus_text_is_fit(ask->stage))
                return -EILSEQ;
        wallet_client_listen(c);
        r = batch_get(c, &b);
        if (r >= 0)
                r = wallet_call_new(c, b, userdata, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(b->message, "(ssxsu)", ask->job_id, ask->stage, ask->amount_msat,
                        bus_text_or(ask->description ?: "", ""), ask->expiry_s);
        if (r < 0) {
                call_unlink(call);
                free(call);
                return r;
        }
        call->done.invoice = done;
        call->handle = ret;
        if (ret)
                *ret = call;
        b->n++;
        return 0;
}

/* Settlements. */

static int on_settled(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_free_ WalletSettled *rows = NULL;
        WalletClient *c = userdata;
        size_t n = 0;
        int r;

        rows = new0(WalletSettled, SETTLED_MAX);
        if (!rows)
                return 0; /* told of again */
        r = sd_bus_message_enter_container(m, 'a', "(ssxx)");
        while (r >= 0 && n < SETTLED_MAX) {
                WalletSettled *s = rows + n;

                r = sd_bus_message_read(m, "(ssxx)", &s->job_id, &s->stage, &s->received_msat,
                                &s->settled_at);
                if (r <= 0)
                        break;
                n++;
        }
        if (r >= 0 && n > 0)
                c->handler->settled(rows, n, c->userdata);
        return 0;
}

static int on_invoice_settled(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *hash, *account;
        WalletClient *c = userdata;
        int64_t msat;

        if (sd_bus_message_read(m, "ssx", &hash, &account, &msat) > 0)
                c->handler->invoice_settled(hash, account, msat, c->userdata);
        return 0;
}

static int on_payment_changed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *id, *state;
        WalletClient *c = userdata;

        if (sd_bus_message_read(m, "ss", &id, &state) > 0)
                c->handler->payment_changed(id, state, c->userdata);
        return 0;
}

static int on_transferred(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *id, *from, *to;
        WalletClient *c = userdata;
        int64_t msat;

        if (sd_bus_message_read(m, "sssx", &id, &from, &to, &msat) > 0)
                c->handler->transferred(id, from, to, msat, c->userdata);
        return 0;
}

static int match_all(WalletClient *c) {
        const WalletHandler *h = c->handler;
        int r = 0;

        if (h && h->settled)
                r = bus_client_match(c->bus, BUS_WALLET_SERVICE, "Settled", on_settled, c);
        if (r >= 0 && h && h->invoice_settled)
                r = bus_client_match(c->bus, BUS_WALLET, "InvoiceSettled", on_invoice_settled, c);
        if (r >= 0 && h && h->payment_changed)
                r = bus_client_match(c->bus, BUS_WALLET, "PaymentChanged", on_payment_changed, c);
        if (r >= 0 && h && h->transferred)
                r = bus_client_match(c->bus, BUS_WALLET, "Transferred", on_transferred, c);
        return r;
}

static void on_up(void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WalletClient *c = userdata;

        if (c->listening && c->handler->settled &&
                        bus_client_message(c->bus, BUS_WALLET_SERVICE, "Listen", &m) >= 0)
                (void) bus_client_call(c->bus, m, 0, on_noted, c, NULL);
        if (TAKE(c->was_down, false) && c->handler && c->handler->returned)
                c->handler->returned(c->userdata);
}

static void on_down(void *userdata) {
        WalletClient *c = userdata;

        c->was_down = true;
}

void wallet_client_listen(WalletClient *c) {
        if (c->listening || !c->handler)
                return;
        c->listening = true;
        if (bus_client_is_up(c->bus))
                on_up(c);
        bus_client_stay(c->bus, true);
}

void wallet_client_noted(WalletClient *c, const char *job_id) {
        if (strv_add(&c->noted, job_id) >= 0)
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

/* Calls of their own. */

int wallet_call_send(WalletCall *call, sd_bus_message *m, bus_reply_t on_reply, WalletCall **ret) {
        int r;

        r = bus_client_call(call->client->bus, m, 0, on_reply, call, &call->bus);
        if (r < 0) {
                wallet_call_free(call);
                return r;
        }
        call->handle = ret;
        if (ret)
                *ret = call;
        return 0;
}

static int read_payments(sd_bus_message *m, WalletJobPayment *rows, size_t max, size_t *ret_n) {
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssxs)");
        while (r >= 0 && n < max) {
                WalletJobPayment *p = rows + n;

                r = sd_bus_message_read(
                                m, "(ssxs)", &p->job_id, &p->stage, &p->received_msat, &p->status);
                if (r <= 0)
                        break;
                n++;
        }
        *ret_n = n;
        return MIN(r, 0);
}

static void on_payments(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ WalletJobPayment *rows = NULL;
        WalletCall *call = userdata;
        wallet_job_payments_done_t done = call->done.payments;
        size_t max = (size_t) 4 * WALLET_JOBS_MAX, n = 0;

        userdata = call->userdata;
        call_unlink(call);
        free(call);
        if (error < 0)
                error = wallet_error(error, name);
        else {
                rows = new0(WalletJobPayment, max);
                error = rows ? read_payments(m, rows, max, &n) : -ENOMEM;
                reason = "the wallet's answer could not be read";
        }
        done(error, error < 0 ? reason : NULL, rows, error < 0 ? 0 : n, userdata);
}

int wallet_append_names(sd_bus_message *m, const char *const *names, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "s", names[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int wallet_job_payments(WalletClient *c, const char *const *job_ids, size_t n,
                wallet_job_payments_done_t done, void *userdata, WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WalletCall *call;
        int r;

        if (n > WALLET_JOBS_MAX)
                return -E2BIG;
        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "JobPayments", &m);
        if (r >= 0)
                r = wallet_append_names(m, job_ids, n);
        if (r >= 0)
                r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.payments = done;
        return wallet_call_send(call, m, on_payments, ret);
}

static void on_paid(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        WalletCall *call = userdata;
        wallet_paid_done_t done = call->done.paid;
        WalletPaid p = { 0 };

        userdata = call->userdata;
        call_unlink(call);
        free(call);
        if (error < 0)
                error = wallet_error(error, name);
        else if (sd_bus_message_read(m, "sssxs", &p.state, &p.hash, &p.preimage, &p.fee_msat,
                                 &p.reason) < 0) {
                error = -EBADMSG;
                reason = "the wallet's answer could not be read";
        }
        if (done)
                done(error, error < 0 ? reason : NULL, error < 0 ? NULL : &p, userdata);
}

static int append_option(sd_bus_message *m, const char *name, const char *value) {
        return isempty(value) ? 0 : sd_bus_message_append(m, "{sv}", name, "s", value);
}

static int append_pay(sd_bus_message *m, const WalletPay *pay) {
        int r;

        r = sd_bus_message_append(m, "sssxx", pay->id, pay->account, pay->destination,
                        pay->amount_msat, pay->fee_max_msat);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_option(m, "grant", pay->grant);
        if (r >= 0)
                r = append_option(m, "purpose", pay->purpose);
        if (r >= 0)
                r = append_option(m, "ref", pay->ref);
        if (r >= 0)
                r = append_option(m, "payee", pay->payee);
        if (r >= 0)
                r = append_option(m, "comment", pay->comment);
        if (r >= 0)
                r = append_option(m, "zap", pay->zap);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int paid_call(WalletClient *c, sd_bus_message *m, wallet_paid_done_t done, void *userdata,
                WalletCall **ret) {
        WalletCall *call;
        int r;

        r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.paid = done;
        return wallet_call_send(call, m, on_paid, ret);
}

int wallet_pay(WalletClient *c, const WalletPay *pay, wallet_paid_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!bus_text_is_fit(pay->destination) || !bus_text_is_fit(pay->id) ||
                        !bus_text_is_fit(pay->comment ?: "") || !bus_text_is_fit(pay->zap ?: ""))
                return -EILSEQ;
        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "Pay", &m);
        if (r >= 0)
                r = append_pay(m, pay);
        return r < 0 ? r : paid_call(c, m, done, userdata, ret);
}

int wallet_lookup(WalletClient *c, const char *id_or_hash, wallet_paid_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "Lookup", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id_or_hash);
        return r < 0 ? r : paid_call(c, m, done, userdata, ret);
}

int wallet_refund(WalletClient *c, const char *job_id, const char *destination,
                wallet_paid_done_t done, void *userdata, WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!bus_text_is_fit(destination))
                return -EILSEQ;
        r = bus_client_message(c->bus, BUS_WALLET_SERVICE, "Refund", &m);
        if (r >= 0)
                r = sd_bus_message_sensitive(m); /* an NWC address is a secret */
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", job_id, destination);
        return r < 0 ? r : paid_call(c, m, done, userdata, ret);
}

/* Life cycle. */

int wallet_client_new(sd_event *event, const char *socket_path, const WalletHandler *handler,
                void *userdata, WalletClient **ret) {
        _cleanup_(wallet_client_freep) WalletClient *c = NULL;
        int r;

        c = new0(WalletClient, 1);
        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->handler = handler;
        c->userdata = userdata;
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        bus_client_on_state(c->bus, on_up, on_down, c);
        r = match_all(c);
        if (r >= 0)
                r = sd_event_add_defer(event, &c->flush, on_flush, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->flush, FLUSH_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

WalletClient *wallet_client_free(WalletClient *c) {
        if (!c)
                return NULL;

        while (c->alone)
                wallet_call_free(c->alone);
        c->bus = bus_client_free(c->bus);
        while (c->sent || c->failed) {
                WalletBatch *b = c->sent ?: c->failed;

                batch_unlink(b);
                batch_free(b);
        }
        batch_free(c->asks);
        strv_free(c->noted);
        sd_event_source_disable_unref(c->flush);
        sd_event_unref(c->event);
        return mfree(c);
}

BusClient *wallet_client_bus(WalletClient *c) {
        return c->bus;
}

size_t wallet_client_n_waiting(const WalletClient *c) {
        return c->n_waiting;
}
