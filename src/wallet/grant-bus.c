#include "grant-bus.h"

#include <stdio.h>

#include "basic/log.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "money/msat.h"
#include "policy.h"
#include "purse.h"
#include "reply.h"

#define ACTION_VIEW "com.openagents.pylon1.wallet.view"
#define ACTION_PAY  "com.openagents.pylon1.wallet.pay"

/* For our own services the table decides alone; a person is asked for his right besides. */
static int may_decide(Purse *p, sd_bus_message *m, WalletAct act, const char *name,
                const char *other, sd_bus_error *error) {
        if (!policy_may(bus_server_role(service_server(p->service), m), act, name, other))
                return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED,
                                "This service may not decide who spends that.");
        return bus_authorize(service_server(p->service), m, ACTION_PAY, error);
}

static int read_transfer(sd_bus_message *m, BooksTransfer *ret) {
        return sd_bus_message_read(
                        m, "sssxs", &ret->id, &ret->from, &ret->to, &ret->msat, &ret->text);
}

/* Whoever waits for money of an account hears of this kind, too. */
static void on_transferred(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;
        BooksTransfer t = { 0 };

        if (verdict < 0) {
                reply_error(reply, verdict, text);
                return;
        }
        if (verdict == 0 && sd_bus_message_rewind(reply->message, true) >= 0 &&
                        read_transfer(reply->message, &t) >= 0)
                bus_server_signal(service_server(reply->purse->service), BUS_WALLET, "Transferred",
                                "sssx", t.id, t.from, t.to, t.msat);
        (void) sd_bus_reply_method_return(reply->message, NULL);
}

int method_transfer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BooksTransfer t = { 0 };
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = read_transfer(m, &t);
        if (r >= 0)
                r = may_decide(p, m, WALLET_TRANSFER, t.from, t.to, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (t.msat <= 0 || t.msat > MSAT_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "There is no such amount.");
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_transfer(p->wallet->books, &t, on_transferred,
                                                          reply, &reply->call));
}

static void on_grants(
                int error, const char *reason, const BooksGrant *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sssss)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(sssss)", rows[i].name, rows[i].account, rows[i].json,
                                rows[i].state, rows[i].used);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

int method_grants(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = bus_authorize(service_server(p->service), m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_grants(p->wallet->books, on_grants, reply,
                                                          &reply->call));
}

int method_set_grant(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *account, *json;
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = sd_bus_message_read(m, "sss", &name, &account, &json);
        if (r >= 0)
                r = may_decide(p, m, WALLET_GRANT, name, account, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        log_event(LOG_NOTICE, LOG_ID_GRANT_CHANGED, LOG_FIELDS("PYLON_GRANT", name),
                        "The grant \"%s\" on \"%s\" is set: %s", name, account, json);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_set_grant(p->wallet->books, name, account, json,
                                                          reply_verdict, reply, &reply->call));
}

int method_revoke_grant(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *name;
        Reply *reply;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = may_decide(p, m, WALLET_GRANT, name, name, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        log_event(LOG_NOTICE, LOG_ID_GRANT_CHANGED, LOG_FIELDS("PYLON_GRANT", name),
                        "The grant \"%s\" is revoked.", name);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_revoke_grant(p->wallet->books, name, reply_verdict,
                                                          reply, &reply->call));
}

static void on_approved(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;
        Payment *payment = payment_find(reply->purse->wallet, reply->note);

        if (verdict < 0) {
                reply_error(reply, verdict, text);
                return;
        }
        if (verdict == 0 && payment)
                (void) payment_approved(payment, reply->settled); /* or it began anew by itself */
        (void) sd_bus_reply_method_return(reply->message, NULL);
}

int method_approve(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *id, *note;
        Reply *reply;
        int r, yes;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may_decide(p, m, WALLET_DECIDE, "", "", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "sbs", &id, &yes, &note);
        if (r < 0)
                return r;
        if (isempty(id) || strlen(id) > BOOKS_NAME_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "There is no such id.");
        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        (void) snprintf(reply->note, sizeof(reply->note), "%s", id);
        reply->settled = yes;
        return reply_asked(reply, books_approve(p->wallet->books, id, yes, note, on_approved, reply,
                                                  &reply->call));
}

int method_unfreeze(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const char *account;
        Reply *reply;
        int r;

        r = may_decide(p, m, WALLET_DECIDE, "", "", error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &account);
        if (r < 0)
                return r;
        log_event(LOG_NOTICE, LOG_ID_GRANT_CHANGED, LOG_FIELDS("PYLON_ACCOUNT", account),
                        "The account \"%s\" may be spent from again.", account);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_unfreeze(p->wallet->books, account, reply_verdict,
                                                          reply, &reply->call));
}
