#pragma once
/* Purse: pylon-wallet as its callers see it: the wallet, and who waits for what. */
#include "bus/service.h"
#include "nwc-service.h"
#include "wallet.h"

#define PURSE_DEFERRED_MAX  256
#define PURSE_UNNOTED_MAX   100000
#define PURSE_LISTENERS_MAX 8

/* A settlement that the service whose job it is has not noted yet. */
typedef struct Unnoted Unnoted;
struct Unnoted {
        char *job, *stage;
        int64_t received_msat, settled_at;
        bool told; /* to everybody who listens now */
        Unnoted *next;
};

typedef struct Purse {
        Service *service;
        Wallet *wallet;
        NwcService *nwc;                              /* other programs' wallet */
        sd_bus_message *deferred[PURSE_DEFERRED_MAX]; /* came before the wallet was ready */
        size_t n_deferred;
        sd_bus *listeners[PURSE_LISTENERS_MAX]; /* who wants to hear of settlements */
        size_t n_listeners;
        Unnoted *unnoted;
        size_t n_unnoted;
        sd_event_source *tell, *status;
        size_t n_calls; /* that wait for an answer */
        struct {
                char *address, *lnurl;
                uint8_t key[32]; /* who signs its receipts */
                usec_t until;    /* CLOCK_BOOTTIME; it is asked again then */
        } zap_server;
} Purse;

int purse_new(Service *s, Purse **ret);
Purse *purse_free(Purse *p);
DEFINE_CLEANUP(Purse, purse_free)
/* The settings have been read again. Where the wallet is another one by them the service leaves,
 * and comes back by its socket: what is under way is looked up by the next one. */
void purse_reload(Purse *p, const Config *old);
bool purse_is_busy(const Purse *p);
void purse_gone(Purse *p, sd_bus *bus);

/* For the interfaces. 1: go on. 0: the wallet is still starting, and the handler is called again.
 * Negative: the error says why it cannot be. */
int purse_wait_ready(Purse *p, sd_bus_message *m, sd_bus_error *error);
void purse_listen(Purse *p, sd_bus *bus);
void purse_noted(Purse *p, const char *job);

extern const BusObject wallet_objects[]; /* their userdata is the Purse */
extern const sd_bus_vtable wallet_service_vtable[];
