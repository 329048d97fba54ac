/* Money: a zap (NIP-57), and an invoice that is paid. The wallet knows each payment by its id,
 * which is on disk before anything is sent: after a crash it is asked about, and what it does not
 * know was never sent. Silence is unknown, and unknown is looked at until the wallet knows. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "deed.h"
#include "money/bolt11.h"
#include "money/msat.h"
#include "nostr/nip57.h"

#define LOOK_FIRST   SEC
#define LOOK_MAX     (5 * MIN_)
#define GRACE_USEC   (30 * SEC) /* a tick waits no longer for a payment */
#define RELAYS_MAX   5          /* a server sends its receipt to */
#define PROFILE_KIND 0

static const char *zapped(const Deed *d) {
        return d->money.payee;
}

/* ---- where a zap goes: the recipient's profile names a server, and that says whether it can */

static int find_address(const Event *profile, char *ret, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *text, *reason, *address = "";
        size_t n;

        text = event_content(profile, &n);
        if (json_parse(text, n, 8, 4096, &j, &reason) < 0)
                return -EBADMSG;
        if (json_string(json_get(j, "lud16"), &address) < 0 || isempty(address))
                (void) json_string(json_get(j, "lud06"), &address);
        if (isempty(address) || strlen(address) >= size)
                return -ENOENT;
        (void) snprintf(ret, size, "%s", address);
        return 0;
}

static int zap_draft(Deed *d, const WalletLnurl *l) {
        char *const *relays = d->agent->settings->relays;
        const char *list[RELAYS_MAX + 1] = { NULL };
        size_t n = 0;
        const ZapRequest z = {
                .recipient_hex = zapped(d),
                .event_hex = d->action->to_is != ACTION_TO_KEY && !streq(d->action->to, zapped(d))
                                             ? d->action->to
                                             : NULL,
                .relays = list,
                .msat = d->action->msat,
                .lnurl = l->lnurl,
                .comment = d->action->text,
        };

        if (!relays || !*relays)
                relays = service_config(d->hands->host->service)->relays;
        STRV_FOREACH (url, relays)
                if (n < RELAYS_MAX)
                        list[n++] = *url;
        return zap_request_draft(&z, hands_now(d->hands), &d->draft);
}

static const char *why_not(const Deed *d, const WalletLnurl *l) {
        if (!l->allows_nostr)
                return "the recipient's wallet takes no zaps";
        if (d->action->msat < l->min_msat || d->action->msat > l->max_msat)
                return "the recipient's wallet takes no such amount";
        return NULL;
}

static void on_server(int error, const char *reason, const WalletLnurl *l, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 && why_not(d, l)) {
                error = -EOPNOTSUPP;
                reason = why_not(d, l);
        }
        if (error >= 0) {
                (void) snprintf(d->server, sizeof(d->server), "%s", l->nostr_pubkey);
                error = zap_draft(d, l);
                reason = "the request could not be written";
        }
        flow_drive(&d->flow,
                        error < 0 ? flow_fail(&d->flow, error, reason) : flow_go(DEED_SIGNING));
}

static void on_profile(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Deed *d = userdata;
        char address[1024];

        if (error >= 0 && n == 0) {
                error = -ENOENT;
                reason = "the recipient's profile was not found";
        }
        if (error >= 0) {
                error = find_address(events[0], address, sizeof(address)); /* the newest is first */
                reason = "the recipient's profile names no wallet";
        }
        if (error >= 0) {
                error = wallet_lnurl(d->hands->wallet, address, on_server, d, &d->paying);
                reason = "the wallet could not be asked";
        }
        if (error < 0)
                flow_drive(&d->flow, flow_fail(&d->flow, error, reason));
}

/* A zap of a note is for whoever wrote it. Where that is not in memory any more the note itself
 * says it. */
static int ask_profile(Deed *d) {
        char filter[128];
        const char *const filters[] = { filter, NULL };

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"authors\":[\"%s\"],\"limit\":1}",
                        PROFILE_KIND, zapped(d));
        return deed_ask_relays(d, filters, 1, on_profile);
}

static void on_note(int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 && n == 0) {
                error = -ENOENT;
                reason = "what is to be zapped was not found";
        }
        if (error >= 0) {
                (void) snprintf(d->money.payee, sizeof(d->money.payee), "%s",
                                event_pubkey_hex(events[0]));
                error = ask_profile(d);
                reason = "the relays could not be asked";
        }
        if (error < 0)
                flow_drive(&d->flow, flow_fail(&d->flow, error, reason));
}

static Step zap_prepare(Flow *f) {
        Deed *d = flow_deed(f);
        char filter[96];
        const char *const filters[] = { filter, NULL };
        int r;

        if (!zapped(d)[0])
                (void) snprintf(d->money.payee, sizeof(d->money.payee), "%s",
                                d->action->to_is == ACTION_TO_EVENT ? d->author : d->action->to);
        (void) snprintf(filter, sizeof(filter), "{\"ids\":[\"%s\"]}", d->action->to);
        r = zapped(d)[0] ? ask_profile(d) : deed_ask_relays(d, filters, 1, on_note);
        return r < 0 ? flow_fail(f, r, "the relays could not be asked") : flow_wait();
}

/* ---- paying */

static void on_looked(int error, const char *reason, const WalletPaid *paid, void *userdata);

static void look(Deed *d) {
        char id[DEED_PAYMENT_MAX];

        deed_payment_id(d, id);
        if (wallet_lookup(d->hands->wallet, id, on_looked, d, &d->paying) < 0 &&
                        deed_again(d, LOOK_FIRST, LOOK_MAX) < 0)
                log_warning("%s: a payment is looked at with the next start.", d->agent->key);
}

