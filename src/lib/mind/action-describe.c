/* Words of strangers and models on one line of a person's terminal. */
#include "basic/text.h"
#include "mind/action-private.h"
#include "mind/foreign.h"
#include "nostr/nip19.h"

#define SHOWN_MAX 240 /* bytes of a text */

#define MARK      "\xef\xbf\xbd" /* U+FFFD, in the place of what is not shown */

static int add_shown(Buffer *b, const char *s, size_t size) {
        const char *end = s + size;
        int r = 0;

        while (s < end && r >= 0) {
                size_t n = foreign_unshown(s);

                if (n == 0)
                        r = buffer_add(b, s++, 1);
                else
                        r = buffer_add_string(b, strchr("\n\r\t", *s) ? " " : MARK);
                s += n;
        }
        return r;
}

int describe_quote(Buffer *b, const char *text) {
        size_t size = strlen(text), shown = utf8_prefix(text, size, SHOWN_MAX);
        int r;

        r = buffer_add_string(b, "\"");
        if (r >= 0)
                r = add_shown(b, text, shown);
        if (r >= 0)
                r = buffer_add_string(b, shown < size ? "…\"" : "\"");
        if (r >= 0 && shown < size)
                r = buffer_addf(b, _(" (%zu bytes in all)"), size);
        return r;
}

int describe_to(Buffer *b, const Action *a) {
        Nip19 n = { .type = a->to_is == ACTION_TO_EVENT ? NIP19_NOTE : NIP19_NPUB };
        _cleanup_free_ char *text = NULL;
        int r;

        if (a->to_is == ACTION_TO_EITHER)
                return buffer_add_string(b, a->to);
        r = hex_decode(a->to, n.key, sizeof(n.key));
        if (r >= 0)
                r = nip19_encode(&n, &text);
        return r < 0 ? r : buffer_add_string(b, text);
}
