#pragma once
/* Being paid: what of a job only money has to do with. The states' functions are in job-pay.c and
 * job-owe.c, and this is what job.c and the provider ask of them. */
#include "client/relay-query.h"
#include "client/wallet-client.h"
#include "job.h"

#define STAGE_PRE  "pre"  /* paid before the work */
#define STAGE_POST "post" /* the result is held back */
#define STAGE_ZAP  "zap"  /* paid elsewhere, as the server of our address says */

Step job_price(Flow *f);
Step job_await_payment(Flow *f);
Step job_end(Flow *f);
Step job_owe(Flow *f);

/* While the job is written down: its invoice, too. */
void job_ask_early(Job *job);
/* The wallet says so. */
void job_paid(Job *job, const char *status);
/* After the work: what it costs where that was not agreed on before. */
void job_measure(Job *job, const WorkUsage *usage);
/* The result is signed: where it goes. */
JobState job_after_work(const Job *job);
/* What was written down concerns the wallet. */
void job_note_payment(Job *job);
void job_pay_done(Job *job); /* lets go of all calls */
void job_forget_destination(Job *job);

/* An owed job: paid back to a BOLT 11, LNURL or address; or the owner has delivered otherwise.
 * -EBUSY: a refund is on its way; -EINVAL: it is not owed. The end is told by the job's state. */
int job_settle(Job *job, const char *destination);

/* The jobs of a page of the store that money may hang on, before they are taken up. */
int payments_ask(Provider *p);
extern const WalletHandler payments_handler;
