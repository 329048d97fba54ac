#pragma once
/* Books: the ledger and the tables around it, as one. What moves money without an invoice is here
 * too. Every changing call belongs between sql_request_begin() and _ok(). */
#include "basic/buffer.h"
#include "table-payment.h"

typedef struct Books {
        Ledger *ledger;
        JobMoney *money;
        InvoiceTable *invoices;
        GrantTable *grants;
        PaymentTable *payments;
        Outcome outcome;          /* of the row that is being answered */
        bool urgent;              /* one of the rows is: its commit is waited for */
        SqlStatement *checks[12]; /* made when they are first asked; books-verify.c */
} Books;

int books_new(Sql *db, Books **ret);
Books *books_free(Books *b);
DEFINE_CLEANUP(Books, books_free)

typedef struct Transfer {
        const char *id;
        const char *from, *to; /* of a deposit: the driver, and the account */
        const char *text;
        int64_t msat;
} Transfer;

int book_transfer(Books *b, const Transfer *x, Outcome *ret);
int book_deposit(Books *b, const Transfer *x, Outcome *ret);
int book_unfreeze(Books *b, const char *account, Outcome *ret);

/* Each invariant, with what is wrong where it does not hold. */
typedef int (*book_check_t)(const char *check, bool ok, const char *detail, void *userdata);
int book_verify_one(Books *b, size_t i, book_check_t check, void *userdata); /* 0: there is none */
int book_verify(Books *b, book_check_t check, void *userdata);
/* What a driver says it holds, against wallet:DRIVER and what is on the way. */
int book_verify_driver(
                Books *b, const char *driver, int64_t msat, book_check_t check, void *userdata);
