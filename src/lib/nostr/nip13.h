#pragma once
/* NIP-13: proof of work. The difficulty of an event is how many zero bits its id begins with; its
 * nonce tag says how many were aimed at, so that luck does not count. */
#include "nostr/event.h"

#define NIP13_BITS_MAX 256

unsigned nip13_difficulty(const uint8_t id[static 32]);
/* Enough zero bits, and as many aimed at. */
bool nip13_event_has_work(const Event *e, unsigned bits);

/* Searches a nonce for somebody's unsigned event. Everything before the nonce is hashed once; each
 * try changes the digits and hashes the rest. */
typedef struct Nip13Miner Nip13Miner;

/* Adds the nonce tag to the draft. Two miners of one event start at numbers far apart.
 * -EEXIST: it has a nonce tag already. */
int nip13_miner_new(Draft *d, const char *pubkey_hex, unsigned bits, uint64_t first_nonce,
                Nip13Miner **ret);
Nip13Miner *nip13_miner_free(Nip13Miner *m);
DEFINE_CLEANUP(Nip13Miner, nip13_miner_free)

/* 1: found; 0: not within so many tries; -ERANGE: there are no numbers left. */
int nip13_miner_step(Nip13Miner *m, unsigned n_tries);
/* What was found: the event as JSON, with its id and without a signature. */
int nip13_miner_event(const Nip13Miner *m, char **ret);
