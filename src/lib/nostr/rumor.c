/* A rumor is laid out as an event without signature; event-parse.c reads both. */
#include "nostr/rumor.h"

#include "nostr/event-private.h"

struct Rumor {
        Event event;
};

int rumor_parse(const char *json, size_t size, Rumor **ret, const char **reterr) {
        Event *e;
        int r;

        r = event_parse_unsigned(json, size, &e, reterr);
        if (r >= 0)
                *ret = container_of(e, Rumor, event);
        return r;
}

int rumor_new(const Draft *d, const uint8_t pubkey[static 32], Rumor **ret) {
        _cleanup_buffer_ Buffer b = { .max = 3 * EVENT_SIZE_MAX };
        const char *reason;
        int r;

        r = draft_write_unsigned(d, pubkey, &b);
        return r < 0 ? r : rumor_parse(b.data, b.size, ret, &reason);
}

Rumor *rumor_ref(Rumor *r) {
        if (r)
                (void) event_ref(&r->event);
        return r;
}

Rumor *rumor_unref(Rumor *r) {
        if (r)
                (void) event_unref(&r->event);
        return NULL;
}

const char *rumor_id_hex(const Rumor *r) {
        return event_id_hex(&r->event);
}

const uint8_t *rumor_pubkey(const Rumor *r) {
        return event_pubkey(&r->event);
}

const char *rumor_pubkey_hex(const Rumor *r) {
        return event_pubkey_hex(&r->event);
}

int64_t rumor_created_at(const Rumor *r) {
        return event_created_at(&r->event);
}

uint16_t rumor_kind(const Rumor *r) {
        return event_kind(&r->event);
}

const char *rumor_content(const Rumor *r, size_t *ret_size) {
        return event_content(&r->event, ret_size);
}

size_t rumor_n_tags(const Rumor *r) {
        return event_n_tags(&r->event);
}

const Tag *rumor_tag(const Rumor *r, size_t i) {
        return event_tag(&r->event, i);
}

const char *rumor_json(const Rumor *r, size_t *ret_size) {
        return event_json(&r->event, ret_size);
}

const char *rumor_tag_value(const Rumor *r, const char *name) {
        return event_tag_value(&r->event, name);
}

const Tag *rumor_find_tag(const Rumor *r, const char *name, const Tag *after) {
        return event_find_tag(&r->event, name, after);
}
