/* nostr/nip57: an event as a zap's request and as a receipt for it. */
#include "nostr/nip57.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_zap_receipt_ ZapReceipt z = { 0 };
        const char *reason = NULL, *p;
        uint8_t recipient[32];

        if (event_parse_trusted((const char *) data, size, &e, &reason) < 0)
                return 0;
        (void) zap_request_check(e, 21000, &reason);
        p = event_tag_value(e, "p");
        if (!p || hex_decode(p, recipient, 32) < 0)
                return 0;
        reason = NULL;
        if (zap_receipt_parse(e,
                            &(ZapExpected){ .server = event_pubkey(e), .recipient = recipient }, &z,
                            &reason) < 0)
                assert(reason);
        else
                assert(z.request && z.bolt11 && z.msat >= 0);
        return 0;
}
