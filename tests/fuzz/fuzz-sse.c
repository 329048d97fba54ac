/* Server-sent events: whole and byte by byte must give the same. */
#include "basic/macro.h"

#include "net/sse.h"

#define LINE_MAX_  64
#define EVENT_MAX_ 128
#define TEXT_MAX   (1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(Sse *s, const char *bytes, size_t size, Buffer *text) {
        const SseEvent *event;
        int r;

        while ((r = sse_read(s, &bytes, &size, &event)) > 0)
                if (event->size > EVENT_MAX_ ||
                                buffer_addf(text, "%s|%s|%zu|", event->type, event->id,
                                                event->size) < 0 ||
                                buffer_add(text, event->data, event->size) < 0)
                        abort();
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer at_once, bit_by_bit;
        _cleanup_sse_ Sse a, b;
        int r, q = 0;

        buffer_init(&at_once, TEXT_MAX);
        buffer_init(&bit_by_bit, TEXT_MAX);
        sse_init(&a, LINE_MAX_, EVENT_MAX_);
        sse_init(&b, LINE_MAX_, EVENT_MAX_);

        r = feed(&a, (const char *) data, size, &at_once);
        for (size_t i = 0; i < size && q == 0; i++)
                q = feed(&b, (const char *) data + i, 1, &bit_by_bit);

        if (r != q || at_once.size != bit_by_bit.size ||
                        (at_once.size > 0 &&
                                        memcmp(at_once.data, bit_by_bit.data, at_once.size) != 0))
                abort();
        return 0;
}
