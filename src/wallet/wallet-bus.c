/* com.openagents.Pylon1.Wallet: what people, and on their private sockets provider and host, may
 * ask of the purse. Amounts are millisats. */
#include <stdio.h>

#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "grant-bus.h"
#include "look-call.h"
#include "money/msat.h"
#include "nwc-bus.h"
#include "pay-call.h"
#include "policy.h"
#include "reply.h"

#define ACTION_VIEW     "com.openagents.pylon1.wallet.view"
#define ACTION_RECEIVE  "com.openagents.pylon1.wallet.receive"
#define ACTION_PAY      "com.openagents.pylon1.wallet.pay"

#define EXPIRY_MAX      (365 * 24 * 3600)
#define DESCRIPTION_MAX 639
#define DESTINATION_MAX 8192
#define ZAP_MAX         8192 /* NIP-57: it becomes part of a URL */
#define HISTORY_MAX     500

static PeerRole role_of(Purse *p, sd_bus_message *m) {
        return bus_server_role(service_server(p->service), m);
}

/* 1: go on; else what the handler returns: `return r < 0 ? r : 1`. */
static int may(Purse *p, sd_bus_message *m, const char *action, sd_bus_error *error) {
        return bus_authorize(service_server(p->service), m, action, error);
}

/* What of it is the caller's; polkit is asked besides where he is a person. */
static int may_account(Purse *p, sd_bus_message *m, WalletAct act, const char *account,
                sd_bus_error *error) {
        if (policy_may(role_of(p, m), act, account, ""))
                return 0;
        return sd_bus_error_setf(error, BUS_ERROR_NOT_ALLOWED,
                        act == WALLET_SPEND ? "The account \"%s\" is not the caller's to spend."
                                            : "The account \"%s\" is not the caller's.",
                        account);
}

/* ---- looking */

static void on_balances(
                int error, const char *reason, const BooksBalance *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sxx)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(sxx)", rows[i].account, rows[i].balance_msat,
                                rows[i].reserved_msat);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

static int method_balances(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_balances(p->wallet->books, on_balances, reply,
                                                          &reply->call));
}

static int append_status(const Purse *p, sd_bus_message *m, int64_t balance, bool has_balance) {
        const Wallet *w = p->wallet;
        const char *name, *trouble = wallet_trouble(w, &name);
        bool regtest = streq(wallet_driver(w), "regtest");
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "driver", "s", wallet_driver(w));
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "{sv}", "network", "s", network_name(w->config->network));
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "simulated", "b", regtest);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "state", "s", wallet_state_name(w->state));
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "reason", "s", trouble ?: "");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "pushed", "b", w->pushed);
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "{sv}", "open_payments", "t", (uint64_t) map_size(&w->payments));
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "{sv}", "open_invoices", "t", (uint64_t) map_size(&w->invoices));
        if (r >= 0 && has_balance)
                r = sd_bus_message_append(m, "{sv}", "driver_balance_msat", "x", balance);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void on_status_balance(
                int error, _unused_ const char *reason, int64_t msat, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = append_status(reply->purse, m, msat, error >= 0);
        reply_send(reply, r, m);
}

static int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        Wallet *w = p->wallet;
        Reply *reply;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        if (w->state == WALLET_READY)
                return reply_asked(reply,
                                w->class->balance(w->driver, on_status_balance, reply, &reply->op));
        on_status_balance(-EAGAIN, NULL, 0, reply);
        return 1;
}

