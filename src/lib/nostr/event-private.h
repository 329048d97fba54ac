#pragma once
/* What an Event looks like inside, for event.c, event-parse.c and rumor.c only. Everything it
 * points to lies behind it in the same piece of memory. */
#include "nostr/event.h"

struct Event {
        unsigned n_ref;
        uint16_t kind;
        int64_t created_at;
        uint8_t id[32], pubkey[32], signature[64];
        char id_hex[65], pubkey_hex[65], signature_hex[129];
        size_t n_tags, content_size, json_size;
        const char *content, *json;
        Tag *tags;
};

/* An event without signature whose id is right: what a Rumor is made of. */
int event_parse_unsigned(const char *json, size_t size, Event **ret, const char **reterr);
