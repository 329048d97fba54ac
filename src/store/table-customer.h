#pragma once
/* What the provider has to remember of its customers after a restart: the free jobs that they had
 * today, and who let the invoice of a result expire. One note per job; the oldest ones go. */
#include "basic/sql.h"

#define CUSTOMER_NOTES_MAX   262144
#define CUSTOMER_FORGETS     90 /* days after which a default is forgiven */
#define CUSTOMER_NOTE_FREE   "free"
#define CUSTOMER_NOTE_UNPAID "unpaid"

typedef struct CustomerTable CustomerTable;

int customer_table_new(Sql *db, CustomerTable **ret);
CustomerTable *customer_table_free(CustomerTable *t);
DEFINE_CLEANUP(CustomerTable, customer_table_free)

typedef struct CustomerNote {
        const char *what, *job, *customer; /* job and customer: 64 hex digits */
        int64_t day;                       /* since 1970 */
} CustomerNote;

/* The same again changes nothing. -EINVAL with a reason. */
int customer_note(CustomerTable *t, const CustomerNote *note, const char **reterr);

/* How many notes of this day, or later ones, each customer has; of those who have most recently got
 * one, at most so many. */
typedef int (*customer_count_t)(const char *customer, int64_t n, void *userdata);
int customer_counts(CustomerTable *t, const char *what, int64_t day, unsigned limit,
                customer_count_t count, void *userdata);
