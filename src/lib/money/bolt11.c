/* Reading. The parts in the order of the text: network and amount from what stands before the
 * separator, then the time, the fields, and the signature over all of it. */
#include "money/bolt11.h"

#include <strings.h>

#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/secp.h"
#include "basic/text.h"
#include "money/bolt11-private.h"

#define NUMBER_WORDS_MAX 12 /* 60 bits */

typedef struct Reader {
        Bolt11 *b;
        bool has_hash, has_secret, has_description, has_description_hash;
        bool has_expiry, has_cltv, has_features;
} Reader;

/* Bits. */

static uint64_t words_number(const uint8_t *words, size_t n) {
        uint64_t value = 0;

        for (size_t i = 0; i < n; i++)
                value = value << 5 | words[i];
        return value;
}

/* Whole bytes only; what is left over is padding. */
static size_t words_bytes(const uint8_t *words, size_t n, uint8_t *ret) {
        size_t n_bits = 0, size = 0;
        uint32_t bits = 0;

        for (size_t i = 0; i < n; i++) {
                bits = (bits << 5 | words[i]) & 0xfff;
                n_bits += 5;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        ret[size++] = (uint8_t) (bits >> n_bits);
                }
        }
        return size;
}

/* What is before the separator. */

static int read_amount(const char *text, int64_t *ret, const char **reterr) {
        static const struct {
                char letter;
                int64_t msat;
        } multipliers[] = {
                { 0, INT64_C(100000000000) },
                { 'm', 100000000 },
                { 'u', 100000 },
                { 'n', 100 },
        };
        size_t digits = strspn(text, "0123456789");
        int64_t number = 0;

        *reterr = "its amount is not well formed";
        if (digits == 0 || digits > 18 || text[0] == '0' || (text[digits] && text[digits + 1]))
                return -EINVAL;
        for (size_t i = 0; i < digits; i++)
                number = number * 10 + (text[i] - '0');

        if (text[digits] == 'p') {
                if (number % 10 != 0)
                        return *reterr = "its amount is no whole number of millisats", -EINVAL;
                *ret = number / 10;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(multipliers); i++)
                if (text[digits] == multipliers[i].letter) {
                        if (number > BOLT11_AMOUNT_MAX / multipliers[i].msat)
                                return *reterr = "its amount is beyond all bitcoin", -EINVAL;
                        *ret = number * multipliers[i].msat;
                        return 0;
                }
        return -EINVAL;
}

static int read_prefix(const char *hrp, Bolt11 *b, const char **reterr) {
        const char *rest = startswith(hrp, "ln");
        size_t n = rest ? strcspn(rest, "0123456789") : 0;

        if (!rest)
                return *reterr = "it is no Lightning invoice", -EINVAL;
        for (Network network = 0; network < _NETWORK_MAX; network++)
                if (strlen(bolt11_prefixes[network]) == n &&
                                strncmp(rest, bolt11_prefixes[network], n) == 0) {
                        b->network = network;
                        return rest[n] ? read_amount(rest + n, &b->amount_msat, reterr) : 0;
                }
        return *reterr = "its network is not known", -EINVAL;
}

/* The fields. Each is given its words; -EINVAL with a reason. */

/* Of what has a fixed length, other lengths are skipped, as the BOLT's own example demands. */
static void read_32(const uint8_t *words, size_t n, bool *has, uint8_t ret[static 32]) {
        uint8_t bytes[33];

        if (n != 52 || *has)
                return;
        (void) words_bytes(words, n, bytes);
        memcpy(ret, bytes, 32);
        *has = true;
}

static void read_payee(Bolt11 *b, const uint8_t *words, size_t n) {
        if (n != 53 || b->has_payee)
                return;
        (void) words_bytes(words, n, b->payee);
        b->has_payee = true;
}

static int read_number(
                const uint8_t *words, size_t n, bool *has, int64_t *ret, const char **reterr) {
        if (n == 0 || n > NUMBER_WORDS_MAX || words[0] == 0)
                return *reterr = "a number in it is not well formed", -EINVAL;
        if (!*has)
                *ret = (int64_t) words_number(words, n);
        *has = true;
        return 0;
}

static int read_description(Reader *r, const uint8_t *words, size_t n, const char **reterr) {
        uint8_t bytes[BOLT11_DESCRIPTION_MAX + 1];
        size_t size = words_bytes(words, n, bytes);

        if (memchr(bytes, 0, size) || !utf8_is_valid((char *) bytes, size))
                return *reterr = "its description is no text", -EINVAL;
        if (r->has_description)
                return 0;
        r->has_description = true;
        r->b->description = strndup((char *) bytes, size);
        return r->b->description ? 0 : -ENOMEM;
}

static bool feature_is_known(unsigned bit) {
        static const uint8_t known[] = { BOLT11_VAR_ONION, BOLT11_PAYMENT_SECRET, BOLT11_BASIC_MPP,
                BOLT11_ROUTE_BLINDING, BOLT11_ATTRIBUTION, BOLT11_PAYMENT_METADATA };

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i] == bit)
                        return true;
        return false;
}

