/* A guided tour of Pylon begins here: this is what it is for.
 *
 * A stranger's request (NIP-90) comes from a relay. pylon-relay has verified its signature and
 * hands it over (provider.c); a Job is made of it and walks through the table below, which
 * basic/flow.c drives: it writes a durable state down before it is entered, arms the deadline, and
 * refuses a step that the table does not have.
 *
 *   received    Encrypted requests are opened by pylon-signer. admission.c, which is pure, and the
 *               backend's check() come to a verdict (verdict.c).
 *   priced      What it costs (pricing.c), and whether it is paid before the work or after it.
 *   unpaid      On disk; then the wallet makes an invoice, then the customer hears of it
 *               (job-pay.c). That it is paid only the wallet says.
 *   queued      On disk in pylon-store, under the request's event id: only now the relay hears that
 *               it may forget the event, and a second delivery stops here. Inputs that are
 *               elsewhere are fetched (job-input.c), then the job waits for its turn.
 *   running     The customer hears "processing", the backend works (job-run.c). Nothing is written:
 *               after a crash the job is queued and runs again. What is paid after the work becomes
 *               unpaid now, with its result.
 *   publishing  The signed result is on disk with its event, so that whatever happens now, the same
 *               event is published and the job never runs again (job-publish.c).
 *   completed   A relay has taken the result.
 *   owed        It was paid and cannot be done: the money goes back, or the owner decides
 *               (job-owe.c).
 *
 * Who answers what: store_…() pylon-store, signer_…() pylon-signer, relay_…() pylon-relay; each
 * gathers what is asked in one turn of the event loop and sends it as one message. */
#include "job.h"

#include <stdio.h>

#include "answer-relays.h"
#include "basic/log.h"
#include "basic/text.h"
#include "job-pay.h"
#include "provider.h"

static Step job_receive(Flow *f);
static Step job_await_turn(Flow *f);
static Step job_refuse(Flow *f);
static Step job_tell_failure(Flow *f);
static Step job_tell_drop(Flow *f);

#define PUBLISH_AGAIN MIN_ /* at first; longer each time */

/* clang-format off */
static const FlowState job_states[_JOB_STATE_MAX] = {
        /*                   name          enter              deadline       late            fails           next                                            durable */
        [JOB_RECEIVED]   = { "received",   job_receive,       MIN_,          JOB_REFUSED,    JOB_REFUSED,    B(JOB_RECEIVED) | B(JOB_PRICED) | B(JOB_ENDING),  false },
        [JOB_PRICED]     = { "priced",     job_price,         0,             0,              JOB_REFUSED,    B(JOB_UNPAID) | B(JOB_QUEUED) | B(JOB_ENDING),    false },
        [JOB_UNPAID]     = { "unpaid",     job_await_payment, 0,             0,              JOB_ENDING,     B(JOB_RECEIVED) | B(JOB_QUEUED) | B(JOB_PUBLISHING) | B(JOB_REFUSED), true },
        [JOB_QUEUED]     = { "queued",     job_await_turn,    0,             0,              JOB_ENDING,     B(JOB_RUNNING) | B(JOB_REFUSED),                  true  },
        [JOB_RUNNING]    = { "running",    job_run,           5 * MIN_,      JOB_ENDING,     JOB_ENDING,     B(JOB_PUBLISHING) | B(JOB_UNPAID),                false },
        [JOB_PUBLISHING] = { "publishing", job_publish,       PUBLISH_AGAIN, JOB_PUBLISHING, JOB_ENDING,     B(JOB_COMPLETED),                                 true  },
        [JOB_OWED]       = { "owed",       job_owe,           0,             0,              JOB_OWED,       B(JOB_RECEIVED) | B(JOB_PUBLISHING) | B(JOB_CANCELLED) | B(JOB_COMPLETED), true },
        [JOB_COMPLETED]  = { "completed",  .final = true, .durable = true },
        [JOB_FAILED]     = { "failed",     job_tell_failure,  .final = true, .durable = true },
        [JOB_EXPIRED]    = { "expired",    .final = true, .durable = true },
        [JOB_CANCELLED]  = { "cancelled",  job_tell_drop,     .final = true, .durable = true },
        [JOB_REFUSED]    = { "refused",    job_refuse,        .final = true },
        [JOB_ENDING]     = { "ending",     job_end,           0,             0,              JOB_FAILED,     B(JOB_OWED) | B(JOB_REFUSED) | B(JOB_EXPIRED) | B(JOB_CANCELLED), false },
};
/* clang-format on */

static uint64_t job_deadline(Flow *f);
static void job_changed(Flow *f, int from);
static void job_done(Flow *f);

static const FlowTable job_table = {
        .name = "job",
        .states = job_states,
        .n_states = _JOB_STATE_MAX,
        .record = job_record,
        .deadline = job_deadline,
        .changed = job_changed,
        .done = job_done,
};

