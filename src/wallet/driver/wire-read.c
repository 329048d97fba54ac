/* What an answer of a backend says, read with suspicion. Pure. */
#include <ctype.h>
#include <strings.h>

#include "basic/codec.h"
#include "basic/text.h"
#include "wire.h"

#define VALUES_MAX 60000                     /* of one answer, names included */
#define SAT_MAX    INT64_C(2100000000000000) /* all there can be */
#define MSAT_MAX   (SAT_MAX * INT64_C(1000))

void wire_answer_init(WireAnswer *a, unsigned status, const char *text, size_t size, int64_t now) {
        const char *reason;

        *a = (WireAnswer){ .status = status, .text = text, .size = size, .now = now };
        if (size > WIRE_REPLY_MAX)
                a->size = 0;
        else if (json_parse(text, size, WIRE_DEPTH_MAX, VALUES_MAX, &a->json, &reason) < 0)
                a->json = NULL;
}

void wire_answer_done(WireAnswer *a) {
        a->json = json_unref(a->json);
}

int wire_i64(const Json *j, const char *key, int64_t *ret) {
        const Json *value = json_get(j, key);
        const char *digits;
        int64_t n;
        int r;

        r = json_string(value, &digits) < 0 ? json_i64(value, &n) : parse_i64(digits, &n);
        if (r < 0 || n < 0)
                return -EINVAL;
        *ret = n;
        return 0;
}

int wire_sat(const Json *j, const char *key, int64_t *ret_msat) {
        int64_t sat;

        if (wire_i64(j, key, &sat) < 0 || sat > SAT_MAX)
                return -EINVAL;
        *ret_msat = sat * 1000;
        return 0;
}

int wire_to_sat(int64_t msat, int64_t *ret) {
        if (msat <= 0 || msat > MSAT_MAX || msat % 1000 != 0)
                return -EINVAL;
        *ret = msat / 1000;
        return 0;
}

int wire_hex32(const Json *j, const char *key, uint8_t ret[static 32]) {
        const char *text;

        if (json_string(json_get(j, key), &text) < 0)
                return -EINVAL;
        return hex_decode(text, ret, 32);
}

int wire_b64_32(const Json *j, const char *key, uint8_t ret[static 32]) {
        _cleanup_free_ uint8_t *bytes = NULL;
        const char *text;
        size_t size;

        if (json_string(json_get(j, key), &text) < 0 ||
                        base64_decode(text, strlen(text), &bytes, &size) < 0 || size != 32)
                return -EINVAL;
        memcpy(ret, bytes, 32);
        return 0;
}

const char *wire_text(const Json *j, const char *key) {
        const char *text;

        return json_string(json_get(j, key), &text) < 0 ? "" : text;
}

bool wire_true(const Json *j, const char *key) {
        bool yes;

        return json_bool(json_get(j, key), &yes) >= 0 && yes;
}

bool wire_says(const char *text, const char *part) {
        return strcasestr(text, part);
}

int wire_network(const char *name, DriverInfo *ret, const char **reterr) {
        if (streq(name, "bitcoin"))
                name = "mainnet";
        if (startswith(name, "testnet"))
                name = "testnet";
        for (Network n = 0; n < _NETWORK_MAX; n++)
                if (streq(name, network_name(n))) {
                        ret->network = (int) n;
                        return 0;
                }
        *reterr = "it is on a network that is not known here";
        return -EPFNOSUPPORT;
}

const char *wire_words(WireWords *w, const char *text, size_t size, const char *otherwise) {
        size_t n;

        while (size > 0 && isspace((unsigned char) *text)) {
                text++;
                size--;
        }
        n = utf8_prefix(text, size, sizeof(w->text) - 1);
        while (n > 0 && (isspace((unsigned char) text[n - 1]) || text[n - 1] == '.'))
                n--;
        if (n == 0 || !utf8_is_valid(text, n))
                return otherwise;

        for (size_t i = 0; i < n; i++)
                w->text[i] = iscntrl((unsigned char) text[i]) ? ' ' : text[i];
        w->text[n] = '\0';
        return w->text;
}
