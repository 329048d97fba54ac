#pragma once
/* What the two files of the wallet's client share. */
#include "bus/client.h"
#include "client/wallet-client.h"

typedef struct WalletBatch WalletBatch;

/* One caller's question: a row of a batch, or a call of its own. */
struct WalletCall {
        WalletClient *client;
        WalletBatch *batch; /* NULL: a call of its own */
        BusCall *bus;
        union {
                wallet_invoice_done_t invoice;
                wallet_job_payments_done_t payments;
                wallet_paid_done_t paid;
                wallet_done_t done;
                wallet_accounts_done_t accounts;
                wallet_lnurl_done_t lnurl;
        } done; /* NULL: nobody wants to know any more */
        void *userdata;
        WalletCall **handle, *prev, *next;
};

BusClient *wallet_client_bus(WalletClient *c);
int wallet_append_names(sd_bus_message *m, const char *const *names, size_t n);

/* batch NULL: a call of its own. */
int wallet_call_new(WalletClient *c, WalletBatch *batch, void *userdata, WalletCall **ret);
int wallet_call_send(WalletCall *call, sd_bus_message *m, bus_reply_t on_reply, WalletCall **ret);
/* It is over: its place is free, and what is to be called is left. */
WalletCall wallet_call_end(WalletCall *call);
/* The error as whoever asks for it has it: by the D-Bus name. */
int wallet_error(int error, const char *name);
