#include "basic/codec.h"

#define BECH32_CHECKSUM 6

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char bech32_digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

void hex_encode(const void *data, size_t size, char *ret) {
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                *ret++ = hex_digits[p[i] >> 4];
                *ret++ = hex_digits[p[i] & 15];
        }
        *ret = 0;
}

/* Without branches: digits and letters come in no order, and every guess would be wrong half the
 * time. 16 and more: no lowercase digit. */
static unsigned hex_value(char c) {
        unsigned digit = (unsigned char) c - (unsigned) '0',
                 letter = (unsigned char) c - (unsigned) 'a';
        unsigned is_digit = digit < 10, is_letter = letter < 6;

        return is_digit * digit + is_letter * (letter + 10) + (1 - is_digit - is_letter) * 16;
}

int hex_decode(const char *hex, void *ret, size_t size) {
        uint8_t *p = ret;
        unsigned all = 0;

        if (strnlen(hex, 2 * size + 1) != 2 * size)
                return -EINVAL;

        for (size_t i = 0; i < size; i++) {
                unsigned high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);

                all |= high | low;
                p[i] = (uint8_t) (high << 4 | low);
        }
        return all < 16 ? 0 : -EINVAL;
}

int base64_encode(const void *data, size_t size, char **ret) {
        const uint8_t *p = data;
        char *text, *out;

        if (size > SIZE_MAX / 2)
                return -E2BIG;
        out = text = malloc((size + 2) / 3 * 4 + 1);
        if (!text)
                return -ENOMEM;

        for (size_t i = 0; i < size; i += 3) {
                size_t n = MIN(size - i, (size_t) 3);
                uint32_t v = (uint32_t) p[i] << 16 | (n > 1 ? (uint32_t) p[i + 1] << 8 : 0) |
                             (n > 2 ? p[i + 2] : 0);

                *out++ = base64_digits[v >> 18];
                *out++ = base64_digits[v >> 12 & 63];
                *out++ = (char) (n > 1 ? base64_digits[v >> 6 & 63] : '=');
                *out++ = (char) (n > 2 ? base64_digits[v & 63] : '=');
        }
        *out = 0;
        *ret = text;
        return 0;
}

static int base64_value(char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, of which the last n_padding are '='. What they say beyond whole bytes must be zero.
 */
static int base64_quad(const char *text, size_t n_padding, uint8_t *out) {
        uint32_t v = 0;

        for (size_t i = 0; i < 4; i++) {
                int digit = i < 4 - n_padding ? base64_value(text[i]) : 0;

                if (digit < 0)
                        return -EINVAL;
                v = v << 6 | (uint32_t) digit;
        }
        if ((n_padding == 1 && (v & 0xff) != 0) || (n_padding == 2 && (v & 0xffff) != 0))
                return -EINVAL;

        out[0] = (uint8_t) (v >> 16);
        if (n_padding < 2)
                out[1] = (uint8_t) (v >> 8);
        if (n_padding < 1)
                out[2] = (uint8_t) v;
        return 0;
}

int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t n_padding = 0;

        if (size % 4 != 0)
                return -EINVAL;
        if (size > 0 && text[size - 1] == '=')
                n_padding = text[size - 2] == '=' ? 2 : 1;

        data = malloc(size / 4 * 3 + 1);
        if (!data)
                return -ENOMEM;

        for (size_t i = 0; i < size; i += 4)
                if (base64_quad(text + i, i + 4 == size ? n_padding : 0, data + i / 4 * 3) < 0)
                        return -EINVAL;

        *ret_size = size / 4 * 3 - n_padding;
        *ret = TAKE_PTR(data);
        return 0;
}

static uint32_t bech32_step(uint32_t checksum, uint8_t value) {
        static const uint32_t generator[] = {
                0x3b6a57b2,
                0x26508e6d,
                0x1ea119fa,
                0x3d4233dd,
                0x2a1462b3,
        };
        uint32_t top = checksum >> 25;

        checksum = (checksum & 0x1ffffff) << 5 ^ value;
        for (size_t i = 0; i < ELEMENTSOF(generator); i++)
                if (top >> i & 1)
                        checksum ^= generator[i];
        return checksum;
}

