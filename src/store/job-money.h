#pragma once
/* JobMoney: what each job has brought, and whose it is by the job's state. A customer's money is
 * held until the result is durable ("publishing"); then it is ours, and an earning. A job that was
 * paid and cannot be delivered is "owed", never failed, expired or cancelled. */
#include "ledger.h"
#include "table-job.h"

int job_money_new(Ledger *ledger, JobMoney **ret);
JobMoney *job_money_free(JobMoney *m);
DEFINE_CLEANUP(JobMoney, job_money_free)

/* 1: money hangs on whether the job may go there: check before, and follow after. */
bool job_money_cares(JobState from, JobState to);
/* Why it cannot go there, or NULL in *ret_fault; the verdict is then -EBUSY. */
int job_money_check(
                JobMoney *m, const char *job, JobState from, JobState to, const char **ret_fault);
/* Moves its money along. */
int job_money_follow(JobMoney *m, const char *job, JobState from, JobState to);

/* An invoice of the job was paid, which is written already. Whose the money is now: held, provider
 * or refunds. A job that had ended without a result is owed again. `surplus`: another invoice of
 * the same stage was paid before. */
int job_money_receive(
                JobMoney *m, const char *job, int64_t msat, bool surplus, const char **ret_account);

/* What is to be given back of it, refund by refund. */
/* What an agent of this machine paid for thinking here, without a job. */
int job_money_sold(JobMoney *m, const char *id, int64_t msat);
int job_money_owed(JobMoney *m, const char *job, int64_t *ret_msat);
int job_money_refunded(JobMoney *m, const char *job, int64_t msat);
