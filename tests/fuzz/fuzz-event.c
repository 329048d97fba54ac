/* Events: our scanner against json-c. What we take, json-c must take and understand in the same
 * way; what we write, we must read again as the same. */
#include "basic/json.h"
#include "nostr/event.h"

static void must(bool right) {
        if (!right)
                abort();
}

static void same_string(const Json *j, const char *s, size_t size) {
        const char *other;
        size_t n;

        must(json_bytes(j, &other, &n) >= 0);
        must(n == size && memcmp(other, s, n) == 0);
}

static void same_tags(const Json *tags, const Event *e) {
        must(json_array_size(tags) == event_n_tags(e));
        for (size_t i = 0; i < event_n_tags(e); i++) {
                const Tag *t = event_tag(e, i);
                const Json *j = json_array_at(tags, i);

                must(json_array_size(j) == t->n);
                for (size_t n = 0; n < t->n; n++)
                        same_string(json_array_at(j, n), t->values[n], strlen(t->values[n]));
        }
}

static void same_event(const char *text, size_t size, const Event *e) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason, *content;
        uint64_t u;
        size_t n;

        /* json_parse() refuses a name twice everywhere, we only where it matters. */
        if (json_parse(text, size, EVENT_DEPTH_MAX, SIZE_MAX, &j, &reason) < 0) {
                must(strcmp(reason, "a name is in it twice") == 0 ||
                                strcmp(reason, "a name in it holds a NUL") == 0);
                return;
        }

        same_string(json_get(j, "id"), event_id_hex(e), 64);
        same_string(json_get(j, "pubkey"), event_pubkey_hex(e), 64);
        must(json_u64(json_get(j, "kind"), UINT16_MAX, &u) >= 0 && u == event_kind(e));
        must(json_u64(json_get(j, "created_at"), INT64_MAX, &u) >= 0 &&
                        u == (uint64_t) event_created_at(e));
        content = event_content(e, &n);
        same_string(json_get(j, "content"), content, n);
        same_tags(json_get(j, "tags"), e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(event_unrefp) Event *e = NULL, *again = NULL, *verified = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *reason = NULL, *json;
        size_t n;

        if (event_parse_trusted((const char *) data, size, &e, &reason) < 0) {
                must(reason);
                return 0;
        }

        same_event((const char *) data, size, e);
        json = event_json(e, &n);
        must(event_parse_trusted(json, n, &again, &reason) >= 0);
        must(strcmp(event_json(again, NULL), json) == 0);
        same_event(json, n, again);
        must(draft_parse(json, n, &d, &reason) >= 0);
        (void) event_parse((const char *) data, size, &verified, &reason);
        return 0;
}
