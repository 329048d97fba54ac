#pragma once
/* Input: what a request gives us to work on, as far as that can be judged without fetching it.
 * Pure: refused here, it is refused before anybody has paid. */
#include "nostr/nip90.h"

#define INPUT_RELAYS_MAX 4

typedef struct InputRules {
        bool urls, http, private; /* URLs are fetched; without encryption, too; from our networks */
} InputRules;

/* An event, by its id or its address. */
typedef struct InputEvent {
        char id_hex[HEX32_MAX]; /* "": see the address */
        char author_hex[HEX32_MAX];
        uint32_t kind;
        char *identifier;
        char **relays; /* hints, as they were written */
} InputEvent;

/* -EBADMSG: the reason is a sentence for the customer. */
int input_check(const JobInput *i, const InputRules *rules, const char **reterr);

/* Of an event or a job: hex, or NIP-19 and NIP-21, which do not belong there but occur. -EBADMSG.
 */
int input_event_read(const JobInput *i, InputEvent *ret, const char **reterr);
void input_event_done(InputEvent *e);
/* A filter that finds it. */
int input_event_filter(const InputEvent *e, char **ret);
