#pragma once
/* Remember: what was promised to customers, or is held against them, outlives a restart: the free
 * jobs that they had today, and who let the invoice of a result expire. */
#include "client/customers-client.h"
#include "job.h"

typedef struct Remember {
        CustomersCall *call;
        unsigned n_read; /* of its two lists */
        bool done;
} Remember;

/* Before the first job is decided about; provider_go_on() is called when it is done. */
int remember_read(Provider *p);
void remember_stop(Remember *r);

void remember_free_job(Job *job);
void remember_unpaid_result(Job *job);
