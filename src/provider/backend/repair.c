#include "repair.h"

#include "basic/text.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* How many bytes a character would have that begins so; 0: none does. */
static size_t wanted(uint8_t first) {
        if (first == 0)
                return 0;
        if (first < 0x80)
                return 1;
        if (first >= 0xc2 && first < 0xe0)
                return 2;
        if (first >= 0xe0 && first < 0xf0)
                return 3;
        return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* The tail is a character, will never be one, or wants more. */
static int settle(Repair *r, Buffer *to) {
        while (r->n > 0) {
                size_t n = wanted((uint8_t) r->tail[0]);
                int q;

                if (n > r->n) {
                        bool may_become = true;

                        for (size_t i = 1; i < r->n; i++)
                                may_become &= ((uint8_t) r->tail[i] & 0xc0) == 0x80;
                        if (may_become)
                                return 0;
                        n = 0;
                }
                if (n > 0 && utf8_is_valid(r->tail, n))
                        q = buffer_add(to, r->tail, n);
                else {
                        q = buffer_add_string(to, REPLACEMENT);
                        n = 1;
                }
                if (q < 0)
                        return q;
                r->n -= n;
                memmove(r->tail, r->tail + n, r->n);
        }
        return 0;
}

int repair_add(Repair *r, const char *bytes, size_t size, Buffer *to) {
        int q;

        if (r->n == 0 && !memchr(bytes, 0, size) && utf8_is_valid(bytes, size))
                return buffer_add(to, bytes, size);
        for (size_t i = 0; i < size; i++) {
                r->tail[r->n++] = bytes[i];
                q = settle(r, to);
                if (q < 0)
                        return q;
        }
        return 0;
}

int repair_end(Repair *r, Buffer *to) {
        int q = 0;

        if (r->n > 0)
                q = buffer_add_string(to, REPLACEMENT);
        r->n = 0;
        return q;
}
