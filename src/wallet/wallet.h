#pragma once
/* Wallet: the one purse. It holds the driver, what is on its way in and out, and asks the books in
 * the store for everything that has to last. Who may ask for what is wallet-bus.c's. */
#include "basic/map.h"
#include "client/books-client.h"
#include "driver.h"
#include "invoice.h"
#include "nwc-bill.h"
#include "payment.h"

#define WALLET_KEY        "wallet"
#define WALLET_PAYMENTS   4096
#define WALLET_INVOICES   100000
#define WALLET_REASON_MAX 320

typedef enum WalletState {
        WALLET_NONE,        /* no driver is configured */
        WALLET_REFUSED,     /* it is configured so that it cannot be used, until a person acts */
        WALLET_LOADING,     /* what is open is being read from the store, the backend is asked */
        WALLET_UNREACHABLE, /* the backend does not answer; tried again */
        WALLET_READY,
        _WALLET_STATE_MAX,
} WalletState;
const char *wallet_state_name(WalletState s);

/* Called from the event loop, never from within a function of this file. */
typedef struct WalletHooks {
        void (*changed)(Wallet *w, void *userdata); /* the state */
        void (*paid)(const Invoice *i, int64_t received_msat, int64_t settled_at, void *userdata);
        void (*moved)(Payment *p, void *userdata); /* a payment has another state */
} WalletHooks;

typedef struct WalletSetup {
        const Config *config;
        const DriverClass *class; /* NULL: none */
        const char *refused;      /* NULL, or why it cannot be used: a sentence */
        Secret *secret;           /* taken over; NULL: there is none */
        const char *store_socket, *relay_socket, *signer_socket;
} WalletSetup;

struct Wallet {
        sd_event *event;
        const Config *config;
        const DriverClass *class;
        Secret *secret;
        char *store_socket, *relay_socket, *signer_socket;
        const WalletHooks *hooks;
        void *userdata;

        WalletState state;
        char reason[WALLET_REASON_MAX]; /* why not ready: a sentence; "" */
        BooksClient *books;
        Http *http, *web; /* to the backend; to strangers' servers */
        WsLoop *ws;
        NwcBills bills; /* of customers' wallets */
        Driver *driver;
        char cursor[DRIVER_CURSOR_MAX];
        bool watching, pushed; /* pushed: the driver says that its watch works */

        BooksCall *loading;
        DriverOp *asking;
        sd_event_source *retry;
        usec_t retry_usec;
        char last[BOOKS_NAME_MAX + 1]; /* of the pages that are read at the start */

        Map payments; /* by id; those that are not over */
        Map invoices; /* by hash; those that are open */
        Map jobs;     /* the same, by JOB/STAGE */
        Booking *bookings;
        Making *makings;
        size_t n_makings;
};

int wallet_new(sd_event *event, WalletSetup *setup, const WalletHooks *hooks, void *userdata,
                Wallet **ret);
Wallet *wallet_free(Wallet *w);
DEFINE_CLEANUP(Wallet, wallet_free)

bool wallet_is_busy(const Wallet *w);
int64_t wallet_now(const Wallet *w);        /* seconds */
const char *wallet_driver(const Wallet *w); /* its name; "none" */
/* May it be asked now? Else a sentence, and *ret_name is the D-Bus error. NULL: yes. */
const char *wallet_trouble(const Wallet *w, const char **ret_name);
/* Refuses other networks; the texts fit after a comma. */
const char *wallet_network_fault(const Wallet *w, Network n);
