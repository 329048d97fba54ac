/* A relay's URL as a stranger's event may hold it: the normal form is a fixed point. */
#include "basic/macro.h"

#include "nostr/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_(url_freep) Url *u = NULL, *again = NULL;
        const char *reason = NULL;

        if (!text || url_parse(text, &u, &reason) < 0)
                return 0;

        if (url_parse(u->text, &again, &reason) < 0 || !streq(again->text, u->text) ||
                        again->port != u->port || !streq(again->host, u->host))
                abort();
        return 0;
}
