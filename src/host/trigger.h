#pragma once
/* Trigger: whether an event concerns an agent, and as what. Pure; nothing here believes what it
 * cannot check: who signed a zap's receipt the caller has to compare. */
#include "nostr/event.h"
#include "nostr/rumor.h"
#include "settings.h"

#define TRIGGER_KEYS_MAX EVENT_TAGS_MAX /* that one event may name */

typedef struct TriggerView {
        const uint8_t *pubkey;
        const char *pubkey_hex;
        const AgentSettings *settings;
        Network network;
        const uint8_t (*muted)[32];
        size_t n_muted;
} TriggerView;

typedef enum TriggerVerdict {
        TRIGGER_NOTHING, /* it does not concern the agent */
        TRIGGER_SEEN,    /* as *ret says */
        TRIGGER_SEALED,  /* a message: its text has to be decrypted first (kinds 4 and 1059) */
        _TRIGGER_VERDICT_MAX,
} TriggerVerdict;

typedef struct TriggerFound {
        const char *what;       /* mention reply dm zap keyword */
        char author[HEX32_MAX]; /* for a zap: who sent it */
        char event[HEX32_MAX];  /* what it answers or zaps; "" */
        char *text;             /* owned */
        int64_t msat, at;
        char server[HEX32_MAX]; /* who signed the receipt of a zap, which must be checked; "" */
        char hash[HEX32_MAX];   /* of its payment, which counts once; "" */
} TriggerFound;
void trigger_found_done(TriggerFound *f);

/* named: the event names the agent in a "p". */
int trigger_read(Event *e, bool named, const TriggerView *v, TriggerFound *ret,
                TriggerVerdict *ret_verdict);
/* A message that was opened. author: of a kind 4, its event's; of a rumor, the rumor's. */
int trigger_read_dm(const char *author_hex, const char *text, int64_t at, const TriggerView *v,
                TriggerFound *ret, TriggerVerdict *ret_verdict);
int trigger_read_rumor(const Rumor *r, const TriggerView *v, TriggerFound *ret,
                TriggerVerdict *ret_verdict);
/* A word of the agent's, or a hashtag with its "#", is in the note. */
bool trigger_has_keyword(const Event *e, char *const *keywords);
