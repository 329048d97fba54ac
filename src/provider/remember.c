#include "remember.h"

#include "basic/log.h"
#include "provider.h"

static int on_free_row(const char *customer, int64_t n, void *userdata) {
        Provider *p = userdata;
        int r;

        r = pricing_recall_free(&p->pricing, customer, n, provider_now(p));
        return r == -ENOMEM ? r : 1;
}

static int on_unpaid_row(const char *customer, _unused_ int64_t n, void *userdata) {
        Provider *p = userdata;

        pricing_note_default(&p->pricing, customer);
        return 1;
}

static void on_read(int error, const char *reason, void *userdata) {
        Provider *p = userdata;

        if (error < 0) {
                provider_try_again(p, "The store does not tell what it remembers of customers",
                                reason);
                return;
        }
        p->remember.n_read++;
        p->remember.done = p->remember.n_read == 2;
        provider_go_on(p);
}

int remember_read(Provider *p) {
        int64_t today = pricing_day(provider_now(p));

        if (p->remember.call)
                return 0;
        if (p->remember.n_read == 0)
                return customers_read(p->store, CUSTOMERS_FREE, today, on_free_row, on_read, p,
                                &p->remember.call);
        return customers_read(p->store, CUSTOMERS_UNPAID, today - CUSTOMERS_DAYS, on_unpaid_row,
                        on_read, p, &p->remember.call);
}

void remember_stop(Remember *r) {
        r->call = customers_call_free(r->call);
}

static void note(Job *job, const char *what) {
        Provider *p = job->provider;

        if (customers_note(p->store, what, job_id(job), event_pubkey_hex(job->request->event),
                            pricing_day(provider_now(p))) < 0)
                log_debug("What job %.12s says of its customer is not remembered.", job_id(job));
}

void remember_free_job(Job *job) {
        note(job, CUSTOMERS_FREE);
}

void remember_unpaid_result(Job *job) {
        pricing_note_default(&job->provider->pricing, event_pubkey_hex(job->request->event));
        note(job, CUSTOMERS_UNPAID);
}
