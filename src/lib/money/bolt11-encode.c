/* Writing. The fields in the order of the BOLT's recent examples; each only where it says more than
 * its default. */
#include <stdio.h>

#include "basic/codec.h"
#include "basic/secp.h"
#include "basic/text.h"
#include "money/bolt11-private.h"

#define WORDS_MAX      BOLT11_MAX
#define FIELD_SIZE_MAX 639

const char *const bolt11_prefixes[_NETWORK_MAX] = {
        [NETWORK_MAINNET] = "bc",
        [NETWORK_TESTNET] = "tb",
        [NETWORK_SIGNET] = "tbs",
        [NETWORK_REGTEST] = "bcrt",
};

typedef struct Writer {
        uint8_t words[WORDS_MAX];
        size_t n;
        const char *reason;
} Writer;

bool bolt11_fallback_is_valid(const Bolt11Fallback *f) {
        if (f->version == 0)
                return f->size == 20 || f->size == 32;
        if (f->version <= 16)
                return f->size >= 2 && f->size <= 40;
        return f->version <= 18 && f->size == 20;
}

static int write_word(Writer *w, unsigned word) {
        if (w->n >= WORDS_MAX)
                return w->reason = "it would be too long", -EINVAL;
        w->words[w->n++] = (uint8_t) (word & 31);
        return 0;
}

static int write_number(Writer *w, uint64_t value, size_t n_words) {
        int r = 0;

        for (size_t i = n_words; i-- > 0 && r >= 0;)
                r = write_word(w, (unsigned) (value >> 5 * i & 31));
        return r;
}

static int write_head(Writer *w, unsigned type, size_t n_words) {
        int r = write_word(w, type);

        return r < 0 ? r : write_number(w, n_words, 2);
}

static int write_bits(Writer *w, const uint8_t *data, size_t size) {
        uint32_t bits = 0;
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i++) {
                bits = (bits << 8 | data[i]) & 0xffff;
                for (n += 8; n >= 5 && r >= 0; n -= 5)
                        r = write_word(w, bits >> (n - 5));
        }
        return r >= 0 && n > 0 ? write_word(w, bits << (5 - n)) : r;
}

static int write_bytes(Writer *w, unsigned type, const void *data, size_t size) {
        int r;

        if (size > FIELD_SIZE_MAX)
                return w->reason = "a field would be too long", -EINVAL;
        r = write_head(w, type, (size * 8 + 4) / 5);
        return r < 0 ? r : write_bits(w, data, size);
}

static size_t number_words(uint64_t value) {
        size_t n = 1;

        while (value >>= 5)
                n++;
        return n;
}

static int write_number_field(Writer *w, unsigned type, int64_t value, int64_t usual) {
        int r;

        if (value == 0 || value == usual)
                return 0;
        if (value < 0 || value >= INT64_C(1) << 60)
                return w->reason = "a number is out of range", -EINVAL;
        r = write_head(w, type, number_words((uint64_t) value));
        return r < 0 ? r : write_number(w, (uint64_t) value, number_words((uint64_t) value));
}

static int write_description(Writer *w, const Bolt11 *b) {
        size_t size = b->description ? strlen(b->description) : 0;

        if (!b->description)
                return write_bytes(w, BOLT11_H, b->description_hash, 32);
        if (size > BOLT11_DESCRIPTION_MAX)
                return w->reason = "its description would be too long", -EINVAL;
        if (!utf8_is_valid(b->description, size))
                return w->reason = "its description is no text", -EINVAL;
        return write_bytes(w, BOLT11_D, b->description, size);
}

static int write_features(Writer *w, const Bolt11 *b) {
        uint8_t words[BOLT11_FEATURE_MAX / 5 + 1] = { 0 };
        size_t n;
        int r;

        if (b->n_features == 0)
                return 0;
        for (size_t i = 0; i < b->n_features; i++) {
                if (b->features[i] > BOLT11_FEATURE_MAX ||
                                (i > 0 && b->features[i] <= b->features[i - 1]))
                        return w->reason = "its features are not in order", -EINVAL;
                words[b->features[i] / 5] |= (uint8_t) (1U << b->features[i] % 5);
        }
        n = b->features[b->n_features - 1] / 5 + 1;
        r = write_head(w, BOLT11_9, n);
        while (n-- > 0 && r >= 0)
                r = write_word(w, words[n]);
        return r;
}

static void put_big_endian(uint8_t *p, uint64_t value, size_t size) {
        for (size_t i = size; i-- > 0; value >>= 8)
                p[i] = (uint8_t) value;
}

