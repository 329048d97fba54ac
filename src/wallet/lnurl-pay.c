#include "lnurl-pay.h"

#include <stdio.h>
#include <strings.h>

#include "basic/crypt.h"
#include "nostr/nip57.h"

#define REDIRECTS_MAX 3
#define CONNECT_USEC  (8 * SEC)
#define INVOICE_MAX   (64 * 1024)

struct LnurlCall {
        Http *http;
        HttpCall *call;
        LnurlCall **handle;
        lnurl_bill_t done; /* one of the three */
        lnurl_offer_t offered;
        lnurl_verified_t verified;
        void *userdata;
        char *comment, *url, *zap, *lnurl;
        int64_t msat;
        Network network;
        bool allow_private;
        uint8_t hash[32];
        LnurlPay offer;
        char reason[LNURL_REFUSAL_SIZE + 32];
};

LnurlCall *lnurl_call_free(LnurlCall *c) {
        if (!c)
                return NULL;
        if (c->handle)
                *c->handle = NULL;
        c->call = http_call_free(c->call);
        http_unref(c->http);
        lnurl_pay_done(&c->offer);
        free(c->comment);
        free(c->url);
        free(c->zap);
        free(c->lnurl);
        return mfree(c);
}

/* Lets go of the caller's handle before he is told, so that he may free nothing twice. */
static void call_over(LnurlCall *c, int error, const char *reason, const LnurlBill *bill) {
        static const uint8_t none[32] = { 0 };

        if (c->handle)
                *c->handle = NULL;
        c->handle = NULL;
        reason = reason ?: "there was no memory";
        if (c->done)
                c->done(error, reason, bill, c->userdata);
        else if (c->offered)
                c->offered(error, reason, error < 0 ? NULL : &c->offer, c->lnurl, c->userdata);
        else
                c->verified(error, reason, false, none, c->userdata);
        lnurl_call_free(c);
}

static LnurlAsk call_ask(const LnurlCall *c) {
        return (LnurlAsk){
                .msat = c->msat,
                .comment = c->comment,
                .zap_request = c->zap,
                .lnurl = c->lnurl,
        };
}

/* One question. What is a stranger's may not lead into our own network. */
static int call_get(LnurlCall *c, const char *url, size_t body_max, http_done_t done,
                const char **reterr) {
        HttpRequest request = {
                .url = url,
                .body_max = body_max,
                .connected = CONNECT_USEC,
                .total = LNURL_TIME_MAX,
                .redirects_max = REDIRECTS_MAX,
                .public_only = c->network != NETWORK_REGTEST && !c->allow_private,
                .https_only = c->network != NETWORK_REGTEST,
        };

        c->call = http_call_free(c->call);
        return http_start(c->http, &request, NULL, done, c, &c->call, reterr);
}

/* LUD-01: the status of the answer says nothing. True: it was an error, and the call is over. */
static bool answer_failed(LnurlCall *c, int error, const char *reason, const HttpAnswer *answer) {
        char words[LNURL_REFUSAL_SIZE];

        if (error < 0) {
                call_over(c, error, reason, NULL);
                return true;
        }
        if (!lnurl_refused(answer->body, answer->size, words))
                return false;
        (void) snprintf(c->reason, sizeof(c->reason), "the server says: %s", words);
        call_over(c, -EREMOTEIO, words[0] ? c->reason : "the server refuses", NULL);
        return true;
}

static void on_invoice(_unused_ HttpCall *call, int error, const char *reason,
                const HttpAnswer *answer, void *userdata) {
        LnurlCall *c = userdata;
        LnurlAsk ask = call_ask(c);
        _cleanup_lnurl_invoice_ LnurlInvoice i = { 0 };
        _cleanup_bolt11_ Bolt11 b = { 0 };
        LnurlBill bill;
        int r;

        if (answer_failed(c, error, reason, answer))
                return;
        r = lnurl_invoice_parse(answer->body, answer->size, &i, &reason);
        if (r >= 0 && bolt11_decode(i.bolt11, &b, &reason) < 0) {
                reason = "the server's invoice is none";
                r = -EBADMSG;
        }
        if (r >= 0)
                r = lnurl_invoice_check(&b, &c->offer, &ask, c->network, &reason);
        if (r < 0)
                return call_over(c, r, reason, NULL);

        bill = (LnurlBill){
                .bolt11 = i.bolt11,
                .invoice = &b,
                .verify = i.verify,
                .description = c->offer.description,
        };
        call_over(c, 0, "", &bill);
}

static void on_offer(_unused_ HttpCall *call, int error, const char *reason,
                const HttpAnswer *answer, void *userdata) {
        LnurlCall *c = userdata;
        _cleanup_free_ char *url = NULL;
        LnurlAsk ask = call_ask(c);
        int r;

        if (answer_failed(c, error, reason, answer))
                return;
        r = lnurl_pay_parse(answer->body, answer->size, &c->offer, &reason);
        if (r >= 0 && c->offered)
                return call_over(c, 0, "", NULL);
        if (r >= 0)
                r = lnurl_callback_url(&c->offer, &ask, &url, &reason);
        if (r >= 0)
                r = call_get(c, url, INVOICE_MAX, on_invoice, &reason);
        if (r < 0)
                call_over(c, r, reason, NULL);
}

