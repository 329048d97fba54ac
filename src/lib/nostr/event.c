#include "nostr/event.h"

#include "basic/text.h"
#include "nostr/event-private.h"

static void event_free(Event *e) {
        free(e);
}

DEFINE_REF_UNREF(Event, event)

const uint8_t *event_id(const Event *e) {
        return e->id;
}

const char *event_id_hex(const Event *e) {
        return e->id_hex;
}

const uint8_t *event_pubkey(const Event *e) {
        return e->pubkey;
}

const char *event_pubkey_hex(const Event *e) {
        return e->pubkey_hex;
}

int64_t event_created_at(const Event *e) {
        return e->created_at;
}

uint16_t event_kind(const Event *e) {
        return e->kind;
}

const char *event_content(const Event *e, size_t *ret_size) {
        if (ret_size)
                *ret_size = e->content_size;
        return e->content;
}

size_t event_n_tags(const Event *e) {
        return e->n_tags;
}

const Tag *event_tag(const Event *e, size_t i) {
        return i < e->n_tags ? e->tags + i : NULL;
}

const char *event_json(const Event *e, size_t *ret_size) {
        if (ret_size)
                *ret_size = e->json_size;
        return e->json;
}

const Tag *event_find_tag(const Event *e, const char *name, const Tag *after) {
        for (const Tag *t = after ? after + 1 : e->tags; t < e->tags + e->n_tags; t++)
                if (streq(t->values[0], name))
                        return t;
        return NULL;
}

const char *event_tag_value(const Event *e, const char *name) {
        const Tag *t = NULL;

        while ((t = event_find_tag(e, name, t)))
                if (t->n >= 2)
                        return t->values[1];
        return NULL;
}

bool event_has_tag(const Event *e, const char *name, const char *value) {
        const Tag *t = NULL;

        while ((t = event_find_tag(e, name, t)))
                if (t->n >= 2 && streq(t->values[1], value))
                        return true;
        return false;
}

/* NIP-01, "Kinds". What it does not list is kept like a regular event. */
KindClass kind_class(uint16_t kind) {
        if (kind == 0 || kind == 3 || (kind >= 10000 && kind < 20000))
                return KIND_REPLACEABLE;
        if (kind >= 20000 && kind < 30000)
                return KIND_EPHEMERAL;
        if (kind >= 30000 && kind < 40000)
                return KIND_ADDRESSABLE;
        return KIND_REGULAR;
}

int64_t event_expiration(const Event *e) {
        const char *value = event_tag_value(e, "expiration");
        int64_t t;

        return value && parse_i64(value, &t) >= 0 ? t : INT64_MAX;
}
