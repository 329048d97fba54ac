#pragma once
/* Reply: a call on the bus that waits for one answer of the books, the driver or a server. */
#include "purse.h"

typedef struct Reply {
        Purse *purse;
        sd_bus_message *message;
        BooksCall *call;
        DriverOp *op;
        Making *making;
        LnurlCall *lnurl;
        char hash[HEX32_MAX];
        char note[BOOKS_NAME_MAX + 1];
        bool settled;
        unsigned n_tries;
        sd_event_source *timer;
} Reply;

int reply_new(Purse *p, sd_bus_message *m, Reply **ret);
Reply *reply_free(Reply *reply);
DEFINE_CLEANUP(Reply, reply_free)
/* What a handler returns after it asked; frees the reply where asking did not work. */
int reply_asked(Reply *reply, int r);
void reply_error(Reply *reply, int error, const char *reason);
void reply_send(Reply *reply, int r, sd_bus_message *m);
/* The end of a call whose answer is a verdict and nothing else; a books_verdict_t. */
void reply_verdict(int verdict, const char *text, void *userdata);
