#pragma once
/* Job: one request, from its arrival to its end. The table of its states is in job.c. */
#include "admission.h"
#include "answer.h"
#include "backend.h"
#include "basic/flow.h"
#include "client/relay-query.h"
#include "client/signer-client.h"
#include "client/store-client.h"
#include "client/wallet-client.h"
#include "customer.h"
#include "gather.h"
#include "partial.h"
#include "queue.h"

typedef struct Provider Provider;

typedef enum JobState {
        JOB_RECEIVED,
        JOB_PRICED,
        JOB_UNPAID,
        JOB_QUEUED,
        JOB_RUNNING,
        JOB_PUBLISHING,
        JOB_OWED,
        JOB_COMPLETED,
        JOB_FAILED,
        JOB_EXPIRED,
        JOB_CANCELLED,
        JOB_REFUSED,
        JOB_ENDING, /* it is decided how */
        _JOB_STATE_MAX,
} JobState;

/* What only money has to do with; job-pay.c and job-owe.c. */
typedef struct JobPay {
        bool paid;     /* the wallet said so */
        bool late;     /* after the invoice's end */
        bool expired;  /* the invoice of an earlier life */
        bool after;    /* the work is done first */
        bool noted;    /* the wallet knows that we know */
        bool dormant;  /* of an earlier life: whether it is paid is being asked */
        bool resumed;  /* of an earlier life */
        bool refunded; /* that is why it is cancelled */
        bool delivered_late;
        JobState end; /* where a job goes that nobody has paid for; 0: failed */
        unsigned n_refunds;
        char *destination; /* of a refund */
        char *row_state, *row_result;
        struct InvoiceAnswer *answer; /* that came before the job was on disk */
        WalletCall *call;
        RelayQuery *profile; /* the customer's: it may say where to pay back to */
        sd_event_source *timer;
} JobPay;

typedef struct Job {
        Flow flow;
        Provider *provider;
        JobRequest *request;
        char *relay;        /* where it came from first */
        char **relays;      /* where it is answered; NULL: at all that are configured */
        uint64_t seq;       /* of its delivery; 0: acknowledged, or read from the store */
        const char *scheme; /* "nip44" or "nip04" where request and answer are encrypted */
        TextTask *task;     /* what a model is asked; NULL: the backend takes the request */
        Gather *gather;     /* its inputs are being fetched */
        Partial partial;    /* of the answer, while it is written */
        Answer answer;
        Work *work;
        QueueItem queue, fetch;
        QueueClass class;
        Event *result;
        int64_t price_msat;
        int64_t asked_msat; /* what it was to cost when it was decided about */
        Verdict verdict;
        const char *reason; /* instead of the verdict's own text; static */
        unsigned n_breakdowns, n_published, n_writes;
        char **refused; /* the relays that do not want the result */
        bool stored;    /* its row exists */
        bool fresh;     /* nothing has been decided about it yet, in any life */
        bool dropped;   /* by the provider's owner */
        bool paced;     /* it was counted against its customer's pace */
        bool unpaid;    /* it is counted among those that nobody has paid for */
        bool has_slot;  /* of its backend */
        bool gathered;  /* the task has its inputs */
        size_t fetched; /* bytes of them that count */
        usec_t queued_at, started_at, worked_at; /* CLOCK_BOOTTIME; 0: not yet */
        char *backend, *model;                   /* that did the work; NULL */
        JobPay pay;
        Customer *customer; /* NULL: not counted among its jobs */
        StoreCall *store_call;
        sd_event_source *rewrite; /* the disk did not take the state; it is asked again then */
        SignerCall *signer_call;
        RelayPublish *publish;
        sd_event_source *again; /* pylon-relay did not take the result; it is asked again then */
} Job;

/* The flow begins. A job that was read from the store takes up where it was; `result` is its signed
 * event where it has one. */
int job_new(Provider *p, JobRequest *request, const char *relay, Job **ret);
void job_start(Job *job);
void job_resume(Job *job, const char *state, const char *result);
Job *job_free(Job *job); /* stops it; nobody hears of it */

void job_run_now(Job *job); /* its turn has come */
/* Its customer does not want it any more. True: the delivery of that wish is finished with when the
 * end is on disk. */
bool job_cancel(Job *job, uint64_t seq);
/* The provider's owner does not want it; its customer hears so. -EBUSY: its result is on the way.
 */
int job_drop(Job *job);
void job_outcome(Job *job, const char *relay, RelayVerdict verdict, const char *message);

const char *job_state_name(JobState s);
bool job_state_is_durable(JobState s);
const char *job_id(const Job *job);

/* Shared by the files of the job; each is a state's function. */
Verdict job_understand(Job *job); /* job-input.c */
bool job_needs_inputs(const Job *job);
/* Ends in job_enter_queue(), or the job has failed; it waits until there is room for its inputs. */
void job_gather(Job *job);
bool provider_fetch_next(Provider *p); /* false: nobody waits, or there is no room */
void job_forget_inputs(Job *job);
void job_drop_task(Job *job); /* after its work */
void job_enter_queue(Job *job);
int job_count(Job *job);
Step job_turn_away(Job *job);
/* job-story.c: what became of it, once each; `reason` is for people, "". */
void job_note_verdict(Job *job, const char *reason);
void job_note_queued(Job *job);
void job_note_started(Job *job);
void job_note_usage(Job *job, const WorkUsage *usage); /* NULL: nothing is known */
void job_note_end(Job *job, const char *reason);
/* Where it waits, and how long until it is done; false: it does not wait for a slot. */
bool job_estimate(const Job *job, size_t *ret_position, usec_t *ret_wait);
void job_tell_place(Job *job);            /* to its customer, where it is worth it */
int job_record(Flow *f);                  /* job-write.c */
const char *job_reason(const Job *job);   /* of its end, for people */
const char *job_end_text(const Job *job); /* the same, where there is one; "" */
Step job_run(Flow *f);                    /* job-run.c */
Step job_publish(Flow *f);                /* job-publish.c */
Job *flow_job(Flow *f);
void job_release_slot(Job *job);
/* job-answer.c: to be signed, then published. What a model wrote is made fit for that. */
Step job_finish(Job *job, const char *content, size_t size);
/* job-tell.c: feedback on the way that nothing waits for. */
void job_tell(Job *job, JobStatus status, const char *text);
void job_tell_answer(Job *job, const JobAnswer *a);
void job_tell_partial(Job *job, const char *text, size_t size);