/* Big-endian: bit 0 is the last word's lowest. */
static int read_features(Reader *r, const uint8_t *words, size_t n, const char **reterr) {
        Bolt11 *b = r->b;

        if (r->has_features)
                return 0;
        r->has_features = true;
        b->features = new0(uint16_t, n * 5 + 1);
        if (!b->features)
                return -ENOMEM;

        for (unsigned bit = 0; bit < n * 5; bit++) {
                if (!(words[n - 1 - bit / 5] >> bit % 5 & 1))
                        continue;
                if (bit % 2 == 0 && !feature_is_known(bit))
                        return *reterr = "it demands a feature that is not known", -EINVAL;
                b->features[b->n_features++] = (uint16_t) bit;
        }
        return 0;
}

static uint64_t big_endian(const uint8_t *p, size_t size) {
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value = value << 8 | p[i];
        return value;
}

static void read_hop(const uint8_t *p, Bolt11Hop *ret) {
        memcpy(ret->pubkey, p, 33);
        ret->channel = big_endian(p + 33, 8);
        ret->fee_base_msat = (uint32_t) big_endian(p + 41, 4);
        ret->fee_ppm = (uint32_t) big_endian(p + 45, 4);
        ret->cltv_delta = (uint16_t) big_endian(p + 49, 2);
}

