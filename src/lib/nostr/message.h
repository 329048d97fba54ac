#pragma once
/* Message: one line of the conversation with a relay (NIP-01, NIP-42, NIP-45), read in both
 * directions and written. Elements behind those we know are ignored. */
#include "nostr/filter.h"

#define MESSAGE_SIZE_MAX         (EVENT_SIZE_MAX + 4096)
#define MESSAGE_SUBSCRIPTION_MAX 64
#define MESSAGE_TEXT_MAX         1024
#define MESSAGE_FILTERS_MAX      32

typedef enum MessageType {
        MESSAGE_EVENT,  /* both: json; from a relay also subscription */
        MESSAGE_AUTH,   /* from a client: json; from a relay: text is the challenge */
        MESSAGE_REQ,    /* from a client: subscription, filters */
        MESSAGE_CLOSE,  /* from a client: subscription */
        MESSAGE_COUNT,  /* from a client: subscription, filters; from a relay: count */
        MESSAGE_OK,     /* from a relay: id, accepted, text */
        MESSAGE_EOSE,   /* from a relay: subscription */
        MESSAGE_CLOSED, /* from a relay: subscription, text */
        MESSAGE_NOTICE, /* from a relay: text */
        _MESSAGE_TYPE_MAX,
} MessageType;

typedef struct MessagePart {
        const char *text; /* borrowed from the message */
        size_t size;
} MessagePart;

typedef struct Message {
        MessageType type;
        char subscription[MESSAGE_SUBSCRIPTION_MAX + 1];
        char text[MESSAGE_TEXT_MAX + 1]; /* cut off where it was longer */
        char id[HEX32_MAX];
        bool accepted;
        uint64_t count;
        MessagePart json; /* JSON that nobody has looked into yet */
        MessagePart filters[MESSAGE_FILTERS_MAX];
        size_t n_filters;
} Message;

/* -EBADMSG with a reason; -EOPNOTSUPP: well formed, of a type we do not know; -E2BIG. */
int message_parse_from_client(const char *text, size_t size, Message *ret, const char **reterr);
int message_parse_from_relay(const char *text, size_t size, Message *ret, const char **reterr);

/* Written behind what the buffer holds. */
int message_write_event(Buffer *b, const char *subscription, const char *json, size_t size);
int message_write_auth(Buffer *b, const char *json, size_t size);
int message_write_req(Buffer *b, const char *subscription, const char *const *filters, size_t n);
int message_write_close(Buffer *b, const char *subscription);
int message_write_challenge(Buffer *b, const char *challenge);
int message_write_ok(Buffer *b, const char *id, bool accepted, const char *text);
int message_write_eose(Buffer *b, const char *subscription);
int message_write_closed(Buffer *b, const char *subscription, const char *text);
int message_write_notice(Buffer *b, const char *text);
int message_write_count(Buffer *b, const char *subscription, uint64_t count);