const char *job_state_name(JobState s) {
        return job_states[s].name;
}

bool job_state_is_durable(JobState s) {
        return job_states[s].durable;
}

Job *flow_job(Flow *f) {
        return container_of(f, Job, flow);
}

const char *job_id(const Job *job) {
        return event_id_hex(job->request->event);
}

/* ---- received: open it, decide */

Step job_turn_away(Job *job) {
        if (!job->stored)
                return flow_go(JOB_REFUSED);
        job->pay.end = job->verdict == VERDICT_EXPIRED ? JOB_EXPIRED : JOB_FAILED;
        return flow_go(JOB_ENDING);
}

static void on_opened(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Job *job = userdata;
        const char *why;

        if (error >= 0)
                error = results[0].error;
        if (error >= 0) {
                job->scheme = streq(results[0].scheme, "nip04") ? "nip04" : "nip44";
                error = job_request_open(
                                job->request, results[0].text, strlen(results[0].text), &why);
        }

        if (error < 0)
                job->verdict = VERDICT_UNREADABLE;
        flow_drive(&job->flow, error < 0 ? job_turn_away(job) : flow_go(JOB_RECEIVED));
}

static Step job_open(Job *job) {
        const SignerText text = {
                .peer = event_pubkey_hex(job->request->event),
                .text = event_content(job->request->event, NULL),
        };
        int r;

        r = signer_decrypt(job->provider->signer, PROVIDER_KEY, &text, 1, on_opened, job,
                        &job->signer_call);
        if (r < 0) {
                job->verdict = VERDICT_TROUBLE;
                return job_turn_away(job);
        }
        return flow_wait();
}

static Verdict job_check(Job *job) {
        Backend *b = provider_backend(job->provider, event_kind(job->request->event));
        Verdict v;

        /* Admission has looked at the kinds of all backends. */
        assert(b);
        v = job_understand(job);
        if (v != VERDICT_ACCEPTED)
                return v;
        if (job->task)
                job->task->taken = job->stored;
        return b->class->check(b, job->request, job->task, &job->work, &job->reason);
}

/* Once for each request, after everything that costs nothing. */
static bool keeps_pace(Job *job, const Limits *l) {
        Provider *p = job->provider;
        const PaceLimit limit = { .n = p->config->provider.per_customer_rate, .span = MIN_ };
        uint64_t now = 0;
        usec_t wait;

        if (job->paced || l->known || admission_is_agent(job->request, l))
                return true;
        job->paced = true;
        (void) sd_event_now(p->event, CLOCK_BOOTTIME, &now);
        return pace_take(&p->pace, event_pubkey_hex(job->request->event), &limit, now, &wait);
}

static Step job_receive(Flow *f) {
        Job *job = flow_job(f);
        Limits limits = provider_limits(job->provider, job->request);

        limits.known = job->stored;
        if (limits.known)
                limits.age_max = INT64_MAX;

        job->asked_msat = limits.price_msat;
        job->verdict = admission(job->request, &limits, provider_now(job->provider));
        if ((job->verdict == VERDICT_SEALED || job->verdict == VERDICT_ACCEPTED) &&
                        !keeps_pace(job, &limits))
                job->verdict = VERDICT_TOO_FAST;
        if (job->verdict == VERDICT_SEALED)
                return job_open(job);
        if (job->verdict == VERDICT_ACCEPTED)
                job->verdict = job_check(job);
        return job->verdict == VERDICT_ACCEPTED ? flow_go(JOB_PRICED) : job_turn_away(job);
}

/* ---- counted */

static size_t job_size(const Job *job) {
        size_t size;

        (void) event_json(job->request->event, &size);
        return size;
}

static void job_count_unpaid(Job *job, bool unpaid) {
        job->provider->n_unpaid -= job->unpaid;
        job->provider->n_unpaid += unpaid;
        job->unpaid = unpaid;
}

/* Among its customer's jobs, and among all; once. */
int job_count(Job *job) {
        int r = 0;

        if (!job->customer)
                r = customers_add_job(&job->provider->customers,
                                event_pubkey_hex(job->request->event), job_size(job),
                                &job->customer);
        if (r >= 0)
                job_count_unpaid(job, !provider_is_agent(job->provider, job->request));
        return r;
}

/* ---- queued */

void job_enter_queue(Job *job) {
        Provider *p = job->provider;

        if (job->work->small)
                queue_push(&p->small, &job->queue, job->class, NULL);
        else
                queue_push(&p->queue, &job->queue, job->class, &job->customer->lanes[job->class]);
        job_note_queued(job);
        job_tell_place(job);
        provider_want_turn(p);
}

