/* Words of strangers and models on one line of a person's terminal. */
#include "basic/text.h"
#include "mind/action-private.h"
#include "nostr/nip19.h"

#define SHOWN_MAX 240 /* bytes of a text */

#define MARK      "\xef\xbf\xbd" /* U+FFFD, in the place of what is not shown */

/* How many bytes at s are one character that is not shown as it is: controls, what turns the
 * direction of writing, what takes no room. The joiner of emojis is shown. */
static size_t unshown(const unsigned char *s) {
        if (s[0] < 0x20 || s[0] == 0x7f)
                return 1;
        if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xd8 && s[1] == 0x9c))
                return 2;
        if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0x8b && s[2] <= 0x8f && s[2] != 0x8d)
                return 3;
        if (s[0] == 0xe2 && s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae)
                return 3;
        if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa0 && s[2] <= 0xaf)
                return 3;
        if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf)
                return 3;
        return s[0] == 0xf3 && s[1] == 0xa0 ? 4 : 0; /* tags and variations */
}

static int add_shown(Buffer *b, const char *s, size_t size) {
        const char *end = s + size;
        int r = 0;

        while (s < end && r >= 0) {
                size_t n = unshown((const unsigned char *) s);

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
