/* money/bolt11: whatever is understood can be written, and means the same. Behind a NUL come bare
 * words, which are given a prefix and a checksum: else nothing of chance would get past that. */
#include "basic/codec.h"
#include "money/bolt11.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[32] = { [31] = 1 };

static void write_again(Bolt11 *a) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;

        /* Another node signs; one that says who it is can only be written by that node. */
        a->has_payee = false;
        if (a->expiry == 0 || a->min_final_cltv == 0)
                return; /* cannot be: zero has no number */
        if (bolt11_encode(a, secret, &text, &reason) < 0) {
                assert(reason);
                return;
        }
        assert(bolt11_decode(text, &b, &reason) == 0);
        assert(a->network == b.network && a->amount_msat == b.amount_msat);
        assert(a->created_at == b.created_at && a->expiry == b.expiry);
        assert(memcmp(a->payment_hash, b.payment_hash, 32) == 0);
        assert(!a->description == !b.description);
        assert(!a->description || strcmp(a->description, b.description) == 0);
        assert(a->n_features == b.n_features && a->n_routes == b.n_routes);
        assert(a->n_fallbacks == b.n_fallbacks && a->metadata_size == b.metadata_size);
}

static char *make_text(const uint8_t *data, size_t size) {
        char *text;

        if (size == 0 || data[0] != 0)
                return strndup((const char *) data, size);
        return bech32_encode_words("lnbcrt10n", data + 1, size - 1, &text) < 0 ? NULL : text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = make_text(data, size);
        _cleanup_bolt11_ Bolt11 a = { 0 };
        const char *reason = NULL;

        if (!text)
                return 0;
        if (bolt11_decode(text, &a, &reason) < 0) {
                assert(reason);
                return 0;
        }
        write_again(&a);
        return 0;
}