static int append_line(sd_bus_message *m, const BooksLine *l) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "entry", "x", l->entry);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "booked_at", "x", l->booked_at);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "kind", "s", l->kind);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "ref", "s", l->ref);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "account", "s", l->account);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "text", "s", l->text ?: "");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "msat", "x", l->msat);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void on_history(
                int error, const char *reason, const BooksLine *lines, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_line(m, &lines[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

static int method_history(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *account;
        uint32_t limit;
        int64_t before;
        Reply *reply;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sxu", &account, &before, &limit);
        if (r < 0)
                return r;
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_history(p->wallet->books, account, before,
                                                          MIN(limit, (uint32_t) HISTORY_MAX),
                                                          on_history, reply, &reply->call));
}

static int method_lookup(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *what;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &what);
        return r < 0 ? r : look_call(p, m, what, error);
}

/* ---- receiving */

static void on_invoice(int error, const char *reason, const Invoice *i, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        reply->making = NULL;
        if (error < 0)
                reply_error(reply, error, reason);
        else
                (void) sd_bus_reply_method_return(
                                reply->message, "ssx", i->hash, i->bolt11, i->expires_at);
}

static int check_invoice(const char *account, int64_t msat, const char *text, uint32_t expiry,
                sd_bus_error *e) {
        if (!streq(account, "owner") && !streq(account, "provider") &&
                        !startswith(account, "agent:"))
                return sd_bus_error_setf(e, BUS_ERROR_BAD_INPUT,
                                "There is no account \"%s\" that could be paid.", account);
        if (msat < 0 || msat > MSAT_MAX)
                return sd_bus_error_set(e, BUS_ERROR_BAD_INPUT, "There is no such amount.");
        if (strlen(text) > DESCRIPTION_MAX || !utf8_is_valid(text, strlen(text)))
                return sd_bus_error_setf(e, BUS_ERROR_BAD_INPUT,
                                "A description has at most %d bytes.", DESCRIPTION_MAX);
        if (expiry > EXPIRY_MAX)
                return sd_bus_error_set(
                                e, BUS_ERROR_BAD_INPUT, "An invoice lives for a year at most.");
        return 0;
}

static int check_unit(const Purse *p, int64_t msat, sd_bus_error *error) {
        int64_t unit = p->wallet->class->caps.unit_msat;

        if (unit > 1 && msat % unit != 0)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The wallet \"%s\" counts whole sats.", wallet_driver(p->wallet));
        return 0;
}

static int method_create_invoice(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        InvoiceOrder order = { 0 };
        Reply *reply;
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_RECEIVE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sxsu", &order.account, &order.amount_msat, &order.description,
                        &order.expiry_s);
        if (r < 0)
                return r;
        r = check_invoice(
                        order.account, order.amount_msat, order.description, order.expiry_s, error);
        if (r >= 0)
                r = may_account(p, m, WALLET_RECEIVE, order.account, error);
        if (r >= 0)
                r = check_unit(p, order.amount_msat, error);
        if (r < 0)
                return r;
        if (order.expiry_s == 0)
                order.expiry_s = BOLT11_EXPIRY_DEFAULT;
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, invoice_make(p->wallet, &order, on_invoice, reply,
                                                          &reply->making));
}

/* The faucet pays an invoice like anybody else, so that it is booked like any other. */
static void on_fund_paid(const DriverPayment *payment, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        if (payment->outcome == DRIVER_SETTLED)
                (void) sd_bus_reply_method_return(reply->message, "s", reply->hash);
        else
                reply_error(reply, -EIO, payment->reason);
}

static void on_fund_invoice(int error, const char *reason, const Invoice *i, void *userdata) {
        Reply *reply = userdata;
        const Wallet *w = reply->purse->wallet;
        uint8_t hash[32];

        reply->making = NULL;
        if (error >= 0) {
                (void) snprintf(reply->hash, sizeof(reply->hash), "%s", i->hash);
                error = hex_decode(i->hash, hash, sizeof(hash));
        }
        if (error >= 0)
                error = w->class->fund(w->driver, hash, on_fund_paid, reply, &reply->op);
        if (error < 0) {
                reply_error(reply, error, reason ?: "the faucet cannot be asked");
                reply_free(reply);
        }
}

static int method_fund(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        InvoiceOrder order = { .description = "from the faucet", .expiry_s = 600 };
        Reply *reply;
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_PAY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!p->wallet->class->fund)
                return sd_bus_error_set(error, BUS_ERROR_NO_REGTEST,
                                "Only the built-in wallet of regtest has a faucet.");
        r = sd_bus_message_read(m, "sx", &order.account, &order.amount_msat);
        if (r < 0)
                return r;
        r = check_invoice(order.account, order.amount_msat, order.description, 0, error);
        if (r >= 0)
                r = may_account(p, m, WALLET_DECIDE, order.account, error);
        if (r >= 0 && order.amount_msat == 0)
                r = sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "There is no such amount.");
        if (r < 0)
                return r;
        log_notice("The faucet gives %lld msat to \"%s\".", (long long) order.amount_msat,
                        order.account);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, invoice_make(p->wallet, &order, on_fund_invoice, reply,
                                                          &reply->making));
}

/* ---- paying */

static int read_option(sd_bus_message *m, const char *name, PaymentOrder *o) {
        const char **field = streq(name, "grant")     ? &o->grant
                             : streq(name, "purpose") ? &o->purpose
                             : streq(name, "ref")     ? &o->ref
                             : streq(name, "payee")   ? &o->payee
                             : streq(name, "comment") ? &o->comment
                             : streq(name, "zap")     ? &o->zap
                                                      : NULL;

        return field ? sd_bus_message_read(m, "v", "s", field) : -ENOENT;
}

