#pragma once
/* NIP-17: private messages. A message is a rumor of kind 14, which goes in a gift wrap to each of
 * those it names and to its author. */
#include "nostr/rumor.h"

#define NIP17_MESSAGE_KIND   14
#define NIP17_RECIPIENTS_MAX 10 /* NIP-17: beyond that it is a group */

typedef struct PrivateMessage {
        const char *const *recipients; /* public keys as hex, without the author; NULL-terminated */
        const char *reply_to;          /* id of the message that is answered; NULL */
        const char *subject;           /* NULL */
        const char *text;
} PrivateMessage;
/* -EINVAL: no recipients, or too many. */
int private_message_draft(const PrivateMessage *m, int64_t now, Draft **ret);

/* What a rumor of kind 14 says, borrowed from it. -EBADMSG with a reason: it is no message, or not
 * one for text: a NUL is in it. */
typedef struct PrivateText {
        const char *text;
        const char *reply_to, *subject; /* NULL */
        size_t n_recipients;            /* the room is these and the author */
} PrivateText;
int private_message_read(const Rumor *r, PrivateText *ret, const char **reterr);