static Step job_await_turn(Flow *f) {
        Job *job = flow_job(f);
        Provider *p = job->provider;
        int r;

        r = job_count(job);
        if (r < 0)
                return flow_fail(f, r, _("There is no memory."));
        job->class = provider_is_agent(p, job->request) ? QUEUE_AGENT
                     : job->price_msat > 0              ? QUEUE_PAID
                                                        : QUEUE_FREE;
        if (job->class == QUEUE_PAID)
                job_count_unpaid(job, false);
        if (job_needs_inputs(job))
                job_gather(job);
        else
                job_enter_queue(job);
        return flow_wait();
}

static void job_leave_queue(Job *job) {
        Provider *p = job->provider;

        job_forget_inputs(job);
        if (queue_is_waiting(&job->queue))
                queue_remove(job->work->small ? &p->small : &p->queue, &job->queue);
}

void job_run_now(Job *job) {
        flow_drive(&job->flow, flow_go(JOB_RUNNING));
}

bool job_cancel(Job *job, uint64_t seq) {
        JobState s = (JobState) job->flow.state;
        bool taken = job->seq == 0;

        /* NIP-90: who has the result has it. */
        if (s != JOB_UNPAID && s != JOB_QUEUED && s != JOB_RUNNING)
                return false;

        if (taken)
                job->seq = seq;
        job_leave_queue(job);
        job_release_slot(job);
        partial_done(&job->partial);
        job->work = work_free(job->work);
        job->pay.end = JOB_CANCELLED;
        flow_drive(&job->flow, flow_fail(&job->flow, -ECANCELED,
                                               _("The job was cancelled by its customer.")));
        return taken;
}

int job_drop(Job *job) {
        JobState s = (JobState) job->flow.state;

        if (s != JOB_UNPAID && s != JOB_QUEUED && s != JOB_RUNNING)
                return -EBUSY;

        job->dropped = true;
        job_leave_queue(job);
        job_release_slot(job);
        partial_done(&job->partial);
        job->work = work_free(job->work);
        job->pay.end = JOB_CANCELLED;
        flow_drive(&job->flow, flow_fail(&job->flow, -ECANCELED,
                                               _("This provider's owner cancelled the job.")));
        return 0;
}

/* ---- the ends */

const char *job_reason(const Job *job) {
        if (job->verdict != VERDICT_ACCEPTED)
                return job->reason ?: verdict_text(job->verdict);
        return job->flow.reason;
}

const char *job_end_text(const Job *job) {
        JobState s = (JobState) job->flow.state;

        return s == JOB_FAILED || s == JOB_REFUSED ? job_reason(job) ?: "" : "";
}

/* What only this provider lacks is said to who asked this provider. */
static bool job_is_silent(const Job *job) {
        if (job->verdict == VERDICT_NO_BACKEND || job->verdict == VERDICT_UNKNOWN_MODEL)
                return job->request->n_providers == 0;
        return verdict_is_silent(job->verdict);
}

static Step job_refuse(Flow *f) {
        Job *job = flow_job(f);

        if (job->verdict == VERDICT_ACCEPTED) /* not decided: something of ours was late */
                job->verdict = VERDICT_TROUBLE;
        if (!job_is_silent(job))
                job_tell(job, JOB_STATUS_ERROR, job_reason(job));
        return flow_wait();
}

static Step job_tell_failure(Flow *f) {
        Job *job = flow_job(f);

        job_tell(job, JOB_STATUS_ERROR, job_reason(job));
        return flow_wait();
}

static Step job_tell_drop(Flow *f) {
        Job *job = flow_job(f);

        if (job->dropped)
                job_tell(job, JOB_STATUS_ERROR, _("This provider's owner cancelled the job."));
        return flow_wait();
}

/* ---- what the flow asks for */

static uint64_t job_deadline(Flow *f) {
        Job *job = flow_job(f);

        if (f->state == JOB_RUNNING)
                return job->provider->config->provider.job_timeout;
        if (f->state == JOB_PUBLISHING)
                return PUBLISH_AGAIN << MIN(job->n_published, 6U);
        return job_states[f->state].deadline_usec;
}

static void log_end(const Job *job) {
        JobState s = (JobState) job->flow.state;
        const char *id = job_id(job);

        if (s == JOB_COMPLETED)
                log_event(LOG_INFO, LOG_ID_JOB_COMPLETED, LOG_FIELDS("PYLON_JOB", id),
                                "Job %.12s is done.", id);
        if (s == JOB_FAILED)
                log_event(LOG_INFO, LOG_ID_JOB_FAILED, LOG_FIELDS("PYLON_JOB", id),
                                "Job %.12s failed: %s", id, job_reason(job));
        if (s == JOB_REFUSED && !job_is_silent(job))
                log_event(LOG_INFO, LOG_ID_JOB_REFUSED, LOG_FIELDS("PYLON_JOB", id),
                                "Job %.12s was refused: %s", id, job_reason(job));
}