static int read_options(sd_bus_message *m, PaymentOrder *o, sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_option(m, name, o);
                if (r == -ENOENT)
                        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                        "A payment has no option \"%s\".", name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int wallet_bus_pay(Purse *p, sd_bus_message *m, sd_bus_error *error) {
        PaymentOrder order = { 0 };
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_PAY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sssxx", &order.id, &order.account, &order.destination,
                        &order.amount_msat, &order.fee_max_msat);
        if (r >= 0)
                r = read_options(m, &order, error);
        if (r >= 0)
                r = may_account(p, m, WALLET_SPEND, order.account, error);
        if (r < 0)
                return r;
        if (strlen(order.destination) > DESTINATION_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "The destination is too long.");
        if (order.zap && strlen(order.zap) > ZAP_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "The zap request is too long.");
        return pay_call(p, m, &order, error);
}

static int method_pay(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return wallet_bus_pay(userdata, m, error);
}

static void on_resolved(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        if (verdict < 0)
                reply_error(reply, verdict, text);
        else
                (void) sd_bus_reply_method_return(reply->message, NULL);
}

/* Not on its way any more: a failed one whose money is gone all the same. */
static void on_resolve_row(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        Reply *reply = userdata;
        BooksMove move = { .state = "settled", .reason = reply->note };

        if (error >= 0 && n == 0) {
                error = -ENOENT;
                reason = "there is no such payment";
        }
        if (error >= 0 && !reply->settled) {
                error = -EALREADY;
                reason = "it is over already";
        }
        if (error >= 0) {
                move.id = rows->id;
                error = books_move_intent(reply->purse->wallet->books, &move, on_resolved, reply,
                                &reply->call);
        }
        if (error < 0) {
                reply_error(reply, error, reason);
                reply_free(reply);
        }
}

static int method_resolve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *hash, *outcome, *note;
        Payment *payment;
        Reply *reply;
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_PAY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sss", &hash, &outcome, &note);
        if (r < 0)
                return r;
        if (!policy_may(role_of(p, m), WALLET_DECIDE, "", ""))
                return sd_bus_error_set(
                                error, BUS_ERROR_NOT_ALLOWED, "Only a person may decide that.");
        if (!streq(outcome, "settled") && !streq(outcome, "failed"))
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "A payment ends as \"settled\" or as \"failed\".");
        if (strlen(note) > BOOKS_NAME_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "The note is too long.");
        log_event(LOG_WARNING, LOG_ID_PAYMENT_RESOLVED, LOG_FIELDS("PYLON_PAYMENT", hash),
                        "A person (%s) says that payment %s is %s: \"%s\".",
                        sd_bus_message_get_sender(m) ?: "the owner", hash, outcome, note);
        payment = payment_find(p->wallet, hash);
        if (payment && payment_resolve(payment, streq(outcome, "settled"), note) >= 0)
                return sd_bus_reply_method_return(m, NULL);
        if (payment)
                return sd_bus_error_set(error, BUS_ERROR_BUSY,
                                "The payment is being made right now; wait for its outcome.");
        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        reply->settled = streq(outcome, "settled");
        (void) snprintf(reply->note, sizeof(reply->note), "%s", note);
        return reply_asked(reply, books_get_intent(p->wallet->books, hash, on_resolve_row, reply,
                                                  &reply->call));
}

/* ---- proving */

#define VERIFY_TRIES 4
#define VERIFY_PAUSE (500 * MSEC)

static int verify_ask(Reply *reply);

static int on_verify_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Reply *reply = userdata;
        int r;

        reply->timer = sd_event_source_disable_unref(reply->timer);
        r = verify_ask(reply);
        if (r < 0) {
                reply_error(reply, r, "the wallet's backend cannot be asked");
                reply_free(reply);
        }
        return 0;
}

/* A backend tells that an invoice is paid some moments before its balance has it. */
static bool verify_later(Reply *reply, const char *report) {
        return ++reply->n_tries < VERIFY_TRIES && strstr(report, "driver: wrong") &&
               sd_event_add_time_relative(service_event(reply->purse->service), &reply->timer,
                               CLOCK_MONOTONIC, VERIFY_PAUSE, MSEC, on_verify_again, reply) >= 0;
}

static void on_verified(int verdict, const char *text, void *userdata) {
        Reply *reply = userdata;

        if (verdict > 0 && verify_later(reply, text ?: ""))
                return;
        if (verdict < 0)
                reply_error(reply, verdict, text);
        else
                (void) sd_bus_reply_method_return(
                                reply->message, "bs", (int) (verdict == 0), text ?: "");
        reply_free(reply);
}