static int write_route(Writer *w, const Bolt11Route *route) {
        uint8_t bytes[BOLT11_HOPS_MAX * BOLT11_HOP_SIZE];

        if (route->n_hops == 0 || route->n_hops > BOLT11_HOPS_MAX)
                return w->reason = "a route is empty or too long", -EINVAL;
        for (size_t i = 0; i < route->n_hops; i++) {
                const Bolt11Hop *hop = route->hops + i;
                uint8_t *p = bytes + i * BOLT11_HOP_SIZE;

                memcpy(p, hop->pubkey, 33);
                put_big_endian(p + 33, hop->channel, 8);
                put_big_endian(p + 41, hop->fee_base_msat, 4);
                put_big_endian(p + 45, hop->fee_ppm, 4);
                put_big_endian(p + 49, hop->cltv_delta, 2);
        }
        return write_bytes(w, BOLT11_R, bytes, route->n_hops * BOLT11_HOP_SIZE);
}

static int write_fallback(Writer *w, const Bolt11Fallback *f) {
        int r;

        if (!bolt11_fallback_is_valid(f))
                return w->reason = "an address on the chain is not well formed", -EINVAL;
        r = write_head(w, BOLT11_F, 1 + (f->size * 8 + 4) / 5);
        if (r >= 0)
                r = write_word(w, f->version);
        return r < 0 ? r : write_bits(w, f->program, f->size);
}

static int write_fields(Writer *w, const Bolt11 *b) {
        int r;

        r = write_bytes(w, BOLT11_S, b->payment_secret, 32);
        if (r >= 0)
                r = write_bytes(w, BOLT11_P, b->payment_hash, 32);
        if (r >= 0)
                r = write_description(w, b);
        if (r >= 0 && b->has_metadata)
                r = write_bytes(w, BOLT11_M, b->metadata, b->metadata_size);
        if (r >= 0)
                r = write_number_field(w, BOLT11_X, b->expiry, BOLT11_EXPIRY_DEFAULT);
        if (r >= 0 && b->has_payee)
                r = write_bytes(w, BOLT11_N, b->payee, 33);
        for (size_t i = 0; i < b->n_fallbacks && r >= 0; i++)
                r = write_fallback(w, b->fallbacks + i);
        for (size_t i = 0; i < b->n_routes && r >= 0; i++)
                r = write_route(w, b->routes + i);
        if (r >= 0)
                r = write_number_field(w, BOLT11_C, b->min_final_cltv, BOLT11_CLTV_DEFAULT);
        return r < 0 ? r : write_features(w, b);
}

/* The shortest of the ways to say it. */
static void write_hrp(const Bolt11 *b, char *ret, size_t size) {
        static const struct {
                int64_t msat;
                const char *letter;
        } units[] = {
                { INT64_C(100000000000), "" },
                { 100000000, "m" },
                { 100000, "u" },
                { 100, "n" },
        };
        const char *prefix = bolt11_prefixes[b->network];

        if (b->amount_msat == 0) {
                (void) snprintf(ret, size, "ln%s", prefix);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (b->amount_msat % units[i].msat == 0) {
                        (void) snprintf(ret, size, "ln%s%lld%s", prefix,
                                        (long long) (b->amount_msat / units[i].msat),
                                        units[i].letter);
                        return;
                }
        (void) snprintf(ret, size, "ln%s%lld0p", prefix, (long long) b->amount_msat);
}

static int write_all(Writer *w, const Bolt11 *b, const char *hrp, const uint8_t secret[static 32]) {
        uint8_t digest[32], signature[65];
        int r;

        r = write_number(w, (uint64_t) b->created_at, BOLT11_TIME_WORDS);
        if (r >= 0)
                r = write_fields(w, b);
        if (r >= 0)
                r = bolt11_digest(hrp, w->words, w->n, digest);
        if (r < 0)
                return r;
        r = secp_ecdsa_sign(secret, digest, signature);
        if (r == -EINVAL)
                w->reason = "the node's secret is no key";
        return r < 0 ? r : write_bits(w, signature, sizeof(signature));
}

int bolt11_encode(
                const Bolt11 *b, const uint8_t secret[static 32], char **ret, const char **reterr) {
        _cleanup_free_ Writer *w = NULL;
        _cleanup_free_ char *text = NULL;
        char hrp[32];
        int r;

        *reterr = NULL;
        if (b->amount_msat < 0 || b->amount_msat > BOLT11_AMOUNT_MAX)
                return *reterr = "its amount is out of range", -EINVAL;
        if (b->created_at < 0 || b->created_at >= INT64_C(1) << 5 * BOLT11_TIME_WORDS)
                return *reterr = "its time is out of range", -EINVAL;

        w = new0(Writer, 1);
        if (!w)
                return -ENOMEM;
        write_hrp(b, hrp, sizeof(hrp));
        r = write_all(w, b, hrp, secret);
        if (r < 0) {
                *reterr = w->reason;
                return r;
        }
        r = bech32_encode_words(hrp, w->words, w->n, &text);
        if (r < 0)
                return r;
        if (strlen(text) > BOLT11_MAX)
                return *reterr = "it would be too long", -EINVAL;

        *ret = TAKE_PTR(text);
        return 0;
}
