#pragma once
/* Rumor: NIP-59's event that nobody signed. Its id was computed again, so it is what it says it is;
 * who wrote it says only the seal around it. A type of its own, so that it is never taken for an
 * Event. Immutable and counted. */
#include "nostr/event.h"

typedef struct Rumor Rumor;

/* -EBADMSG with a reason: form, id, or a signature in it; -E2BIG; -ENOMEM. */
int rumor_parse(const char *json, size_t size, Rumor **ret, const char **reterr);
/* What this author would say. -E2BIG, -EBADMSG: no event could hold it; -ENOMEM. */
int rumor_new(const Draft *d, const uint8_t pubkey[static 32], Rumor **ret);
Rumor *rumor_ref(Rumor *r);
Rumor *rumor_unref(Rumor *r);
DEFINE_CLEANUP(Rumor, rumor_unref)

/* As event_…() of event.h. */
const char *rumor_id_hex(const Rumor *r);
const uint8_t *rumor_pubkey(const Rumor *r);
const char *rumor_pubkey_hex(const Rumor *r);
int64_t rumor_created_at(const Rumor *r);
uint16_t rumor_kind(const Rumor *r);
const char *rumor_content(const Rumor *r, size_t *ret_size);
size_t rumor_n_tags(const Rumor *r);
const Tag *rumor_tag(const Rumor *r, size_t i);
const char *rumor_json(const Rumor *r, size_t *ret_size);
const char *rumor_tag_value(const Rumor *r, const char *name);
const Tag *rumor_find_tag(const Rumor *r, const char *name, const Tag *after);
