/* A relay's document about itself: what was read is sane, whatever it says. */
#include "nostr/nip11.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(relay_info_freep) RelayInfo *i = NULL;
        const char *reason = NULL;

        if (relay_info_parse((const char *) data, size, &i, &reason) < 0) {
                if (!reason)
                        abort();
                return 0;
        }
        if (i->n_nips > NIP11_NIPS_MAX || (i->limit_max != -1 && i->limit_max < 1) ||
                        (i->message_max != -1 && i->message_max < 4096))
                abort();
        for (const char *p = i->name; *p; p++)
                if ((unsigned char) *p < 0x20)
                        abort();
        return 0;
}
