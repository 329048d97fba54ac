#pragma once
/* Announcing: the provider's NIP-89 event, published when it goes online and withdrawn when it goes
 * offline. */
#include "client/relay-client.h"
#include "client/signer-client.h"
#include "nostr/nip89.h"

typedef struct Announcer {
        SignerClient *signer;
        RelayClient *relay;
        SignerCall *call;
        RelayPublish *publish;
        void (*withdrawn)(void *userdata);
        void *userdata;
        int64_t last_at; /* each version is younger than the one before, also within a second */
        bool out;        /* others believe that we are there */
} Announcer;

/* What is announced replaces what was; nothing waits for it. */
void announcer_announce(Announcer *a, const Announcement *what, int64_t now);
/* withdrawn() is called once: when it is on its way, or could not be, or there was nothing. Not
 * from within this function. False: there was nothing, and it is not called. */
bool announcer_withdraw(Announcer *a, const Announcement *what, const char *pubkey_hex, int64_t now,
                void (*withdrawn)(void *userdata), void *userdata);
void announcer_done(Announcer *a);
