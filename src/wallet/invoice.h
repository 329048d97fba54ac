#pragma once
/* Invoice: money that is asked for. Made by the backend, written into the books before anybody
 * hears of it, watched until it is paid or can be no more; what the watch or a look says is booked
 * before it is told. */
#include <systemd/sd-event.h>

#include "basic/codec.h"
#include "client/books-client.h"
#include "driver.h"

typedef struct Wallet Wallet;
typedef struct Invoice Invoice;
typedef struct Making Making;   /* one that is being made */
typedef struct Booking Booking; /* one that is being booked */

struct Invoice {
        Wallet *wallet;
        char hash[HEX32_MAX];
        char *bolt11, *account, *job, *stage;
        char *key; /* of the map of jobs: JOB/STAGE; NULL: for no job */
        int64_t amount_msat, expires_at;
        bool open; /* in the wallet's map */
        unsigned looks;
        sd_event_source *timer;
        DriverOp *op;
        BooksCall *call;
};

/* From a row of the books. */
int invoice_adopt(Wallet *w, const BooksInvoice *row, unsigned place);
Invoice *invoice_free(Invoice *i);
DEFINE_CLEANUP(Invoice, invoice_free)
Invoice *invoice_find(Wallet *w, const char *hash);
Invoice *invoice_find_job(Wallet *w, const char *job, const char *stage);

typedef struct InvoiceOrder {
        const char *account, *job, *stage, *description; /* job "": none */
        int64_t amount_msat;
        uint32_t expiry_s;
        const uint8_t *description_hash; /* NULL: the description itself */
} InvoiceOrder;

/* Exactly once, never before invoice_make() has returned. error < 0: the reason fits after a comma;
 * -EISCONN: this job's is paid already. */
typedef void (*invoice_made_t)(
                int error, const char *reason, const Invoice *invoice, void *userdata);
int invoice_make(Wallet *w, const InvoiceOrder *order, invoice_made_t made, void *userdata,
                Making **ret);
Making *making_free(Making *m);
DEFINE_CLEANUP(Making, making_free)

/* What the driver says to be settled. cursor: "" or where its watch goes on. */
int invoice_book(Wallet *w, const DriverInvoice *settled, const char *cursor);
Booking *booking_free(Booking *b);
/* One that is in the books as paid, and was never open here: whoever waits for it is told. */
int invoice_paid_elsewhere(
                Wallet *w, const BooksInvoice *row, int64_t received_msat, int64_t settled_at);
/* It was paid inside, and is in the books as that. */
void invoice_paid_inside(Invoice *i);
