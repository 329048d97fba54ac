/* What the server answers, read strictly: an offer, an invoice, whether it is settled. */
#include <strings.h>

#include "basic/codec.h"
#include "basic/json.h"
#include "basic/text.h"
#include "money/lnurl-private.h"

#define DEPTH_MAX  6
#define VALUES_MAX 1024

static int parse(const char *json, size_t size, Json **ret, const char **reterr) {
        int r;

        if (size > LNURL_ANSWER_MAX)
                return *reterr = "the server's answer is too large", -EBADMSG;
        r = json_parse(json, size, DEPTH_MAX, VALUES_MAX, ret, reterr);
        if (r < 0)
                return r;
        if (!json_is_object(*ret)) {
                *ret = json_unref(*ret);
                return *reterr = "the server's answer is no object", -EBADMSG;
        }
        return 0;
}

/* Without control characters; whole characters only. */
static void clean(const char *text, char *ret, size_t size) {
        size_t n = utf8_prefix(text, strlen(text), size - 1);

        for (size_t i = 0; i < n; i++)
                ret[i] = (unsigned char) text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
        ret[n] = 0;
}

bool lnurl_refused(const char *json, size_t size, char ret[static LNURL_REFUSAL_SIZE]) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *status = NULL, *reason = NULL;

        if (parse(json, size, &j, &reason) < 0)
                return false;
        reason = "";
        if (json_string(json_get(j, "status"), &status) < 0 || strcasecmp(status, "ERROR") != 0)
                return false;
        (void) json_string(json_get(j, "reason"), &reason);
        clean(reason, ret, LNURL_REFUSAL_SIZE);
        return true;
}

/* Exactly one ["text/plain", …]; the rest is for wallets with a screen. */
static int read_metadata(const char *metadata, char **ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *name, *text, *found = NULL;
        int r;

        r = json_parse(metadata, strlen(metadata), DEPTH_MAX, VALUES_MAX, &j, reterr);
        if (r < 0)
                return r;
        *reterr = "the server's metadata is not well formed";
        if (!json_is_array(j))
                return -EBADMSG;
        for (size_t i = 0; i < json_array_size(j); i++) {
                Json *row = json_array_at(j, i);

                if (!json_is_array(row) || json_string(json_array_at(row, 0), &name) < 0)
                        return -EBADMSG;
                if (!streq(name, "text/plain"))
                        continue;
                if (found || json_string(json_array_at(row, 1), &text) < 0)
                        return -EBADMSG;
                found = text;
        }
        if (!found)
                return -EBADMSG;

        *ret = new0(char, BOLT11_DESCRIPTION_MAX + 1);
        if (!*ret)
                return -ENOMEM;
        clean(found, *ret, BOLT11_DESCRIPTION_MAX + 1);
        return 0;
}

typedef struct Offer {
        const char *tag, *callback, *metadata;
        uint64_t min, max;
} Offer;

static const JsonField offer_fields[] = {
        { "tag", JSON_STRING, offsetof(Offer, tag), true },
        { "callback", JSON_STRING, offsetof(Offer, callback), true },
        { "metadata", JSON_STRING, offsetof(Offer, metadata), true },
        { "minSendable", JSON_U64, offsetof(Offer, min), true },
        { "maxSendable", JSON_U64, offsetof(Offer, max), true },
};

static int check_offer(const Offer *o, const char **reterr) {
        if (!streq(o->tag, "payRequest"))
                return *reterr = "the server takes no payments", -EBADMSG;
        if (o->min < 1 || o->min > o->max || o->min > BOLT11_AMOUNT_MAX)
                return *reterr = "the server's limits make no sense", -EBADMSG;
        /* The scheme is judged when it is asked. */
        return lnurl_url_check(o->callback, true, reterr) < 0 ? -EBADMSG : 0;
}

/* What is not well formed of this is as if it were not there: the payment itself needs none of it.
 */
