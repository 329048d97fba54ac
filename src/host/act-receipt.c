/* The receipt of a zap: what the recipient's server publishes when it was paid. It is waited for
 * for a while and checked; the payment is what counts, and without a receipt it is done as well. */
#include <stdio.h>

#include "basic/log.h"
#include "deed.h"
#include "market/zap.h"

#define RECEIPT_USEC (20 * SEC)

static void receipt_over(Deed *d, const char *words) {
        d->timer = sd_event_source_disable_unref(d->timer);
        deed_remark(d, "%s", words);
        flow_drive(&d->flow, flow_go(DEED_DONE));
}

static int on_no_receipt(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        receipt_over(userdata, "paid, and no receipt was seen");
        return 0;
}

/* It is about this payment: of the server that was asked, for our request and the invoice we paid.
 */
static int check(const Deed *d, Event *receipt, const char **reterr) {
        _cleanup_zap_read_ Zap z = { 0 };
        uint8_t recipient[32];
        const ZapFor whom = {
                .recipient = recipient,
                .lnurl = event_tag_value(d->events[0], "lnurl"),
                .network = service_config(d->hands->host->service)->network,
        };
        int r;

        *reterr = "nobody has such a key";
        r = hex_decode(d->money.payee, recipient, sizeof(recipient));
        if (r >= 0)
                r = zap_read(receipt, &whom, &z, reterr);
        if (r < 0)
                return r;
        *reterr = "it is about another payment";
        return streq(z.server, d->server) && streq(z.hash, d->hash) &&
                                               streq(event_id_hex(z.inside.request),
                                                               event_id_hex(d->events[0]))
                               ? 0
                               : -EBADMSG;
}

void deed_take_receipt(Deed *d, const RelayEvent *events, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const char *reason = "there is no memory";

                if (check(d, events[i].event, &reason) >= 0) {
                        receipt_over(d, "paid, and the receipt is good");
                        return;
                }
                log_debug("%s: a receipt from %s is not taken: %s", d->agent->key, events[i].relay,
                                reason);
        }
}

static int listen(Deed *d) {
        char filter[256];
        const char *const filters[] = { filter, NULL };
        int r;

        (void) snprintf(d->subscription, sizeof(d->subscription), "zap:%.16s",
                        event_id_hex(d->events[0]));
        (void) snprintf(filter, sizeof(filter),
                        "{\"kinds\":[%d],\"#p\":[\"%s\"],\"authors\":[\"%s\"]}", NIP57_RECEIPT_KIND,
                        d->money.payee, d->server);
        r = map_put_string(&d->hands->by_subscription, d->subscription, d);
        if (r >= 0)
                r = relay_client_subscribe(d->hands->relay, d->subscription, filters,
                                (const char *const *) d->agent->settings->relays);
        return r;
}

static void on_server(
                int error, _unused_ const char *reason, const WalletLnurl *l, void *userdata) {
        Deed *d = userdata;

        if (error >= 0)
                (void) snprintf(d->server, sizeof(d->server), "%s", l->nostr_pubkey);
        if (!d->server[0] || listen(d) < 0)
                receipt_over(d, "paid, and no receipt could be waited for");
}

void deed_await_receipt(Deed *d) {
        const char *lnurl = d->n_events > 0 ? event_tag_value(d->events[0], "lnurl") : NULL;
        int r;

        d->timer = sd_event_source_disable_unref(d->timer);
        r = lnurl ? sd_event_add_time_relative(d->hands->event, &d->timer, CLOCK_BOOTTIME,
                                    RECEIPT_USEC, SEC, on_no_receipt, d)
                  : -ENOENT;
        if (r >= 0 && d->server[0])
                r = listen(d);
        else if (r >= 0) /* whose receipt it has to be was not kept over the restart */
                r = wallet_lnurl(d->hands->wallet, lnurl, on_server, d, &d->paying);
        if (r < 0)
                receipt_over(d, "paid, and no receipt could be waited for");
}