static int read_route(Reader *r, const uint8_t *words, size_t n, const char **reterr) {
        uint8_t bytes[BOLT11_METADATA_MAX + 1];
        size_t size = words_bytes(words, n, bytes);
        Bolt11 *b = r->b;
        Bolt11Route *more;
        Bolt11Hop *hops;

        if (size == 0 || size % BOLT11_HOP_SIZE != 0)
                return *reterr = "a route in it is not well formed", -EINVAL;
        if (b->n_routes >= BOLT11_ROUTES_MAX)
                return 0;

        more = reallocarray(b->routes, b->n_routes + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        b->routes = more;
        hops = new0(Bolt11Hop, size / BOLT11_HOP_SIZE);
        if (!hops)
                return -ENOMEM;
        for (size_t i = 0; i < size / BOLT11_HOP_SIZE; i++)
                read_hop(bytes + i * BOLT11_HOP_SIZE, hops + i);
        b->routes[b->n_routes++] = (Bolt11Route){ .hops = hops, .n_hops = size / BOLT11_HOP_SIZE };
        return 0;
}

/* Versions nobody knows and programs of the wrong size are skipped: we pay none of them. */
static int read_fallback(Reader *r, const uint8_t *words, size_t n) {
        uint8_t bytes[BOLT11_METADATA_MAX + 1];
        Bolt11Fallback f = { .version = n > 0 ? words[0] : 31 };
        Bolt11Fallback *more;

        f.size = n > 0 ? words_bytes(words + 1, n - 1, bytes) : 0;
        if (!bolt11_fallback_is_valid(&f) || r->b->n_fallbacks >= BOLT11_FALLBACKS_MAX)
                return 0;
        memcpy(f.program, bytes, f.size);

        more = reallocarray(r->b->fallbacks, r->b->n_fallbacks + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        r->b->fallbacks = more;
        r->b->fallbacks[r->b->n_fallbacks++] = f;
        return 0;
}

static int read_metadata(Reader *r, const uint8_t *words, size_t n) {
        Bolt11 *b = r->b;

        if (b->has_metadata)
                return 0;
        b->metadata = new0(uint8_t, n * 5 / 8 + 1);
        if (!b->metadata)
                return -ENOMEM;
        b->metadata_size = words_bytes(words, n, b->metadata);
        b->has_metadata = true;
        return 0;
}

static int read_field(
                Reader *r, unsigned type, const uint8_t *words, size_t n, const char **reterr) {
        Bolt11 *b = r->b;

        switch (type) {
        case BOLT11_P:
                return read_32(words, n, &r->has_hash, b->payment_hash), 0;
        case BOLT11_S:
                return read_32(words, n, &r->has_secret, b->payment_secret), 0;
        case BOLT11_H:
                return read_32(words, n, &r->has_description_hash, b->description_hash), 0;
        case BOLT11_N:
                return read_payee(b, words, n), 0;
        case BOLT11_D:
                return read_description(r, words, n, reterr);
        case BOLT11_X:
                return read_number(words, n, &r->has_expiry, &b->expiry, reterr);
        case BOLT11_C:
                return read_number(words, n, &r->has_cltv, &b->min_final_cltv, reterr);
        case BOLT11_9:
                return read_features(r, words, n, reterr);
        case BOLT11_R:
                return read_route(r, words, n, reterr);
        case BOLT11_F:
                return read_fallback(r, words, n);
        case BOLT11_M:
                return read_metadata(r, words, n);
        default:
                return 0;
        }
}

static int read_fields(Reader *r, const uint8_t *words, size_t n, const char **reterr) {
        for (size_t at = 0; at < n;) {
                size_t length;
                int k;

                if (n - at < 3)
                        return *reterr = "a field in it is cut off", -EINVAL;
                length = words[at + 1] * 32U + words[at + 2];
                if (length > n - at - 3)
                        return *reterr = "a field in it is cut off", -EINVAL;
                k = read_field(r, words[at], words + at + 3, length, reterr);
                if (k < 0)
                        return k;
                at += 3 + length;
        }

        if (!r->has_hash)
                return *reterr = "it has no payment hash", -EINVAL;
        if (!r->has_secret)
                return *reterr = "it has no payment secret", -EINVAL;
        if (r->has_description == r->has_description_hash)
                return *reterr = "it has not exactly one description", -EINVAL;
        return 0;
}

/* The signature. */

int bolt11_digest(const char *hrp, const uint8_t *words, size_t n, uint8_t ret[static 32]) {
        _cleanup_free_ uint8_t *padded = new0(uint8_t, n + 2); /* two zeros fill any last byte */
        size_t n_hrp = strlen(hrp);
        _cleanup_free_ uint8_t *all = new0(uint8_t, n_hrp + n + 2);

        if (!padded || !all)
                return -ENOMEM;
        memcpy(padded, words, n);
        memcpy(all, hrp, n_hrp);
        (void) words_bytes(padded, n + 2, all + n_hrp);
        return sha256(all, n_hrp + (n * 5 + 7) / 8, ret);
}

static int read_signature(
                Bolt11 *b, const char *hrp, const uint8_t *words, size_t n, const char **reterr) {
        uint8_t digest[32];
        int r;

        (void) words_bytes(words + n, BOLT11_SIGNATURE_WORDS, b->signature);
        r = bolt11_digest(hrp, words, n, digest);
        if (r < 0)
                return r;

        if (b->has_payee)
                r = secp_ecdsa_verify(b->signature, digest, b->payee);
        else
                r = secp_ecdsa_recover(b->signature, digest, b->payee);
        if (r == -EBADMSG || b->signature[64] > 3)
                return *reterr = "its signature is not good", -EINVAL;
        return r;
}

/* All of it. */

static int read_invoice(
                Bolt11 *b, const char *hrp, const uint8_t *words, size_t n, const char **reterr) {
        Reader reader = { .b = b };
        int r;

        r = read_prefix(hrp, b, reterr);
        if (r < 0)
                return r;
        if (n < BOLT11_TIME_WORDS + BOLT11_SIGNATURE_WORDS)
                return *reterr = "it is too short", -EINVAL;
        n -= BOLT11_SIGNATURE_WORDS;

        b->created_at = (int64_t) words_number(words, BOLT11_TIME_WORDS);
        r = read_fields(&reader, words + BOLT11_TIME_WORDS, n - BOLT11_TIME_WORDS, reterr);
        if (r < 0)
                return r;
        return read_signature(b, hrp, words, n, reterr);
}

int bolt11_decode(const char *text, Bolt11 *ret, const char **reterr) {
        _cleanup_bolt11_ Bolt11 b = {
                .expiry = BOLT11_EXPIRY_DEFAULT,
                .min_final_cltv = BOLT11_CLTV_DEFAULT,
        };
        _cleanup_free_ uint8_t *words = NULL;
        _cleanup_free_ char *hrp = NULL;
        size_t n;
        int r;

        if (strncasecmp(text, "lightning:", 10) == 0)
                text += 10;
        *reterr = NULL;
        r = bech32_decode_words(text, BOLT11_MAX, &hrp, &words, &n);
        if (r >= 0)
                r = read_invoice(&b, hrp, words, n, reterr);
        else if (r == -E2BIG)
                r = (*reterr = "it is too long", -EINVAL);
        else if (r == -EINVAL)
                *reterr = "it is misspelt";
        if (r < 0)
                return r;

        *ret = TAKE(b, (Bolt11){ 0 });
        return 0;
}

void bolt11_done(Bolt11 *b) {
        for (size_t i = 0; i < b->n_routes; i++)
                free(b->routes[i].hops);
        free(b->description);
        free(b->features);
        free(b->routes);
        free(b->fallbacks);
        free(b->metadata);
        *b = (Bolt11){ 0 };
}

bool bolt11_has_feature(const Bolt11 *b, unsigned even) {
        for (size_t i = 0; i < b->n_features; i++)
                if ((b->features[i] & ~1U) == even)
                        return true;
        return false;
}

int64_t bolt11_expires_at(const Bolt11 *b) {
        return b->created_at + b->expiry;
}

bool bolt11_describes(const Bolt11 *b, const char *text, size_t size) {
        uint8_t hash[32];

        if (b->description)
                return strlen(b->description) == size && memcmp(b->description, text, size) == 0;
        return sha256(text, size, hash) >= 0 && memory_equal(hash, b->description_hash, 32);
}
