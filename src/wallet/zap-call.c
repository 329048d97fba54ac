#include "zap-call.h"

#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "bus/names.h"
#include "lnurl-pay.h"
#include "market/zap.h"

#define DRIVER     "zaps" /* the account wallet:zaps */
#define STAGE      "zap"
#define SERVER_AGE HOUR

typedef struct ZapCall {
        Purse *purse;
        sd_bus_message *message;
        char job[HEX32_MAX];
        uint8_t recipient[32];
        int64_t asked_msat;
        Event *receipt;
        Zap zap;
        LnurlCall *lnurl;
        BooksCall *call;
} ZapCall;

static ZapCall *zap_call_free(ZapCall *c) {
        if (!c)
                return NULL;

        lnurl_call_free(c->lnurl);
        books_call_free(c->call);
        zap_done(&c->zap);
        event_unref(c->receipt);
        sd_bus_message_unref(c->message);
        c->purse->n_calls--;
        return mfree(c);
}
DEFINE_CLEANUP(ZapCall, zap_call_free)

/* ---- answers; each is the end of the call */

static void refuse(ZapCall *call, const char *reason) {
        _cleanup_(zap_call_freep) ZapCall *c = call;

        log_info("A zap does not pay job %.12s: %s.", c->job, reason);
        (void) sd_bus_reply_method_errorf(
                        c->message, BUS_ERROR_BAD_INPUT, "The zap does not count: %s.", reason);
}

static void try_later(ZapCall *call, const char *reason) {
        _cleanup_(zap_call_freep) ZapCall *c = call;

        (void) sd_bus_reply_method_errorf(c->message, BUS_ERROR_NOT_REACHABLE,
                        "The zap cannot be looked at now: %s.", reason);
}

static void counted(ZapCall *call) {
        _cleanup_(zap_call_freep) ZapCall *c = call;

        (void) sd_bus_reply_method_return(c->message, NULL);
}

/* ---- the books: an invoice that was paid elsewhere */

static BooksInvoice zap_row(const ZapCall *c) {
        int64_t now = wallet_now(c->purse->wallet);

        return (BooksInvoice){
                .hash = c->zap.hash,
                .bolt11 = c->zap.inside.bolt11,
                .account = "held",
                .job = c->job,
                .stage = STAGE,
                .description = "a zap",
                .amount_msat = c->zap.msat,
                .created_at = now,
                .expires_at = now,
        };
}

static void on_settled(int verdict, const char *text, void *userdata) {
        ZapCall *c = userdata;
        const BooksInvoice row = zap_row(c);

        if (verdict < 0) {
                try_later(c, text);
                return;
        }
        /* Booked before: whoever waited was told, or asks. */
        if (verdict == 0 && invoice_paid_elsewhere(c->purse->wallet, &row, c->zap.msat,
                                            row.created_at) < 0)
                log_warning("Job %.12s hears of its zap at the next start.", c->job);
        counted(c);
}

static void settle(ZapCall *c) {
        const BooksSettlement s = {
                .hash = c->zap.hash,
                .driver = DRIVER,
                .preimage = c->zap.proven ? c->zap.inside.preimage : "",
                .received_msat = c->zap.msat,
                .settled_at = wallet_now(c->purse->wallet),
        };

        (void) fault("zap.added");
        if (books_settle_invoice(c->purse->wallet->books, &s, on_settled, c, &c->call) < 0)
                try_later(c, "the books cannot be asked");
}

/* Ours from before a crash, or a payment that is known for something else: of our own wallet's
 * invoices that wallet alone says whether they are paid. */
static void on_known(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        ZapCall *c = userdata;

        if (error < 0)
                try_later(c, reason);
        else if (n == 0 || !streq(rows->job, c->job) || !streq(rows->stage, STAGE))
                refuse(c, "its payment was counted before, or its invoice is this wallet's own");
        else
                settle(c);
}

static void on_added(int verdict, const char *text, void *userdata) {
        ZapCall *c = userdata;

        if (verdict == 0)
                settle(c);
        else if (verdict == -EINVAL)
                refuse(c, text);
        else if (verdict < 0)
                try_later(c, text);
        else if (books_get_invoice(c->purse->wallet->books, c->zap.hash, on_known, c, &c->call) < 0)
                try_later(c, "the books cannot be asked");
}

/* ---- is it good? */