static void on_verified(_unused_ HttpCall *call, int error, const char *reason,
                const HttpAnswer *answer, void *userdata) {
        LnurlCall *c = userdata;
        LnurlVerify v = { 0 };
        uint8_t hash[32];
        int r;

        if (answer_failed(c, error, reason, answer))
                return;
        r = lnurl_verify_parse(answer->body, answer->size, &v, &reason);
        if (r < 0)
                return call_over(c, r, reason, NULL);
        v.settled = v.settled && v.has_preimage && sha256(v.preimage, 32, hash) >= 0 &&
                    memory_equal(hash, c->hash, 32);
        if (c->handle)
                *c->handle = NULL;
        c->handle = NULL;
        c->verified(0, "", v.settled, v.preimage, c->userdata);
        lnurl_call_free(c);
}

static LnurlCall *call_new(Http *http, Network network, bool allow_private, void *userdata) {
        LnurlCall *c = new0(LnurlCall, 1);

        if (!c)
                return NULL;
        c->http = http_ref(http);
        c->network = network;
        c->allow_private = allow_private;
        c->userdata = userdata;
        return c;
}

static void call_hand_out(LnurlCall *c, LnurlCall **ret) {
        c->handle = ret;
        if (ret)
                *ret = c;
}

/* The server would refuse, or its receipt would be worth nothing to anybody: so we look first. */
static int check_zap(const LnurlCall *c, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *lnurl;
        int r;

        r = event_parse(c->zap, strlen(c->zap), &e, reterr);
        if (r >= 0)
                r = zap_request_check(e, c->msat, reterr);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        lnurl = event_tag_value(e, "lnurl");
        if (lnurl && strcasecmp(lnurl, c->lnurl) != 0)
                return *reterr = "the zap request is for another address", -EINVAL;
        return 0;
}

static int call_take(LnurlCall *c, const LnurlOrder *order, const char **reterr) {
        int r;

        c->msat = order->msat;
        if (!isempty(order->comment)) {
                c->comment = strdup(order->comment);
                if (!c->comment)
                        return -ENOMEM;
        }
        r = lnurl_url(order->destination, order->network == NETWORK_REGTEST, &c->url, reterr);
        if (r < 0)
                return r;
        r = lnurl_encode(c->url, &c->lnurl);
        if (r < 0 || isempty(order->zap_request))
                return r;
        c->zap = strdup(order->zap_request);
        return c->zap ? check_zap(c, reterr) : -ENOMEM;
}

static int call_start(
                LnurlCall *taken, const LnurlOrder *order, LnurlCall **ret, const char **reterr) {
        _cleanup_(lnurl_call_freep) LnurlCall *c = taken;
        int r;

        r = call_take(c, order, reterr);
        if (r >= 0)
                r = call_get(c, c->url, LNURL_ANSWER_MAX, on_offer, reterr);
        if (r < 0)
                return r;
        call_hand_out(TAKE_PTR(c), ret);
        return 0;
}

int lnurl_bill(Http *http, const LnurlOrder *order, lnurl_bill_t done, void *userdata,
                LnurlCall **ret, const char **reterr) {
        LnurlCall *c = call_new(http, order->network, order->allow_private, userdata);

        *reterr = "there was no memory";
        if (!c)
                return -ENOMEM;
        c->done = done;
        return call_start(c, order, ret, reterr);
}

int lnurl_ask(Http *http, const LnurlOrder *order, lnurl_offer_t done, void *userdata,
                LnurlCall **ret, const char **reterr) {
        const LnurlOrder asked = {
                .destination = order->destination,
                .network = order->network,
                .allow_private = order->allow_private,
        };
        LnurlCall *c = call_new(http, order->network, order->allow_private, userdata);

        *reterr = "there was no memory";
        if (!c)
                return -ENOMEM;
        c->offered = done;
        return call_start(c, &asked, ret, reterr);
}

int lnurl_verify(Http *http, const LnurlProof *proof, lnurl_verified_t done, void *userdata,
                LnurlCall **ret, const char **reterr) {
        _cleanup_(lnurl_call_freep) LnurlCall *c = NULL;
        int r;

        *reterr = "there was no memory";
        c = call_new(http, proof->network, proof->allow_private, userdata);
        if (!c)
                return -ENOMEM;
        c->verified = done;
        memcpy(c->hash, proof->hash, 32);
        r = call_get(c, proof->verify, INVOICE_MAX, on_verified, reterr);
        if (r < 0)
                return r;
        call_hand_out(TAKE_PTR(c), ret);
        return 0;
}