static void job_changed(Flow *f, int from) {
        Job *job = flow_job(f);

        log_debug("Job %.12s: %s -> %s", job_id(job), job_states[from].name, flow_state_name(f));
        if (from == JOB_QUEUED && f->state != JOB_QUEUED)
                job_leave_queue(job);
        if (from == JOB_RUNNING && f->state != JOB_RUNNING)
                job_release_slot(job);
        if (job->provider->moved)
                job->provider->moved(job, job->provider->userdata);
        if (f->state == JOB_UNPAID || f->state == JOB_QUEUED)
                job_note_verdict(job, "");
        if (f->state == JOB_REFUSED)
                job_note_verdict(job, job_reason(job));
}

static void job_done(Flow *f) {
        Job *job = flow_job(f);
        Provider *p = job->provider;

        log_end(job);
        job_note_end(job, job->flow.state == JOB_FAILED ? job_reason(job) : "");
        if (job->seq > 0)
                provider_finish(p, TAKE(job->seq, 0));
        (void) job_free(job);
        provider_want_turn(p);
}

/* ---- life */

int job_new(Provider *p, JobRequest *request, const char *relay, Job **ret) {
        Job *job;
        int r;

        job = new0(Job, 1);
        if (!job)
                return -ENOMEM;

        job->relay = strdup(relay);
        if (!job->relay) {
                free(job);
                return -ENOMEM;
        }
        job->request = request;
        r = answer_relays(request, relay, p->config->relays, &job->relays);
        if (r >= 0)
                r = map_put(&p->jobs, event_id(request->event), 32, job);
        if (r < 0) {
                (void) strv_free(job->relays);
                free(job->relay);
                free(job);
                return r;
        }

        job->provider = p;
        *ret = job;
        return 0;
}

void job_start(Job *job) {
        job->fresh = true;
        (void) flow_start(&job->flow, &job_table, job->provider->event, JOB_RECEIVED);
}

/* What was worked out is paid for, not done again. */
static void read_held_result(Job *job, const char *result) {
        const char *amount, *reason;

        if (isempty(result) ||
                        event_parse_trusted(result, strlen(result), &job->result, &reason) < 0)
                return;
        amount = event_tag_value(job->result, "amount");
        if (!amount || parse_i64(amount, &job->price_msat) < 0)
                log_debug("The result of job %.12s names no amount.", job_id(job));
}

/* What ran or waited is decided once more: the configuration may be another one, and what was
 * encrypted must be opened again. */
void job_resume(Job *job, const char *state, const char *result) {
        const char *reason;
        int first = JOB_RECEIVED;

        job->stored = true;
        if (streq(state, job_state_name(JOB_UNPAID)))
                first = JOB_UNPAID;
        if (streq(state, job_state_name(JOB_OWED)))
                first = JOB_OWED;
        if (streq(state, job_state_name(JOB_PUBLISHING)) &&
                        event_parse_trusted(result, strlen(result), &job->result, &reason) >= 0)
                first = JOB_PUBLISHING;
        if (first == JOB_UNPAID || first == JOB_OWED)
                read_held_result(job, result);
        (void) flow_start(&job->flow, &job_table, job->provider->event, first);
}

void job_release_slot(Job *job) {
        if (!job->has_slot)
                return;

        job->has_slot = false;
        job->work->backend->n_used--;
        job->provider->n_running--;
        job->customer->n_running--;
        provider_want_turn(job->provider);
}

Job *job_free(Job *job) {
        Provider *p;

        if (!job)
                return NULL;

        p = job->provider;
        flow_stop(&job->flow);
        job_leave_queue(job);
        job_release_slot(job);
        job_count_unpaid(job, false);
        job->store_call = store_call_free(job->store_call);
        job->rewrite = sd_event_source_disable_unref(job->rewrite);
        job->again = sd_event_source_disable_unref(job->again);
        job->signer_call = signer_call_free(job->signer_call);
        job->publish = relay_publish_free(job->publish);
        job_pay_done(job);
        job->work = work_free(job->work);
        job_drop_task(job);
        partial_done(&job->partial);
        answer_done(&job->answer);
        if (job->customer)
                customers_remove_job(&p->customers, job->customer, job_size(job));
        if (job->result)
                (void) map_remove(&p->results, event_id(job->result), 32);
        (void) map_remove(&p->jobs, event_id(job->request->event), 32);
        job->result = event_unref(job->result);
        job->request = job_request_free(job->request);
        (void) strv_free(job->relays);
        (void) strv_free(job->refused);
        free(job->relay);
        free(job->backend);
        free(job->model);
        return mfree(job);
}
