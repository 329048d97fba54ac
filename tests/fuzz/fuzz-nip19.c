/* nostr/nip19: whatever is understood can be written and means the same. */
#include "basic/text.h"
#include "nostr/nip19.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size), *again = NULL;
        _cleanup_nip19_ Nip19 a = { 0 }, b = { 0 };
        const char *reason = NULL;
        uint8_t key[32];

        if (!text)
                return 0;
        if (nip19_decode(text, &a, &reason) < 0) {
                assert(reason);
                return 0;
        }
        (void) pubkey_parse(text, key, &reason);
        assert(nip19_encode(&a, &again) == 0);
        assert(nip19_decode(again, &b, &reason) == 0);
        assert(a.type == b.type && memcmp(a.key, b.key, sizeof(a.key)) == 0);
        assert(a.has_kind == b.has_kind && a.kind == b.kind && a.has_author == b.has_author);
        assert(strv_length(a.relays) == strv_length(b.relays));
        return 0;
}