static uint32_t bech32_hrp_checksum(const char *hrp, size_t size) {
        uint32_t c = 1;

        for (size_t i = 0; i < size; i++)
                c = bech32_step(c, (uint8_t) hrp[i] >> 5);
        c = bech32_step(c, 0);
        for (size_t i = 0; i < size; i++)
                c = bech32_step(c, (uint8_t) hrp[i] & 31);
        return c;
}

/* The five bits from this bit on; behind the data come zeros. */
static uint8_t five_bits(const uint8_t *data, size_t size, size_t bit) {
        size_t i = bit / 8;
        uint32_t pair = (uint32_t) data[i] << 8 | (i + 1 < size ? data[i + 1] : 0);

        return pair >> (11 - bit % 8) & 31;
}

int bech32_encode_words(const char *hrp, const uint8_t *words, size_t n_words, char **ret) {
        size_t n_hrp = strlen(hrp);
        char *text, *out;
        uint32_t c;

        if (n_hrp == 0 || n_words > SIZE_MAX / 16)
                return -EINVAL;
        text = malloc(n_hrp + 1 + n_words + BECH32_CHECKSUM + 1);
        if (!text)
                return -ENOMEM;

        memcpy(text, hrp, n_hrp);
        out = text + n_hrp;
        *out++ = '1';

        c = bech32_hrp_checksum(hrp, n_hrp);
        for (size_t i = 0; i < n_words; i++) {
                c = bech32_step(c, words[i] & 31);
                *out++ = bech32_digits[words[i] & 31];
        }
        for (int i = 0; i < BECH32_CHECKSUM; i++)
                c = bech32_step(c, 0);
        c ^= 1;
        for (int i = 0; i < BECH32_CHECKSUM; i++)
                *out++ = bech32_digits[c >> 5 * (BECH32_CHECKSUM - 1 - i) & 31];
        *out = 0;
        *ret = text;
        return 0;
}

int bech32_encode(const char *hrp, const uint8_t *data, size_t size, char **ret) {
        _cleanup_free_ uint8_t *words = NULL;
        size_t n = 0;
        int r;

        if (size > SIZE_MAX / 16)
                return -EINVAL;
        words = malloc((size * 8 + 4) / 5 + 1);
        if (!words)
                return -ENOMEM;

        for (size_t bit = 0; bit < size * 8; bit += 5)
                words[n++] = five_bits(data, size, bit);
        r = bech32_encode_words(hrp, words, n, ret);
        explicit_bzero(words, n); /* it may be an nsec */
        return r;
}

/* A lowercase copy; BIP-173 refuses mixed case and what is not printable. */
static int bech32_normalise(const char *text, size_t size, char **ret) {
        _cleanup_free_ char *copy = new0(char, size + 1);
        bool lower = false, upper = false;

        if (!copy)
                return -ENOMEM;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];
                bool capital = c >= 'A' && c <= 'Z';

                if (c < 33 || c > 126)
                        return -EINVAL;
                upper = upper || capital;
                lower = lower || (c >= 'a' && c <= 'z');
                copy[i] = (char) (capital ? c - 'A' + 'a' : c);
        }
        if (lower && upper)
                return -EINVAL;

        *ret = TAKE_PTR(copy);
        return 0;
}

/* Turns the digits into their values, in place, and proves the checksum. */
static int bech32_values(const char *hrp, size_t n_hrp, char *digits, size_t n_digits) {
        uint32_t c = bech32_hrp_checksum(hrp, n_hrp);

        for (size_t i = 0; i < n_digits; i++) {
                const char *found = strchr(bech32_digits, digits[i]);

                if (!found)
                        return -EINVAL;
                digits[i] = (char) (found - bech32_digits);
                c = bech32_step(c, (uint8_t) digits[i]);
        }
        return c == 1 ? 0 : -EINVAL;
}

