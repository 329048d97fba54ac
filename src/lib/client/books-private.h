#pragma once
/* What the two files of the books' client share. */
#include "bus/client.h"
#include "client/books-client.h"

typedef struct BooksBatch BooksBatch;

/* Whom to answer, and how. */
typedef struct BooksAsker {
        union {
                books_verdict_t verdict;
                books_invoices_t invoices;
                books_text_t text;
                books_intents_t intents;
                books_grants_t grants;
                books_balances_t balances;
                books_lines_t lines;
        } done;
        void *userdata;
        BooksCall **ret;
} BooksAsker;

/* One caller's question: a row of a batch, or a call of its own. */
struct BooksCall {
        BooksClient *client;
        BooksBatch *batch; /* NULL: a call of its own */
        BusCall *bus;
        BooksAsker asker; /* without a function: nobody wants to know any more */
        BooksCall *prev, *next;
};

int books_call_new(BooksClient *c, BooksBatch *batch, const BooksAsker *asker, BooksCall **ret);
/* Takes the call out of the client; what is to be called is left. */
BooksAsker books_call_end(BooksCall *call);
void books_client_send(BooksClient *c); /* the rows that wait */
BusClient *books_client_bus(BooksClient *c);
