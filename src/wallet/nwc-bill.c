#include "nwc-bill.h"

#include <stdio.h>

#include "driver.h"
#include "nwc-link.h"

#define TRIES_MAX 2 /* a wallet that knows only the other encryption says so first */
#define EXPIRY_S  3600

struct NwcBill {
        NwcBills *bills;
        unsigned slot;
        NwcBill **handle;
        NwcLink *link;
        NwcAsk *ask;
        sd_event_source *over; /* where it ends in a callback of the link, which goes with it */
        nwc_bill_t done;
        void *userdata;
        int64_t msat;
        unsigned tries;
        int error;
        char *bolt11;
        char reason[96];
};

bool nwc_bill_looks_like(const char *destination) {
        return startswith(destination, "nostr+walletconnect:") ||
               startswith(destination, "nostrwalletconnect:");
}

NwcBill *nwc_bill_free(NwcBill *b) {
        if (!b)
                return NULL;
        if (b->handle)
                *b->handle = NULL;
        sd_event_source_disable_unref(b->over);
        nwc_ask_free(b->ask);
        if (b->link)
                nwc_link_forget(b->link);
        nwc_link_free(b->link);
        b->bills->used[b->slot] = false;
        free(b->bolt11);
        return mfree(b);
}

static int on_over(_unused_ sd_event_source *s, void *userdata) {
        _cleanup_(nwc_bill_freep) NwcBill *b = userdata;

        if (b->handle)
                *b->handle = NULL;
        b->handle = NULL;
        b->done(b->error, b->reason, b->bolt11, b->userdata);
        return 0;
}

static void bill_end(NwcBill *b, int error, const char *reason) {
        b->error = error;
        (void) snprintf(b->reason, sizeof(b->reason), "%s", reason ?: "there is no memory");
        (void) sd_event_source_set_enabled(b->over, SD_EVENT_ONESHOT);
}

/* What was made is a stranger's: is it what was asked for? */
static int bill_take(NwcBill *b, const char *bolt11, const char **reterr) {
        _cleanup_bolt11_ Bolt11 i = { 0 };

        if (isempty(bolt11) || bolt11_decode(bolt11, &i, reterr) < 0)
                return *reterr = "the customer's wallet made no invoice", -EBADMSG;
        if (i.amount_msat != b->msat)
                return *reterr = "the customer's wallet made an invoice of another amount",
                       -EBADMSG;
        b->bolt11 = strdup(bolt11);
        return b->bolt11 ? 0 : (*reterr = NULL, -ENOMEM);
}

static int bill_ask(NwcBill *b);

/* Its message may be anything, so only its code is told. */
static void on_made(int error, const char *reason, const Nip47Response *p, void *userdata) {
        NwcBill *b = userdata;
        char words[96];

        if (error >= 0 && p->error == NIP47_UNSUPPORTED_ENCRYPTION && b->tries < TRIES_MAX) {
                error = bill_ask(b);
                if (error >= 0)
                        return;
                reason = NULL;
        } else if (error >= 0 && p->error != NIP47_OK) {
                error = -EREMOTEIO;
                (void) snprintf(words, sizeof(words), "the customer's wallet says %s",
                                nip47_error_name(p->error));
                reason = words;
        } else if (error >= 0)
                error = bill_take(b, p->transaction.invoice, &reason);
        else if (error == -ETIMEDOUT)
                reason = "the customer's wallet does not answer";
        bill_end(b, error, reason);
}

static int bill_ask(NwcBill *b) {
        const Nip47Request request = {
                .method = NIP47_MAKE_INVOICE,
                .amount = b->msat,
                .description = "Refund",
                .expiry = EXPIRY_S,
        };
        const NwcQuestion q = {
                .request = &request,
                .method = NIP47_MAKE_INVOICE,
                .deadline = DRIVER_ASK_DEADLINE,
        };

        b->tries++;
        return nwc_ask(b->link, &q, on_made, b, &b->ask);
}

static const NwcHandler link_handler = { 0 };

static int bill_open(NwcBill *b, const char *text, const char **reterr) {
        _cleanup_nip47_uri_ Nip47Uri uri = { 0 };
        char name[24];
        int r;

        r = nip47_uri_parse(text, &uri, reterr);
        if (r < 0)
                return *reterr = r == -ENOMEM ? NULL : "the customer's NWC address is none", r;
        *reterr = "the relay service cannot be asked";
        r = sd_event_add_defer(b->bills->event, &b->over, on_over, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->over, SD_EVENT_OFF);
        (void) snprintf(name, sizeof(name), "nwc-refund-%u", b->slot);
        if (r >= 0)
                r = nwc_link_new(b->bills->event, b->bills->relay_socket, name, &uri, &link_handler,
                                b, &b->link);
        return r < 0 ? r : bill_ask(b);
}

int nwc_bill(NwcBills *bills, const char *uri, int64_t msat, nwc_bill_t done, void *userdata,
                NwcBill **ret, const char **reterr) {
        _cleanup_(nwc_bill_freep) NwcBill *b = NULL;
        unsigned slot = 0;
        int r;

        while (slot < NWC_BILLS_MAX && bills->used[slot])
                slot++;
        if (slot == NWC_BILLS_MAX)
                return *reterr = "other customers' wallets are being asked", -EBUSY;
        b = new0(NwcBill, 1);
        if (!b)
                return *reterr = NULL, -ENOMEM;
        bills->used[slot] = true;
        *b = (NwcBill){
                .bills = bills,
                .slot = slot,
                .done = done,
                .userdata = userdata,
                .msat = msat,
        };
        r = bill_open(b, uri, reterr);
        if (r < 0)
                return r;
        b->handle = ret;
        *ret = TAKE_PTR(b);
        return 0;
}
