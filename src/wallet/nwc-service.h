#pragma once
/* NwcService: being a NIP-47 wallet for other programs. Each connection is a grant of the books
 * ("nwc:NAME:CLIENT"), so that what it may spend, and that it may no more, is enforced where all
 * spending is. A request is known by its event's id: what came twice is answered like once. */
#include "client/relay-client.h"
#include "client/signer-client.h"
#include "nostr/nip47.h"
#include "wallet.h"

#define NWC_CONNECTIONS_MAX 64
#define NWC_NAME_MAX        32
#define NWC_GRANT           "nwc:"

typedef struct NwcService NwcService;

typedef struct NwcConnection {
        char name[NWC_NAME_MAX + 1];
        char client[HEX32_MAX];
        char grant[BOOKS_NAME_MAX + 1];
        char account[BOOKS_NAME_MAX + 1];
        bool pays;           /* there is a budget */
        unsigned n_requests; /* under way */
} NwcConnection;

int nwc_service_new(Wallet *w, NwcService **ret);
NwcService *nwc_service_free(NwcService *s);
DEFINE_CLEANUP(NwcService, nwc_service_free)

/* The wallet is ready, or a connection was made or ended: what there is is read from the books. */
void nwc_service_refresh(NwcService *s);
/* Somebody may ask at any time: the process stays. */
bool nwc_service_is_busy(const NwcService *s);

/* What the wallet tells. */
void nwc_service_paid(NwcService *s, const Invoice *i);
void nwc_service_moved(NwcService *s, const Payment *p);

/* "nwc:NAME:CLIENT"; -EINVAL: it is no connection's. */
int nwc_grant_read(const char *grant, NwcConnection *ret);
bool nwc_name_is_valid(const char *name);
const NwcConnection *nwc_service_find(const NwcService *s, const char *name); /* or NULL */
/* NULL: there is no identity yet, or the signer did not answer. */
const char *nwc_service_pubkey(const NwcService *s);
char *const *nwc_service_relays(const NwcService *s);
