#pragma once
/* Requests for tests, from the text of their tags. */
#include "tests/unit/unit.h"

#include "basic/json.h"
#include "nostr/nip90.h"

/* `tags` as they are inside of the event's array: "[\"i\",\"Hi\",\"text\"]". Time 1000. */
static inline _unused_ JobRequest *request_new(
                uint16_t kind, const char *tags, const char *content) {
        static const uint8_t zeros[32], secret[32] = { [31] = 5 };
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_buffer_ Buffer b = { .max = 4 << 20 };
        const char *reason = "";
        JobRequest *r = NULL;

        assert_int_equal(
                        buffer_addf(&b, "{\"kind\":%u,\"created_at\":1000,\"tags\":[%s],\"content\":",
                                        kind, tags),
                        0);
        assert_int_equal(json_write_string(&b, content, strlen(content)), 0);
        assert_int_equal(buffer_add_string(&b, "}"), 0);
        assert_int_equal(draft_parse(b.data, b.size, &d, &reason), 0);
        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        assert_int_equal(job_request_parse(e, &r, &reason), 0);
        return r;
}
