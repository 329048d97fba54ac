/* From what was asked for to an invoice that may be paid. Nothing is written here. */
#include "basic/log.h"
#include "bus/names.h"
#include "money/lnurl.h"
#include "money/msat.h"
#include "payment-private.h"

/* ---- asked, resolving */

static void on_known(int error, const char *reason, const BooksIntent *intents, size_t n,
                void *userdata) {
        Payment *p = userdata;
        Step s = flow_go(PAYMENT_RESOLVING);

        if (error < 0)
                s = payment_refuse(p, BUS_ERROR_NOT_REACHABLE, error, reason);
        else if (n > 0 && streq(intents[0].id, p->id))
                s = flow_go(PAYMENT_JOINED);
        flow_drive(&p->flow, s);
}

/* Of a customer: nobody else is paid so. */
static bool payment_is_to_wallet(const Payment *p) {
        return streq(p->account, "refunds") && nwc_bill_looks_like(p->destination);
}

Step payment_ask(Flow *f) {
        Payment *p = flow_payment(f);
        int r;

        if (!payment_is_to_wallet(p) && !lnurl_looks_like(p->destination))
                return isempty(p->zap) ? flow_go(PAYMENT_CHECKING)
                                       : payment_refuse(p, BUS_ERROR_BAD_INPUT, -EINVAL,
                                                         "a zap goes to an address or an LNURL");
        r = books_get_intent(p->wallet->books, p->id, on_known, p, &p->call);
        if (r < 0)
                return payment_refuse(p, BUS_ERROR_BUSY, r, "the books cannot be asked");
        return flow_wait();
}

static void on_resolved(int error, const char *reason, const LnurlBill *bill, void *userdata) {
        Payment *p = userdata;

        if (error < 0) {
                flow_drive(&p->flow, payment_refuse(p, BUS_ERROR_NOT_REACHABLE, error, reason));
                return;
        }
        p->bolt11 = strdup(bill->bolt11);
        p->verify = strdup(bill->verify ?: "");
        flow_drive(&p->flow, p->bolt11 && p->verify ? flow_go(PAYMENT_CHECKING)
                                                    : payment_refuse(p, NULL, -ENOMEM,
                                                                      "there is no memory"));
}

/* The address is a secret: from here on the payee is who signed the invoice. */
static void on_billed(int error, const char *reason, const char *bolt11, void *userdata) {
        Payment *p = userdata;

        payment_forget_destination(p);
        if (error < 0) {
                flow_drive(&p->flow, payment_refuse(p, BUS_ERROR_NOT_REACHABLE, error, reason));
                return;
        }
        p->destination = strdup(bolt11);
        p->bolt11 = strdup(bolt11);
        flow_drive(&p->flow, p->destination && p->bolt11 ? flow_go(PAYMENT_CHECKING)
                                                         : payment_refuse(p, NULL, -ENOMEM,
                                                                           "there is no memory"));
}

static Step payment_ask_wallet(Payment *p) {
        const char *reason = NULL;
        int r;

        r = nwc_bill(&p->wallet->bills, p->destination, p->amount_msat, on_billed, p, &p->bill,
                        &reason);
        if (r < 0)
                return payment_refuse(p, r == -EBUSY ? BUS_ERROR_BUSY : BUS_ERROR_BAD_INPUT, r,
                                reason ?: "there is no memory");
        return flow_wait();
}

Step payment_resolve_destination(Flow *f) {
        Payment *p = flow_payment(f);
        const Config *config = p->wallet->config;
        const LnurlOrder order = {
                .destination = p->destination,
                .msat = p->amount_msat,
                .comment = isempty(p->comment) ? NULL : p->comment,
                .zap_request = isempty(p->zap) ? NULL : p->zap,
                .network = config->network,
                .allow_private = config->wallet.allow_private,
        };
        const char *reason = "there is no memory";
        int r;

        if (p->amount_msat <= 0)
                return payment_refuse(p, BUS_ERROR_BAD_INPUT, -EINVAL,
                                "an address names no amount, so say one");
        if (payment_is_to_wallet(p))
                return payment_ask_wallet(p);
        r = lnurl_bill(p->wallet->web, &order, on_resolved, p, &p->resolution, &reason);
        return r < 0 ? payment_refuse(p, BUS_ERROR_BAD_INPUT, r, reason) : flow_wait();
}

/* ---- checking */

static int64_t fee_default(const Payment *p) {
        int64_t share = MAX(p->wallet->config->wallet.fee_max_msats, p->amount_msat / 100);

        if (streq(wallet_driver(p->wallet), "regtest"))
                return 0; /* it never takes one */
        return MAX(share, driver_fee_fixed(p->wallet->class, p->amount_msat));
}

/* Why the amount is not possible, or NULL; sets it. */
static const char *payment_take_amount(Payment *p, int64_t named_msat) {
        if (p->amount_msat < 0 || p->amount_msat > MSAT_MAX)
                return "there is no such amount";
        if (named_msat == 0 && p->amount_msat == 0)
                return "the invoice names no amount, so say one";
        if (named_msat > 0 && p->amount_msat > 0 && p->amount_msat != named_msat)
                return "the invoice is about another amount";
        p->amount_is_ours = named_msat == 0;
        p->amount_msat = named_msat ?: p->amount_msat;
        return NULL;
}

int payment_take_invoice(Payment *p, const Bolt11 *b) {
        char payee[2 * sizeof(b->payee) + 1];

        memcpy(p->hash_bytes, b->payment_hash, 32);
        hex_encode(b->payment_hash, 32, p->hash);
        p->expires_at = bolt11_expires_at(b);
        if (isempty(p->payee)) {
                hex_encode(b->payee, sizeof(b->payee), payee);
                free(p->payee);
                p->payee = strdup(isempty(p->destination) || streq(p->destination, p->bolt11)
                                                  ? payee
                                                  : p->destination);
                if (!p->payee)
                        return -ENOMEM;
        }
        return 0;
}

Step payment_check(Flow *f) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        Payment *p = flow_payment(f);
        const char *reason = "there is no memory";
        int r;

        if (!p->bolt11)
                p->bolt11 = strdup(startswith(p->destination, "lightning:") ?: p->destination);
        if (!p->bolt11)
                return payment_refuse(p, NULL, -ENOMEM, reason);
        r = bolt11_decode(p->bolt11, &b, &reason);
        if (r < 0)
                return payment_refuse(p, BUS_ERROR_BAD_INPUT, r, reason);

        reason = wallet_network_fault(p->wallet, b.network);
        if (reason)
                return payment_refuse(p, BUS_ERROR_WRONG_NETWORK, -ENETUNREACH, reason);
        if (bolt11_expires_at(&b) <= wallet_now(p->wallet))
                return payment_refuse(p, BUS_ERROR_BAD_INPUT, -ETIME, "the invoice has expired");
        reason = payment_take_amount(p, b.amount_msat);
        if (reason)
                return payment_refuse(p, BUS_ERROR_BAD_INPUT, -EINVAL, reason);
        r = payment_take_invoice(p, &b);
        if (r < 0)
                return payment_refuse(p, NULL, r, "there is no memory");
        if (p->fee_max_msat < 0)
                p->fee_max_msat = fee_default(p);
        return flow_go(PAYMENT_RESERVING);
}
