/* com.openagents.Pylon1.Wallet.Service: what provider and host ask for. */
#include <stdio.h>

#include "agent-bus.h"
#include "basic/text.h"
#include "bus/names.h"
#include "money/msat.h"
#include "pay-call.h"
#include "reply.h"
#include "zap-call.h"

#define BATCH_MAX       1024
#define JOBS_MAX        1000
#define DESCRIPTION_MAX 639
#define EXPIRY_MAX      (30 * 24 * 3600)

static int services_only(Purse *p, sd_bus_message *m, sd_bus_error *error) {
        PeerRole role = bus_server_role(service_server(p->service), m);

        if (role == PEER_PROVIDER || role == PEER_HOST || role == PEER_OWNER)
                return 0;
        return sd_bus_error_set(
                        error, BUS_ERROR_NOT_ALLOWED, "Only provider and host may call this.");
}

/* The owner's own `pylon wallet` goes on. */
static int payments_on(const Purse *p, sd_bus_error *error) {
        if (p->wallet->config->enable_payments)
                return 0;
        return sd_bus_error_set(error, BUS_ERROR_NO_WALLET,
                        "Payments are switched off: enable_payments is false.");
}

/* ---- Invoices: many are asked for at once, and answered when the last one is there */

typedef struct Asked Asked;
typedef struct InvoiceBatch {
        Reply *reply;
        Asked *items;
        size_t n, n_open;
} InvoiceBatch;

struct Asked {
        InvoiceBatch *batch;
        int error;
        char *reason, *bolt11;
        char hash[HEX32_MAX];
        int64_t expires_at;
        Making *making;
};

static InvoiceBatch *batch_free(InvoiceBatch *b) {
        if (!b)
                return NULL;

        for (size_t i = 0; i < b->n; i++) {
                making_free(b->items[i].making);
                free(b->items[i].reason);
                free(b->items[i].bolt11);
        }
        free(b->items);
        reply_free(b->reply);
        return mfree(b);
}
DEFINE_CLEANUP(InvoiceBatch, batch_free)

static void batch_answer(InvoiceBatch *batch) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(batch_freep) InvoiceBatch *b = batch;
        int r;

        r = sd_bus_message_new_method_return(b->reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(isssx)");
        for (size_t i = 0; r >= 0 && i < b->n; i++) {
                const Asked *a = b->items + i;

                r = sd_bus_message_append(m, "(isssx)", a->error, a->reason ?: "", a->hash,
                                a->bolt11 ?: "", a->expires_at);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(b->reply, r, m);
}

static void asked_end(Asked *a, int error, const char *reason, const Invoice *i) {
        a->error = error;
        if (error < 0)
                a->reason = strdup(reason ?: "there is no memory");
        else {
                a->bolt11 = strdup(i->bolt11);
                (void) snprintf(a->hash, sizeof(a->hash), "%s", i->hash);
                a->expires_at = i->expires_at;
                if (!a->bolt11)
                        a->error = -ENOMEM;
        }
        a->batch->n_open--;
}

static void on_made(int error, const char *reason, const Invoice *i, void *userdata) {
        Asked *a = userdata;
        InvoiceBatch *b = a->batch;

        a->making = NULL;
        asked_end(a, error, reason, i);
        if (b->n_open == 0)
                batch_answer(b);
}

static const char *order_fault(const Purse *p, const InvoiceOrder *o) {
        if (isempty(o->job) || strlen(o->job) > BOOKS_NAME_MAX)
                return "its job has no id, or a long one";
        if (!streq(o->stage, "") && !streq(o->stage, "pre") && !streq(o->stage, "post"))
                return "there is no such stage";
        if (o->amount_msat <= 0 || o->amount_msat > MSAT_MAX)
                return "there is no such amount";
        if (o->amount_msat % p->wallet->class->caps.unit_msat != 0)
                return "the wallet counts whole sats";
        if (o->expiry_s == 0 || o->expiry_s > EXPIRY_MAX)
                return "there is no such expiry";
        return NULL;
}

static void ask(Purse *p, Asked *a, InvoiceOrder *o) {
        char description[DESCRIPTION_MAX + 1];
        const Invoice *i = invoice_find_job(p->wallet, o->job, o->stage);
        const char *fault = order_fault(p, o);
        int r;

        if (fault || i) {
                asked_end(a, fault ? -EINVAL : 0, fault, i);
                return;
        }
        (void) snprintf(description, sizeof(description), "%.*s",
                        (int) utf8_prefix(o->description, strlen(o->description), DESCRIPTION_MAX),
                        o->description);
        o->description = description;
        o->account = "held";
        r = invoice_make(p->wallet, o, on_made, a, &a->making);
        if (r < 0)
                asked_end(a, r, "the wallet's backend cannot be asked", NULL);
}

static int read_orders(sd_bus_message *m, InvoiceOrder *orders, size_t *ret_n) {
        int r;

        *ret_n = 0;
        r = sd_bus_message_enter_container(m, 'a', "(ssxsu)");
        while (r >= 0) {
                InvoiceOrder *o = orders + *ret_n;

                if (*ret_n == BATCH_MAX)
                        return sd_bus_message_at_end(m, false) > 0 ? 0 : -E2BIG;
                r = sd_bus_message_read(m, "(ssxsu)", &o->job, &o->stage, &o->amount_msat,
                                &o->description, &o->expiry_s);
                if (r <= 0)
                        break;
                ++*ret_n;
        }
        return MIN(r, 0);
}

static int method_invoices(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(batch_freep) InvoiceBatch *b = NULL;
        _cleanup_free_ InvoiceOrder *orders = NULL;
        Purse *p = userdata;
        int r;

        r = services_only(p, m, error);
        if (r >= 0)
                r = payments_on(p, error);
        if (r < 0)
                return r;
        r = purse_wait_ready(p, m, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        purse_listen(p, sd_bus_message_get_bus(m));
        orders = new0(InvoiceOrder, BATCH_MAX);
        b = new0(InvoiceBatch, 1);
        if (!orders || !b)
                return -ENOMEM;
        r = read_orders(m, orders, &b->n);
        if (r >= 0)
                r = reply_new(p, m, &b->reply);
        if (r < 0) {
                b->n = 0;
                return r;
        }
        b->n_open = b->n;
        b->items = new0(Asked, b->n + 1);
        if (!b->items) {
                b->n = 0;
                return -ENOMEM;
        }
        for (size_t i = 0; i < b->n; i++) {
                b->items[i].batch = b;
                ask(p, b->items + i, orders + i);
        }
        if (b->n_open == 0)
                batch_answer(b);
        TAKE_PTR(b);
        return 1;
}

/* ---- what was paid */

static int method_listen(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        int r;

        r = services_only(p, m, error);
        if (r < 0)
                return r;
        purse_listen(p, sd_bus_message_get_bus(m));
        return sd_bus_reply_method_return(m, NULL);
}

static int method_noted(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *job;
        int r;

        r = services_only(p, m, error);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &job)) > 0)
                purse_noted(p, job);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static const char *invoice_status(const BooksInvoice *i) {
        if (streq(i->state, "paid"))
                return i->settled_at > i->expires_at ? "late" : "paid";
        return streq(i->state, "pending") ? "open" : "expired";
}

