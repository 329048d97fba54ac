/* basic/codec: what bech32_decode() accepts, bech32_encode() writes again. */
#include "basic/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size), *hrp = NULL, *again = NULL;
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n;

        if (!text || bech32_decode(text, 5000, &hrp, &bytes, &n) < 0)
                return 0;
        assert(bech32_encode(hrp, bytes, n, &again) == 0);
        assert(strcasecmp(again, text) == 0);
        return 0;
}
