#pragma once
/* Choose: whom to buy from. Pure: offers as they were announced, our own record of each provider,
 * and the order's wishes go in; the best offer comes out.
 *
 * The least of price × time × failures wins, where price is the dearer of what was announced and
 * what was paid, and who is not known is neither good nor bad. Announcing costs nothing, so an
 * announcement alone makes nobody the last hope: after the first try those come first who have
 * delivered before. Failures weigh less by the hour; who has failed several times in a row is not
 * asked until they have faded. */
#include "basic/config.h"
#include "basic/map.h"
#include "nostr/nip89.h"

#define RECORDS_MAX 4096

/* How it went with one provider. Weights are thousandths. */
typedef struct Record {
        char pubkey_hex[HEX32_MAX];
        int64_t good, bad; /* faded as of `at` */
        int64_t trouble;   /* failures since the last success, which fade fast */
        int64_t at;        /* seconds */
        int64_t took_msec; /* a mean; -1: not known */
        int64_t cost_msat; /* the same */
        bool proven;       /* delivered at least once */
} Record;

typedef struct Records {
        Map by_pubkey;
} Records;

void records_init(Records *r);
void records_done(Records *r);
const Record *records_get(const Records *r, const char *pubkey_hex); /* NULL: not known */

typedef struct RecordNote {
        const char *pubkey_hex;
        bool good;
        int64_t at, took_msec, cost_msat; /* -1: not known */
} RecordNote;
/* In the order in which it happened. Where there is no room the one that is not known stays so. */
int records_note(Records *r, const RecordNote *n);
bool record_is_banned(const Record *r, int64_t now);

typedef struct Wishes {
        Network network;
        int64_t now;
        const char *model;          /* "": any */
        int64_t max_msat;           /* -1: any price */
        const char *const *allowed; /* public keys as hex, ends with NULL; NULL or none: anybody */
        const char *const *tried;   /* the same, of those who had their try */
        bool again;                 /* not the first try: proven ones first */
} Wishes;

/* NULL: nobody fits. *ret_reason says why not, for people. */
const Offer *choose(const Offer *offers, size_t n, const Records *records, const Wishes *w,
                const char **ret_reason);