static void on_verify_balance(int error, const char *reason, int64_t msat, void *userdata) {
        Reply *reply = userdata;
        const Wallet *w = reply->purse->wallet;
        const BooksDriver driver = { .driver = wallet_driver(w), .balance_msat = msat };

        if (error >= 0)
                error = books_verify(w->books, &driver, 1, on_verified, reply, &reply->call);
        if (error < 0) {
                reply_error(reply, error, reason);
                reply_free(reply);
        }
}

static int verify_ask(Reply *reply) {
        Wallet *w = reply->purse->wallet;

        if (w->state == WALLET_NONE)
                return books_verify(w->books, NULL, 0, on_verified, reply, &reply->call);
        return w->class->balance(w->driver, on_verify_balance, reply, &reply->op);
}

static int method_verify(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        Wallet *w = p->wallet;
        Reply *reply;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = purse_wait_ready(p, m, error);
        if (r == 0)
                return 1;
        if (r < 0 && w->state != WALLET_NONE)
                return r;
        sd_bus_error_free(error);
        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        return reply_asked(reply, verify_ask(reply));
}

/* ---- properties */

static int property_driver(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Purse *p = userdata;

        return sd_bus_message_append(reply, "s", wallet_driver(p->wallet));
}

static int property_network(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Purse *p = userdata;

        return sd_bus_message_append(reply, "s", network_name(p->wallet->config->network));
}

static int property_state(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Purse *p = userdata;

        return sd_bus_message_append(reply, "s", wallet_state_name(p->wallet->state));
}

/* clang-format off */
static const sd_bus_vtable wallet_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Balances", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sxx)", accounts),
                        method_balances, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
                        method_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateInvoice",
                        SD_BUS_ARGS("s", account, "x", amount_msat, "s", description, "u", expiry_s),
                        SD_BUS_RESULT("s", hash, "s", bolt11, "x", expires_at),
                        method_create_invoice, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pay",
                        SD_BUS_ARGS("s", id, "s", account, "s", destination, "x", amount_msat,
                                    "x", fee_max_msat, "a{sv}", options),
                        SD_BUS_RESULT("s", state, "s", hash, "s", preimage, "x", fee_msat, "s", reason),
                        method_pay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Lookup", SD_BUS_ARGS("s", hash_or_id), SD_BUS_RESULT("a{sv}", what),
                        method_lookup, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("History",
                        SD_BUS_ARGS("s", account, "x", before, "u", limit),
                        SD_BUS_RESULT("aa{sv}", lines),
                        method_history, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Fund", SD_BUS_ARGS("s", account, "x", amount_msat),
                        SD_BUS_RESULT("s", hash), method_fund, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Resolve", SD_BUS_ARGS("s", hash, "s", outcome, "s", note),
                        SD_BUS_NO_RESULT, method_resolve, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Verify", SD_BUS_NO_ARGS, SD_BUS_RESULT("b", ok, "s", report),
                        method_verify, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Transfer",
                        SD_BUS_ARGS("s", id, "s", from, "s", to, "x", amount_msat, "s", text),
                        SD_BUS_NO_RESULT, method_transfer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Grants", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssss)", grants),
                        method_grants, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetGrant", SD_BUS_ARGS("s", name, "s", account, "s", json),
                        SD_BUS_NO_RESULT, method_set_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RevokeGrant", SD_BUS_ARGS("s", name),
                        SD_BUS_NO_RESULT, method_revoke_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Approve", SD_BUS_ARGS("s", id, "b", yes, "s", note),
                        SD_BUS_NO_RESULT, method_approve, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unfreeze", SD_BUS_ARGS("s", account),
                        SD_BUS_NO_RESULT, method_unfreeze, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Connect",
                        SD_BUS_ARGS("s", name, "s", account, "x", max_msat, "s", per, "h", pipe),
                        SD_BUS_RESULT("s", client), method_connect, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Connections", SD_BUS_NO_ARGS,
                        SD_BUS_RESULT("a(ssssss)", connections),
                        method_connections, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT,
                        method_disconnect, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("InvoiceSettled", SD_BUS_ARGS("s", hash, "s", account, "x", amount_msat), 0),
        SD_BUS_SIGNAL_WITH_ARGS("PaymentChanged", SD_BUS_ARGS("s", id, "s", state), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Transferred",
                        SD_BUS_ARGS("s", id, "s", from, "s", to, "x", amount_msat), 0),
        SD_BUS_PROPERTY("Driver", "s", property_driver, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Network", "s", property_network, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

const BusObject wallet_objects[] = {
        { BUS_WALLET, wallet_vtable, false },
        { BUS_WALLET_SERVICE, wallet_service_vtable, true },
        { 0 },
};
/* clang-format on */
