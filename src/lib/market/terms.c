#include "market/terms.h"

#include "money/bolt11.h"

#define SAT 1000 /* msat: wallets that know whole sats only round up */

static int decode(const PayTerms *t, const char *bolt11, PayDemand *ret, const char **reterr) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        int r;

        r = bolt11_decode(bolt11, &b, reterr);
        if (r < 0)
                return r;
        if (b.network != t->network) {
                *reterr = "the invoice is of another Bitcoin network";
                return -EINVAL;
        }
        *ret = (PayDemand){
                .amount_msat = b.amount_msat > 0 ? b.amount_msat : t->asked_msat,
                .expires_at = bolt11_expires_at(&b),
        };
        hex_encode(b.payment_hash, sizeof(b.payment_hash), ret->hash_hex);
        if (ret->amount_msat <= 0) {
                *reterr = "neither the invoice nor its event says an amount";
                return -EINVAL;
        }
        return 0;
}

/* What was announced for one request, or what was bid: then more was asked for by ourselves. */
static bool is_above_offer(const PayTerms *t, int64_t amount) {
        return t->offer_msat >= 0 && amount > MAX(t->offer_msat, t->bid_msat) &&
               amount - MAX(t->offer_msat, t->bid_msat) >= SAT;
}

int pay_terms_check(const PayTerms *t, const char *bolt11, PayDemand *ret, const char **reterr) {
        const char *wrong = NULL;
        PayDemand d;
        int r;

        r = decode(t, bolt11, &d, reterr);
        if (r < 0)
                return r;
        if (d.expires_at <= t->now) {
                *reterr = "the invoice has expired";
                return -ETIME;
        }
        if (t->asked_msat >= 0 && d.amount_msat > t->asked_msat &&
                        d.amount_msat - t->asked_msat >= SAT)
                wrong = "the invoice asks for more than its event says";
        else if (t->bid_msat >= 0 && d.amount_msat > t->bid_msat)
                wrong = "the invoice asks for more than was bid";
        else if (t->max_msat >= 0 && d.amount_msat > t->max_msat)
                wrong = "the invoice asks for more than may be paid";
        else if (is_above_offer(t, d.amount_msat))
                wrong = "the invoice asks for more than the provider announced";
        if (wrong) {
                *reterr = wrong;
                return -EPERM;
        }
        *ret = d;
        return 0;
}
