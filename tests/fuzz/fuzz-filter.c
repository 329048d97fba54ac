/* Filters: what we read and write again must be the same filter. */
#include "nostr/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(filter_freep) Filter *f = NULL, *again = NULL;
        _cleanup_buffer_ Buffer b = { .max = 1 << 20 }, c = { .max = 1 << 20 };
        const char *reason = NULL;

        if (filter_parse((const char *) data, size, &f, &reason) < 0) {
                if (!reason)
                        abort();
                return 0;
        }

        if (filter_write(f, &b) < 0 || b.size > FILTER_SIZE_MAX)
                return 0;
        if (filter_parse(b.data, b.size, &again, &reason) < 0 || filter_write(again, &c) < 0)
                abort();
        if (strcmp(b.data, c.data) != 0)
                abort();
        return 0;
}