static const char *zap_fault(const ZapCall *c) {
        const Config *config = c->purse->wallet->config;
        uint8_t server[32];

        if (hex_decode(c->zap.server, server, sizeof(server)) < 0 ||
                        memcmp(server, c->purse->zap_server.key, sizeof(server)) != 0)
                return "another server than that of our address has signed it";
        if (c->zap.msat < c->asked_msat)
                return "it is less than the job costs";
        if (c->zap.msat > config->pay.zap_max_msats)
                return "it is more than [pay] zap_max_msats allows";
        return NULL;
}

static void judge(ZapCall *c) {
        const ZapFor whom = {
                .recipient = c->recipient,
                .lnurl = c->purse->zap_server.lnurl,
                .network = c->purse->wallet->config->network,
        };
        const char *reason = "there is no memory";
        BooksInvoice row;
        int r;

        r = zap_read(c->receipt, &whom, &c->zap, &reason);
        if (r == -ENOMEM) {
                try_later(c, reason);
                return;
        }
        if (r >= 0)
                reason = zap_fault(c);
        if (reason) {
                refuse(c, reason);
                return;
        }
        row = zap_row(c);
        if (books_add_invoice(c->purse->wallet->books, &row, on_added, c, &c->call) < 0)
                try_later(c, "the books cannot be asked");
}

/* ---- who signs the receipts of our address? */

static usec_t now_usec(const Purse *p) {
        uint64_t usec = 0;

        (void) sd_event_now(service_event(p->service), CLOCK_BOOTTIME, &usec);
        return usec;
}

static bool server_is_known(const Purse *p) {
        return p->zap_server.address && p->zap_server.lnurl && now_usec(p) < p->zap_server.until &&
               streq(p->zap_server.address, p->wallet->config->pay.zap_address);
}

static void on_offer(int error, const char *reason, const LnurlPay *offer, const char *lnurl,
                void *userdata) {
        ZapCall *c = userdata;
        Purse *p = c->purse;

        if (error < 0) {
                try_later(c, reason);
                return;
        }
        if (!offer->allows_nostr) {
                refuse(c, "the server of our address takes no zaps");
                return;
        }
        free(p->zap_server.address);
        free(p->zap_server.lnurl);
        p->zap_server.address = strdup(p->wallet->config->pay.zap_address);
        p->zap_server.lnurl = strdup(lnurl);
        memcpy(p->zap_server.key, offer->nostr_pubkey, sizeof(p->zap_server.key));
        p->zap_server.until = now_usec(p) + SERVER_AGE;
        if (server_is_known(p))
                judge(c);
        else
                try_later(c, "there is no memory");
}

static void ask_server(ZapCall *c) {
        const Config *config = c->purse->wallet->config;
        const LnurlOrder order = {
                .destination = config->pay.zap_address,
                .network = config->network,
                .allow_private = config->wallet.allow_private,
        };
        const char *reason = "it cannot be asked";

        if (lnurl_ask(c->purse->wallet->web, &order, on_offer, c, &c->lnurl, &reason) < 0)
                try_later(c, reason);
}

static int zap_call_new(Purse *p, sd_bus_message *m, ZapCall **ret, const char **reterr) {
        _cleanup_(zap_call_freep) ZapCall *c = NULL;
        const char *job, *recipient, *json;
        uint8_t id[32];
        int r;

        c = new0(ZapCall, 1);
        if (!c)
                return -ENOMEM;
        c->purse = p;
        p->n_calls++;
        c->message = sd_bus_message_ref(m);
        r = sd_bus_message_read(m, "sssx", &job, &recipient, &json, &c->asked_msat);
        if (r < 0)
                return r;
        if (hex_decode(job, id, sizeof(id)) < 0 || c->asked_msat <= 0 ||
                        hex_decode(recipient, c->recipient, sizeof(c->recipient)) < 0)
                return *reterr = "its job or its recipient is none", -EBADMSG;
        hex_encode(id, sizeof(id), c->job);
        r = event_parse(json, strlen(json), &c->receipt, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int zap_call(Purse *p, sd_bus_message *m, sd_bus_error *error) {
        const Config *config = p->wallet->config;
        const char *reason = "there is no memory";
        ZapCall *c;
        int r;

        if (isempty(config->pay.zap_address) || config->pay.zap_max_msats == 0 || !p->wallet->web)
                return sd_bus_error_set(
                                error, BUS_ERROR_NO_WALLET, "Zaps are not taken as payment.");
        r = zap_call_new(p, m, &c, &reason);
        if (r == -EBADMSG || r == -EINVAL)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "The zap does not count: %s.", reason);
        if (r < 0)
                return r;
        if (server_is_known(p))
                judge(c);
        else
                ask_server(c);
        return 1;
}