static void read_extras(const Json *j, LnurlPay *p) {
        const char *pubkey = NULL;
        uint64_t comment = 0;
        bool allows = false;

        if (json_u64(json_get(j, "commentAllowed"), UINT32_MAX, &comment) >= 0)
                p->comment_max = (uint32_t) MIN(comment, (uint64_t) LNURL_COMMENT_MAX);
        if (json_bool(json_get(j, "allowsNostr"), &allows) < 0 || !allows)
                return;
        p->allows_nostr = json_string(json_get(j, "nostrPubkey"), &pubkey) >= 0 &&
                          hex_decode(pubkey, p->nostr_pubkey, 32) >= 0;
}

int lnurl_pay_parse(const char *json, size_t size, LnurlPay *ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_lnurl_pay_ LnurlPay p = { 0 };
        const char *field;
        Offer o = { 0 };
        int r;

        *reterr = NULL;
        r = parse(json, size, &j, reterr);
        if (r < 0)
                return r;
        if (json_read(j, offer_fields, ELEMENTSOF(offer_fields), &o, &field, reterr) < 0)
                return *reterr = "the server's offer is not well formed", -EBADMSG;
        r = check_offer(&o, reterr);
        if (r < 0)
                return r;
        r = read_metadata(o.metadata, &p.description, reterr);
        if (r < 0)
                return r;

        p.callback = strdup(o.callback);
        p.metadata = strdup(o.metadata);
        if (!p.callback || !p.metadata)
                return -ENOMEM;
        p.min_msat = (int64_t) o.min;
        p.max_msat = (int64_t) MIN(o.max, (uint64_t) BOLT11_AMOUNT_MAX);
        read_extras(j, &p);
        *ret = TAKE(p, (LnurlPay){ 0 });
        return 0;
}

int lnurl_invoice_parse(const char *json, size_t size, LnurlInvoice *ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_lnurl_invoice_ LnurlInvoice i = { 0 };
        const char *bolt11, *verify, *ignored;
        int r;

        *reterr = NULL;
        r = parse(json, size, &j, reterr);
        if (r < 0)
                return r;
        if (json_string(json_get(j, "pr"), &bolt11) < 0 || strlen(bolt11) > BOLT11_MAX + 10)
                return *reterr = "the server's answer holds no invoice", -EBADMSG;

        i.bolt11 = strdup(bolt11);
        if (!i.bolt11)
                return -ENOMEM;
        if (json_string(json_get(j, "verify"), &verify) >= 0 &&
                        lnurl_url_check(verify, true, &ignored) >= 0) {
                i.verify = strdup(verify);
                if (!i.verify)
                        return -ENOMEM;
        }
        *ret = TAKE(i, (LnurlInvoice){ 0 });
        return 0;
}

int lnurl_invoice_check(const Bolt11 *b, const LnurlPay *p, const LnurlAsk *ask, Network network,
                const char **reterr) {
        const char *about = ask->zap_request ?: p->metadata;

        if (b->network != network)
                return *reterr = "its invoice is of another network", -EBADMSG;
        if (b->amount_msat != ask->msat)
                return *reterr = "its invoice is about another amount", -EBADMSG;
        /* LUD-06 demands the hash no more: a plain description says nothing wrong. NIP-57 does:
         * without it nobody would believe the receipt. */
        if ((!b->description || ask->zap_request) && !bolt11_describes(b, about, strlen(about)))
                return *reterr = "its invoice is about something else", -EBADMSG;
        return 0;
}

int lnurl_verify_parse(const char *json, size_t size, LnurlVerify *ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        LnurlVerify v = { 0 };
        const char *preimage;
        int r;

        *reterr = NULL;
        r = parse(json, size, &j, reterr);
        if (r < 0)
                return r;
        if (json_bool(json_get(j, "settled"), &v.settled) < 0)
                return *reterr = "the server's answer does not say whether it is settled", -EBADMSG;
        v.has_preimage = json_string(json_get(j, "preimage"), &preimage) >= 0 &&
                         hex_decode(preimage, v.preimage, 32) >= 0;
        *ret = v;
        return 0;
}
