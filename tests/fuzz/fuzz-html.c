/* Pages of strangers, and whatever else a URL leads to: what is left of them is clean text. */
#include "basic/text.h"
#include "input-text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(const char *type, const char *s, size_t size) {
        _cleanup_buffer_ Buffer b = { .max = 2 * size + 16 };
        const char *reason;

        if (input_text(type, s, size, &b, &reason) < 0)
                return;
        assert(utf8_is_valid(b.data ?: "", b.size));
        for (size_t i = 0; i < b.size; i++)
                assert((unsigned char) b.data[i] >= ' ' || b.data[i] == '\n' || b.data[i] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *s = (const char *) data;

        read_as("text/html", s, size);
        read_as("text/html; charset=iso-8859-1", s, size);
        read_as("text/plain", s, size);
        read_as(NULL, s, size);
        return 0;
}
