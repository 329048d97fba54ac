/* cli/agent-parcel: a file that claims to be an agent. What its first line wants is only worked for
 * where that takes a moment. */
#include <stdio.h>

#include "agent-parcel.h"
#include "basic/text.h"

#define ROUNDS_TRIED 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_quick(const char *text) {
        const char *at = startswith(text, "pylon-agent 1 pbkdf2-sha512 ");
        char number[16];
        uint32_t rounds;

        if (!at)
                return true;
        (void) snprintf(number, sizeof(number), "%.*s", (int) MIN(strcspn(at, " "), (size_t) 15),
                        at);
        return parse_u32(number, &rounds) < 0 || rounds <= ROUNDS_TRIED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(secret_freep) Secret *passphrase = NULL, *body = NULL;
        _cleanup_free_ char *text = strndup((const char *) data, size);
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        const char *reason = NULL;
        int r;

        if (!text || !is_quick(text) || secret_copy("passphrase", 10, &passphrase) < 0)
                return 0;
        r = parcel_keys_of(text, passphrase, &k, &reason);
        assert(r >= 0 || r == -ENOMEM || reason);
        if (r >= 0)
                r = parcel_read(&k, text, &body, &reason);
        assert(r >= 0 || r == -ENOMEM || reason);
        return 0;
}