/* Five-bit values to bytes; what is left must be fewer than five bits, all zero. */
static int bech32_bytes(const uint8_t *values, size_t n_values, uint8_t **ret, size_t *ret_size) {
        _cleanup_free_ uint8_t *data = malloc(n_values * 5 / 8 + 1);
        size_t n_bits = 0, n = 0;
        uint32_t bits = 0;

        if (!data)
                return -ENOMEM;

        for (size_t i = 0; i < n_values; i++) {
                bits = (bits << 5 | (uint32_t) values[i]) & 0xfff;
                n_bits += 5;
                if (n_bits >= 8) {
                        n_bits -= 8;
                        data[n++] = (uint8_t) (bits >> n_bits);
                }
        }
        if (n_bits >= 5 || (bits & ((UINT32_C(1) << n_bits) - 1)) != 0) {
                explicit_bzero(data, n);
                return -EBADMSG;
        }

        *ret = TAKE_PTR(data);
        *ret_size = n;
        return 0;
}

int bech32_decode_words(
                const char *text, size_t max, char **ret_hrp, uint8_t **ret, size_t *ret_n) {
        size_t size = strnlen(text, max + 1), n_hrp, n_values;
        _cleanup_free_ char *copy = NULL, *hrp = NULL;
        _cleanup_free_ uint8_t *words = NULL;
        char *separator;
        int r;

        if (size > max)
                return -E2BIG;
        r = bech32_normalise(text, size, &copy);
        if (r < 0)
                return r;

        separator = strrchr(copy, '1');
        if (!separator || separator == copy)
                return -EINVAL;
        n_hrp = (size_t) (separator - copy);
        n_values = size - n_hrp - 1;
        if (n_values < BECH32_CHECKSUM)
                return -EINVAL;

        hrp = strndup(copy, n_hrp);
        words = malloc(n_values);
        if (!hrp || !words)
                return -ENOMEM;

        r = bech32_values(copy, n_hrp, separator + 1, n_values);
        memcpy(words, separator + 1, n_values);
        explicit_bzero(copy, size); /* it may have been an nsec */
        if (r < 0)
                return r;

        *ret_hrp = TAKE_PTR(hrp);
        *ret = TAKE_PTR(words);
        *ret_n = n_values - BECH32_CHECKSUM;
        return 0;
}

int bech32_decode(const char *text, size_t max, char **ret_hrp, uint8_t **ret, size_t *ret_size) {
        _cleanup_free_ uint8_t *words = NULL;
        _cleanup_free_ char *hrp = NULL;
        size_t n;
        int r;

        r = bech32_decode_words(text, max, &hrp, &words, &n);
        if (r < 0)
                return r;
        r = bech32_bytes(words, n, ret, ret_size);
        explicit_bzero(words, n);
        if (r < 0)
                return r;

        *ret_hrp = TAKE_PTR(hrp);
        return 0;
}

int percent_encode(const char *text, char **ret) {
        static const char digits[] = "0123456789ABCDEF";
        char *out, *p;

        out = p = malloc(3 * strlen(text) + 1);
        if (!out)
                return -ENOMEM;

        for (; *text; text++) {
                unsigned char c = (unsigned char) *text;

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                                strchr("-_.~", c))
                        *p++ = (char) c;
                else {
                        *p++ = '%';
                        *p++ = digits[c >> 4];
                        *p++ = digits[c & 15];
                }
        }
        *p = 0;
        *ret = out;
        return 0;
}

static unsigned hex_value_any(char c) {
        return hex_value(c >= 'A' && c <= 'F' ? (char) (c - 'A' + 'a') : c);
}

int percent_decode(const char *text, size_t size, char **ret) {
        _cleanup_free_ char *out = malloc(size + 1);
        char *p = out;

        if (!out)
                return -ENOMEM;

        for (size_t i = 0; i < size; i++) {
                char c = text[i];

                if (c == '%') {
                        bool whole = size - i > 2;
                        unsigned high = whole ? hex_value_any(text[i + 1]) : 16;
                        unsigned low = whole ? hex_value_any(text[i + 2]) : 16;

                        if (high > 15 || low > 15)
                                return -EINVAL;
                        c = (char) (high << 4 | low);
                        i += 2;
                }
                if (c == 0)
                        return -EINVAL;
                *p++ = c;
        }
        *p = 0;
        *ret = TAKE_PTR(out);
        return 0;
}
