/* nostr/nip57 and market/zap: an event as a zap's request and as a receipt for it. */
#include "market/zap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_zapped(Event *e, const uint8_t recipient[static 32]) {
        const ZapFor whom = { .recipient = recipient, .network = NETWORK_MAINNET };
        _cleanup_zap_read_ Zap z = { 0 };
        const char *reason = NULL;

        if (zap_read(e, &whom, &z, &reason) < 0)
                assert(reason);
        else
                assert(z.msat > 0 && strlen(z.hash) == 64 && strlen(z.sender) == 64);
}

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
        as_zapped(e, recipient);
        return 0;
}
