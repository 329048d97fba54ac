#pragma once
/* Announcing: one NIP-89 event for each kind of work, published when the provider goes online or
 * what is said of the kind changes, and withdrawn when it goes offline. What others believe is on
 * disk before they hear it, so that it is withdrawn even after a crash. */
#include "client/relay-client.h"
#include "client/signer-client.h"
#include "client/store-client.h"
#include "nostr/nip89.h"

#define ANNOUNCER_KINDS_MAX 128
#define ANNOUNCER_SETTING   "provider.announced" /* "TIME KIND KIND …" in the store */

typedef struct Announcer {
        StoreClient *store;
        SignerClient *signer;
        RelayClient *relay;
        bool loaded;
        int64_t last_at; /* each version is younger than the one before, also within a second */
        struct {
                uint16_t kind;
                char *said;         /* last, in this life; NULL: nothing */
        } out[ANNOUNCER_KINDS_MAX]; /* what others believe that we do */
        size_t n_out;

        Draft *drafts[2 * ANNOUNCER_KINDS_MAX + 1]; /* on their way to the signer */
        size_t n_drafts;
        StoreCall *store_call;
        SignerCall *call;
        RelayPublish *publish;
        void (*loaded_cb)(int error, const char *reason, void *userdata);
        void (*withdrawn)(void *userdata); /* NULL: the drafts are announcements */
        void *userdata;
} Announcer;

/* What an earlier life has announced; once, before everything else. */
int announcer_load(Announcer *a, void (*done)(int error, const char *reason, void *userdata),
                void *userdata);
/* All there is: each with one kind, whose identifier is "pylon-KIND". What others know already is
 * not said again unless `again`; what is not there any more is withdrawn. Nothing waits for it. */
void announcer_announce(Announcer *a, const Announcement *list, size_t n, const char *pubkey_hex,
                int64_t now, bool again);
/* withdrawn() is called once: when it is on its way, or could not be. Not from within this
 * function. False: there was nothing, and it is not called. */
bool announcer_withdraw(Announcer *a, const char *pubkey_hex, int64_t now,
                void (*withdrawn)(void *userdata), void *userdata);
void announcer_done(Announcer *a);