static void on_job_invoices(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssxs)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(ssxs)", rows[i].job, rows[i].stage,
                                rows[i].received_msat, invoice_status(&rows[i]));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

static int method_job_payments(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_strv_ char **jobs = NULL;
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = services_only(p, m, error);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &jobs);
        if (r < 0)
                return r;
        if (strv_length(jobs) > JOBS_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "At most %d jobs can be asked for at once.", JOBS_MAX);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_job_invoices(p->wallet->books,
                                                          (const char *const *) jobs,
                                                          strv_length(jobs), on_job_invoices, reply,
                                                          &reply->call));
}

/* ---- paying */

static int method_refund(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *job, *destination;
        Purse *p = userdata;
        int r;

        r = services_only(p, m, error);
        if (r < 0)
                return r;
        r = purse_wait_ready(p, m, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        (void) sd_bus_message_sensitive(m); /* a customer's NWC address is a secret */
        r = sd_bus_message_read(m, "ss", &job, &destination);
        return r < 0 ? r : refund_call(p, m, job, destination, error);
}

static int method_zapped(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        int r;

        r = services_only(p, m, error);
        if (r >= 0)
                r = payments_on(p, error);
        if (r < 0)
                return r;
        r = purse_wait_ready(p, m, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        purse_listen(p, sd_bus_message_get_bus(m));
        return zap_call(p, m, error);
}

static int method_pay(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = services_only(userdata, m, error);
        if (r >= 0)
                r = payments_on(userdata, error);
        return r < 0 ? r : wallet_bus_pay(userdata, m, error);
}

static int method_lookup(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *what;
        int r;

        r = services_only(p, m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &what);
        return r < 0 ? r : lookup_call(p, m, what, error);
}

/* clang-format off */
const sd_bus_vtable wallet_service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Invoices", SD_BUS_ARGS("a(ssxsu)", jobs),
                        SD_BUS_RESULT("a(isssx)", invoices),
                        method_invoices, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Listen", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                        method_listen, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Noted", SD_BUS_ARGS("as", jobs), SD_BUS_NO_RESULT,
                        method_noted, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("JobPayments", SD_BUS_ARGS("as", jobs),
                        SD_BUS_RESULT("a(ssxs)", payments),
                        method_job_payments, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Zapped",
                        SD_BUS_ARGS("s", job, "s", recipient, "s", receipt, "x", asked_msat),
                        SD_BUS_NO_RESULT, method_zapped, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Refund", SD_BUS_ARGS("s", job, "s", destination),
                        SD_BUS_RESULT("s", state, "s", hash, "s", preimage, "x", fee_msat, "s", reason),
                        method_refund, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pay",
                        SD_BUS_ARGS("s", id, "s", account, "s", destination, "x", amount_msat,
                                    "x", fee_max_msat, "a{sv}", options),
                        SD_BUS_RESULT("s", state, "s", hash, "s", preimage, "x", fee_msat, "s", reason),
                        method_pay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Lookup", SD_BUS_ARGS("s", hash_or_id),
                        SD_BUS_RESULT("s", state, "s", hash, "s", preimage, "x", fee_msat, "s", reason),
                        method_lookup, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("BeginTick", SD_BUS_ARGS("s", grant, "s", tick), SD_BUS_NO_RESULT,
                        method_begin_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Accounts", SD_BUS_ARGS("as", names),
                        SD_BUS_RESULT("a(sxxb)", accounts),
                        method_accounts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("LnurlInfo", SD_BUS_ARGS("s", destination),
                        SD_BUS_RESULT("x", min_msat, "x", max_msat, "u", comment_max,
                                      "b", allows_nostr, "s", nostr_pubkey, "s", lnurl,
                                      "s", description),
                        method_lnurl_info, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Settled", SD_BUS_ARGS("a(ssxx)", invoices), 0),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
