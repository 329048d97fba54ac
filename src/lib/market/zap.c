#include "market/zap.h"

#include "basic/crypt.h"

/* What the invoice says, against the request. */
static int check_invoice(
                const Bolt11 *b, const ZapReceipt *z, Network network, const char **reterr) {
        if (b->network != network)
                return *reterr = "its invoice is of another network", -EBADMSG;
        if (b->amount_msat <= 0)
                return *reterr = "its invoice names no amount", -EBADMSG;
        if (z->msat > 0 && z->msat != b->amount_msat)
                return *reterr = "its invoice is about another amount", -EBADMSG;
        if (!bolt11_describes(b, z->request_json, strlen(z->request_json)))
                return *reterr = "its invoice is about something else", -EBADMSG;
        return 0;
}

static bool fits(const char *preimage, const uint8_t hash[static 32]) {
        uint8_t bytes[32], computed[32];

        return preimage && hex_decode(preimage, bytes, sizeof(bytes)) >= 0 &&
               sha256(bytes, sizeof(bytes), computed) >= 0 && memory_equal(computed, hash, 32);
}

int zap_read(Event *receipt, const ZapFor *whom, Zap *ret, const char **reterr) {
        const ZapExpected expected = {
                .server = event_pubkey(receipt), /* who that is asks the caller */
                .recipient = whom->recipient,
                .lnurl = whom->lnurl,
        };
        _cleanup_zap_receipt_ ZapReceipt inside = { 0 };
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *content;
        size_t size;
        int r;

        r = zap_receipt_parse(receipt, &expected, &inside, reterr);
        if (r < 0)
                return r;
        r = bolt11_decode(inside.bolt11, &b, reterr);
        if (r >= 0)
                r = check_invoice(&b, &inside, whom->network, reterr);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        content = event_content(inside.request, &size);
        if (strlen(content) != size)
                return *reterr = "a NUL is in its comment", -EBADMSG;

        *ret = (Zap){
                .receipt = event_ref(receipt),
                .sender = event_pubkey_hex(inside.request),
                .server = event_pubkey_hex(receipt),
                .event = event_tag_value(inside.request, "e") ?: "",
                .comment = content,
                .msat = b.amount_msat,
                .at = event_created_at(receipt),
                .proven = fits(inside.preimage, b.payment_hash),
        };
        hex_encode(b.payment_hash, 32, ret->hash);
        ret->inside = TAKE(inside, (ZapReceipt){ 0 });
        return 0;
}

void zap_done(Zap *z) {
        zap_receipt_done(&z->inside);
        z->receipt = event_unref(z->receipt);
}
