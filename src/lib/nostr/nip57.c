#include "nostr/nip57.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/crypt.h"
#include "basic/text.h"

static int add_relays(Draft *d, const char *const *relays) {
        const char *values[NIP57_RELAYS_MAX + 1] = { "relays" };
        size_t n = 1;

        for (; relays && *relays && n < ELEMENTSOF(values); relays++)
                values[n++] = *relays;
        return draft_tag_strv(d, values, n);
}

int zap_request_draft(const ZapRequest *z, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *comment = z->comment ?: "";
        char msat[24];
        int r;

        r = draft_new(NIP57_REQUEST_KIND, now, &d);
        if (r >= 0)
                r = add_relays(d, z->relays);
        if (r >= 0 && z->msat > 0) {
                (void) snprintf(msat, sizeof(msat), "%" PRIi64, z->msat);
                r = draft_tag(d, "amount", msat, NULL);
        }
        if (r >= 0 && z->lnurl)
                r = draft_tag(d, "lnurl", z->lnurl, NULL);
        if (r >= 0)
                r = draft_tag(d, "p", z->recipient_hex, NULL);
        if (r >= 0 && z->event_hex)
                r = draft_tag(d, "e", z->event_hex, NULL);
        if (r >= 0 && z->kind)
                r = draft_tag(d, "k", z->kind, NULL);
        if (r >= 0)
                r = draft_content(d, comment, strlen(comment));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

static size_t count(const Event *e, const char *name) {
        const Tag *t = NULL;
        size_t n = 0;

        while ((t = event_find_tag(e, name, t)))
                n++;
        return n;
}

static bool is_key(const char *text) {
        uint8_t bytes[32];

        return text && hex_decode(text, bytes, 32) >= 0;
}

/* 0 where it is not said. */
static int request_amount(const Event *request, int64_t *ret, const char **reterr) {
        const char *text = event_tag_value(request, "amount");

        *ret = 0;
        if (text && (count(request, "amount") != 1 || parse_i64(text, ret) < 0 || *ret <= 0))
                return *reterr = "its request names an amount that is none", -EBADMSG;
        return 0;
}

int zap_request_check(const Event *request, int64_t msat, const char **reterr) {
        const char *event = event_tag_value(request, "e");
        int64_t asked;
        int r;

        if (event_kind(request) != NIP57_REQUEST_KIND)
                return *reterr = "its request is of the wrong kind", -EBADMSG;
        if (count(request, "p") != 1 || !is_key(event_tag_value(request, "p")))
                return *reterr = "its request names not exactly one recipient", -EBADMSG;
        if (count(request, "e") > 1 || (count(request, "e") == 1 && !is_key(event)))
                return *reterr = "its request names more than one event", -EBADMSG;
        if (count(request, "P") > 1)
                return *reterr = "its request names more than one server", -EBADMSG;
        if (!event_tag_value(request, "relays"))
                return *reterr = "its request names no relay", -EBADMSG;
        r = request_amount(request, &asked, reterr);
        if (r < 0)
                return r;
        if (asked > 0 && msat > 0 && asked != msat)
                return *reterr = "its request names another amount", -EBADMSG;
        return 0;
}

static bool same_tag(const Event *a, const Event *b, const char *name) {
        const char *x = event_tag_value(a, name), *y = event_tag_value(b, name);

        return (!x && !y) || (x && y && streq(x, y));
}

static bool is_of(const Event *e, const char *name, const uint8_t key[static 32]) {
        const char *value = event_tag_value(e, name);
        uint8_t bytes[32];

        return value && hex_decode(value, bytes, 32) >= 0 && memory_equal(bytes, key, 32);
}

/* The receipt against what we know ourselves. */
static int check_receipt(const Event *receipt, const ZapExpected *x, const char **reterr) {
        const char *event = event_tag_value(receipt, "e");

        if (event_kind(receipt) != NIP57_RECEIPT_KIND)
                return *reterr = "it is of the wrong kind", -EBADMSG;
        if (!memory_equal(event_pubkey(receipt), x->server, 32))
                return *reterr = "it is not from the recipient's server", -EBADMSG;
        if (count(receipt, "p") != 1 || !is_of(receipt, "p", x->recipient))
                return *reterr = "it is for somebody else", -EBADMSG;
        if (x->event_hex && (!event || !streq(event, x->event_hex)))
                return *reterr = "it is for another event", -EBADMSG;
        return 0;
}

/* The request against the receipt. */
static int check_request(const Event *receipt, const Event *request, const ZapExpected *x,
                const char **reterr) {
        const char *lnurl = event_tag_value(request, "lnurl");
        const char *sender = event_tag_value(receipt, "P");
        const char *server = event_tag_value(request, "P");

        if (!same_tag(receipt, request, "p") || !same_tag(receipt, request, "e") ||
                        !same_tag(receipt, request, "a"))
                return *reterr = "its request is about something else", -EBADMSG;
        if (sender && !streq(sender, event_pubkey_hex(request)))
                return *reterr = "it names another sender than its request", -EBADMSG;
        if (server && !is_of(request, "P", x->server))
                return *reterr = "its request was for another server", -EBADMSG;
        if (x->lnurl && lnurl && strcasecmp(lnurl, x->lnurl) != 0)
                return *reterr = "its request was for another address", -EBADMSG;
        return 0;
}

int zap_receipt_parse(const Event *receipt, const ZapExpected *expected, ZapReceipt *ret,
                const char **reterr) {
        const char *bolt11 = event_tag_value(receipt, "bolt11");
        const char *json = event_tag_value(receipt, "description"), *ignored;
        _cleanup_zap_receipt_ ZapReceipt z = { 0 };
        int r;

        *reterr = NULL;
        r = check_receipt(receipt, expected, reterr);
        if (r < 0)
                return r;
        if (!bolt11 || count(receipt, "bolt11") != 1 || !json || count(receipt, "description") != 1)
                return *reterr = "it has no invoice or no request", -EBADMSG;

        r = event_parse(json, strlen(json), &z.request, &ignored);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return *reterr = "its request is no event", -EBADMSG;
        r = zap_request_check(z.request, 0, reterr);
        if (r >= 0)
                r = check_request(receipt, z.request, expected, reterr);
        if (r >= 0)
                r = request_amount(z.request, &z.msat, reterr);
        if (r < 0)
                return r;

        z.request_json = json;
        z.bolt11 = bolt11;
        z.preimage = event_tag_value(receipt, "preimage");
        *ret = TAKE(z, (ZapReceipt){ 0 });
        return 0;
}

void zap_receipt_done(ZapReceipt *z) {
        z->request = event_unref(z->request);
}