/* Unknown is on disk before it is waited for; every look comes by its state. */
static void look_later(Deed *d) {
        if (d->flow.state == DEED_SIGNED)
                flow_drive(&d->flow, flow_go(DEED_UNKNOWN));
        else if (deed_again(d, LOOK_FIRST, LOOK_MAX) < 0)
                log_warning("%s: a payment is looked at with the next start.", d->agent->key);
}

static void settled(Deed *d, const WalletPaid *paid) {
        char text[MSAT_TEXT_MAX];

        d->cost_msat = d->money.msat + paid->fee_msat;
        (void) snprintf(d->hash, sizeof(d->hash), "%s", paid->hash);
        log_event(LOG_NOTICE, LOG_ID_AGENT_PAID,
                        LOG_FIELDS("PYLON_AGENT", d->agent->npub, "PYLON_PAYMENT", paid->hash),
                        "%s paid %s in tick %" PRIi64 ".", d->agent->key,
                        msat_text(d->cost_msat, text), d->number);
        if (d->action->type == ACTION_ZAP)
                deed_await_receipt(d);
        else
                flow_drive(&d->flow, flow_go(DEED_DONE));
}

static void take_payment(Deed *d, const WalletPaid *paid) {
        if (streq(paid->state, "settled"))
                settled(d, paid);
        else if (streq(paid->state, "failed"))
                flow_drive(&d->flow, flow_fail(&d->flow, -EREMOTEIO,
                                                     isempty(paid->reason) ? "the payment failed"
                                                                           : paid->reason));
        else
                look_later(d);
}

static void on_paid(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Deed *d = userdata;

        if (error >= 0) {
                take_payment(d, paid);
                return;
        }
        /* A refusal may come after something was written down: what the wallet knows decides. */
        log_info("%s, tick %" PRIi64 ": it was not paid: %s.", d->agent->key, d->number, reason);
        (void) snprintf(d->refusal, sizeof(d->refusal), "%s", reason);
        d->was_sent = true;
        look(d);
}

static int pay(Deed *d) {
        const Event *request = d->n_events > 0 ? d->events[0] : NULL;
        char id[DEED_PAYMENT_MAX];
        const WalletPay p = {
                .id = id,
                .account = d->agent->key,
                .grant = d->agent->key,
                .destination = request ? event_tag_value(request, "lnurl") : d->action->invoice,
                .amount_msat = request ? d->action->msat : 0,
                .fee_max_msat = d->agent->settings->fee_max_msat,
                .purpose = action_type_name(d->action->type),
                .ref = id,
                .payee = d->money.payee,
                .zap = request ? event_json(request, NULL) : NULL,
        };

        deed_payment_id(d, id);
        d->was_sent = true;
        return wallet_pay(d->hands->wallet, &p, on_paid, d, &d->paying);
}

static void on_looked(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Deed *d = userdata;

        if (error >= 0)
                take_payment(d, paid);
        else if (error != -ENOENT) {
                log_debug("%s: the wallet does not know yet: %s", d->agent->key, reason);
                look_later(d);
        } else if (d->was_sent || d->flow.state == DEED_UNKNOWN)
                /* It was never written down there, so it was never sent. */
                flow_drive(&d->flow,
                                flow_fail(&d->flow, -EREMOTEIO,
                                                d->refusal[0] ? d->refusal : "it was not paid"));
        else if (pay(d) < 0)
                flow_drive(&d->flow, flow_fail(&d->flow, -EIO, "the wallet could not be asked"));
}

/* The amount is in what was signed, or in the invoice, as it was when it was decided. */
static int recall_amount(Deed *d) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason, *payee;
        int r;

        if (d->action->type == ACTION_ZAP) {
                payee = d->n_events > 0 ? event_tag_value(d->events[0], "p") : NULL;
                if (!payee || strlen(payee) >= sizeof(d->money.payee))
                        return -EBADMSG;
                d->money.msat = d->action->msat;
                memcpy(d->money.payee, payee, strlen(payee) + 1);
                return 0;
        }
        r = bolt11_decode(d->action->invoice, &b, &reason);
        if (r < 0)
                return r;
        d->money.msat = b.amount_msat;
        hex_encode(b.payee, sizeof(b.payee), d->money.payee);
        return 0;
}

static Step send_payment(Flow *f) {
        Deed *d = flow_deed(f);
        int r = recall_amount(d);

        if (r < 0)
                return flow_fail(f, r, "what is to be paid cannot be read");
        deed_rest_after(d, GRACE_USEC);
        if (!d->resumed && !d->was_sent)
                r = pay(d);
        else
                look(d);
        return r < 0 ? flow_fail(f, r, "the wallet could not be asked") : flow_wait();
}

static Step look_again(Flow *f) {
        Deed *d = flow_deed(f);

        if (recall_amount(d) < 0)
                log_warning("%s: the cost of a payment is not known any more.", d->agent->key);
        look(d);
        return flow_wait();
}

/* Nothing of it is signed: the invoice says all. */
static Step pay_sign(_unused_ Flow *f) {
        return flow_go(DEED_SIGNED);
}

const DeedClass deed_pay = {
        .sign = pay_sign,
        .send = send_payment,
        .look = look_again,
        .pays = true,
};
const DeedClass deed_zap = {
        .prepare = zap_prepare,
        .sign = deed_sign_draft,
        .send = send_payment,
        .look = look_again,
        .pays = true,
};
