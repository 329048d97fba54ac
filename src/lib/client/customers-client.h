#pragma once
/* CustomersClient: what the provider has the store remember of its customers, by the connection of
 * its StoreClient. */
#include "bus/client.h"
#include "client/store-client.h"

#define CUSTOMERS_FREE   "free"   /* had a free job */
#define CUSTOMERS_UNPAID "unpaid" /* let the invoice of a result expire */
#define CUSTOMERS_MAX    65536
#define CUSTOMERS_DAYS   90 /* for which "unpaid" is kept; of "free" this day's only */

/* Nobody waits for it: it is on disk no later than what is written down after it. The same job's
 * same note counts once. job, customer: 64 hex digits; day: since 1970. */
int customers_note(StoreClient *c, const char *what, const char *job, const char *customer,
                int64_t day);

/* Each customer with notes since that day, and how many. */
typedef int (*customers_row_t)(const char *customer, int64_t n, void *userdata);
typedef void (*customers_done_t)(int error, const char *reason, void *userdata);
typedef struct CustomersCall CustomersCall;
/* As in store-client.h: done comes exactly once, never before this has returned, never after
 * customers_call_free(). */
int customers_read(StoreClient *c, const char *what, int64_t since_day, customers_row_t row,
                customers_done_t done, void *userdata, CustomersCall **ret);
CustomersCall *customers_call_free(CustomersCall *call);
