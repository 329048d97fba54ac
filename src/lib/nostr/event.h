#pragma once
/* Event: NIP-01. Parsing and verifying are one step: no Event exists whose id and signature have
 * not been checked, here or by our own relay process. Immutable and counted. */
#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/secp.h"

#define EVENT_SIZE_MAX  (128 * 1024) /* the JSON text; larger is refused unread */
#define EVENT_TAGS_MAX  2048
#define EVENT_DEPTH_MAX 4

/* NIP-01 sets no limit; beyond this JavaScript cannot say the number any more. */
#define EVENT_CREATED_AT_MAX ((INT64_C(1) << 53) - 1)

typedef struct Tag {
        size_t n;                  /* at least 1 */
        const char *const *values; /* NUL-terminated; none holds a NUL inside */
} Tag;

typedef struct Event Event;

/* -EBADMSG with a reason: form, id or signature; -E2BIG: too large; -ENOMEM. Verifies. */
int event_parse(const char *json, size_t size, Event **ret, const char **reterr);
/* From our own relay or store, who verified it: form is checked, id and signature are believed. */
int event_parse_trusted(const char *json, size_t size, Event **ret, const char **reterr);

Event *event_ref(Event *e);
Event *event_unref(Event *e);
DEFINE_CLEANUP(Event, event_unref)

const uint8_t *event_id(const Event *e);     /* 32 bytes */
const char *event_id_hex(const Event *e);    /* 64 digits */
const uint8_t *event_pubkey(const Event *e); /* 32 bytes */
const char *event_pubkey_hex(const Event *e);
int64_t event_created_at(const Event *e); /* seconds */
uint16_t event_kind(const Event *e);
/* A content may hold a NUL: such events are on the network and their ids are good. ret_size may be
 * NULL for those who read text. */
const char *event_content(const Event *e, size_t *ret_size);
size_t event_n_tags(const Event *e);
const Tag *event_tag(const Event *e, size_t i);
/* The canonical JSON text of the whole event. */
const char *event_json(const Event *e, size_t *ret_size);

/* The first tag of this name with at least two values: its first value, or NULL. */
const char *event_tag_value(const Event *e, const char *name);
const Tag *event_find_tag(
                const Event *e, const char *name, const Tag *after); /* NULL: from the start */
bool event_has_tag(const Event *e, const char *name, const char *value);

typedef enum KindClass {
        KIND_REGULAR,
        KIND_REPLACEABLE,
        KIND_EPHEMERAL,
        KIND_ADDRESSABLE,
        _KIND_CLASS_MAX,
} KindClass;
KindClass kind_class(uint16_t kind);

/* NIP-40: the time in seconds, or INT64_MAX where the event does not expire. */
int64_t event_expiration(const Event *e);

/* Draft: an event before it has an id and a signature. What a service asks the signer to sign is
 * the draft's JSON: {"kind":…,"created_at":…,"tags":[…],"content":"…"}. */
typedef struct Draft Draft;
int draft_new(uint16_t kind, int64_t created_at, Draft **ret);
Draft *draft_free(Draft *d);
DEFINE_CLEANUP(Draft, draft_free)
int draft_tag(Draft *d, const char *name, ...)
                __attribute__((sentinel)); /* values, ends with NULL */
int draft_tag_strv(Draft *d, const char *const *values, size_t n);
int draft_content(Draft *d, const char *content, size_t size);
int draft_json(const Draft *d, char **ret);
int draft_parse(const char *json, size_t size, Draft **ret, const char **reterr);
/* An event that nobody has signed: as above, with its author ("" where none is named). What else is
 * in it, an id for one, is ignored. */
int draft_parse_unsigned(const char *json, size_t size, char ret_pubkey_hex[static HEX32_MAX],
                Draft **ret, const char **reterr);
uint16_t draft_kind(const Draft *d);
bool draft_has_tag(const Draft *d, const char *name);

/* NIP-01's serialisation, added to the buffer; its SHA-256 is the id. */
int draft_serialize(const Draft *d, const char *pubkey_hex, Buffer *ret);
/* The event of this author as JSON, with its id and without a signature, added to the buffer. */
int draft_write_unsigned(const Draft *d, const uint8_t pubkey[static 32], Buffer *ret);
/* The id an event of this author would have: SHA-256 of NIP-01's serialisation. */
int draft_id(const Draft *d, const uint8_t pubkey[static 32], uint8_t ret[static 32]);
/* Serialises, hashes and signs. Only the signer calls this, and tests. */
int draft_sign(const Draft *d, const Keypair *k, const uint8_t random[static 32], Event **ret);
