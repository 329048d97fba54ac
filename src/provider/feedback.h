#pragma once
/* Feedback (kind 7000): signed and published on the side. It is not durable, nothing waits for it,
 * and where there is no room for it, it is left out. */
#include "basic/macro.h"
#include "client/relay-client.h"
#include "client/signer-client.h"
#include "nostr/nip90.h"

#define FEEDBACK_MAX 4096 /* on the way at a time */

typedef struct Feedback Feedback;
typedef struct FeedbackList {
        Feedback *first;
        size_t n;
} FeedbackList;

typedef struct FeedbackDoors {
        SignerClient *signer;
        RelayClient *relay;
        FeedbackList *list;
} FeedbackDoors;

/* relays: NULL: all that are configured. */
void feedback_send(const FeedbackDoors *d, const Draft *draft, char *const *relays);
/* Takes the draft, which has no content yet: that is this text, encrypted. */
void feedback_send_sealed(
                const FeedbackDoors *d, Draft *draft, const SignerText *text, char *const *relays);
void feedback_done(FeedbackList *l);
