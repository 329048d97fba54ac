/* Writing down: a durable state is on disk before it is entered, and what is on disk already waits
 * for a disk that is full. */
#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "job-pay.h"
#include "provider.h"

#define WRITES_MAX 3 /* of a job that is not on disk yet; then it is refused */

/* Of one that is: at first, longer each time, and at last. */
#define WRITE_AGAIN     SEC
#define WRITE_AGAIN_MAX MIN_

/* Crash tests kill us before a state is written down, and before it is acted upon. */
static int job_fault(const Job *job, const char *moment) {
        char name[48];

        (void) snprintf(name, sizeof(name), "job.%s.%s", flow_state_name(&job->flow), moment);
        return fault(name);
}

static int job_written(Job *job, int error) {
        job->n_writes = 0;
        if (error >= 0) {
                job->stored = true;
                error = job_fault(job, "after");
        }
        if (job->seq > 0 && error >= 0)
                provider_finish(job->provider, TAKE(job->seq, 0));
        if (error >= 0)
                job_note_payment(job);
        return error;
}

static void job_recorded(Job *job, int error) {
        flow_recorded(&job->flow, job_written(job, error));
}

static int job_write(Job *job);

static int on_rewrite(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;

        if (job_write(job) >= 0)
                job->rewrite = sd_event_source_disable_unref(job->rewrite);
        else if (sd_event_source_set_time_relative(s, WRITE_AGAIN_MAX) >= 0)
                (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

static bool write_later(Job *job) {
        unsigned n = job->n_writes - WRITES_MAX;
        usec_t pause = n < 6 ? WRITE_AGAIN << n : WRITE_AGAIN_MAX;

        log_debug("Job %.12s waits for the disk.", job_id(job));
        return sd_event_add_time_relative(job->provider->event, &job->rewrite, CLOCK_BOOTTIME,
                               pause, pause / 8, on_rewrite, job) >= 0;
}

/* A disk that failed once may well take the next commit. A job that is on disk already waits until
 * it does: what was worked out is not thrown away, and nobody hears of an end that is not written
 * down. */
static bool write_again(Job *job, int verdict) {
        if (verdict == -EINVAL || verdict == -E2BIG || verdict == -EALREADY || verdict == -ENOENT ||
                        verdict == -EUCLEAN)
                return false; /* another try would be answered in the same way */
        if (job->n_writes < WRITES_MAX)
                return job_write(job) >= 0;
        return job->stored && write_later(job);
}

/* The store has it already, in another state than the one we are about to add: it was served in an
 * earlier life. "queued" is our own call, repeated after its answer was lost, or the job that was
 * read at the start. */
static void on_added(int verdict, const char *text, void *userdata) {
        Job *job = userdata;

        if (verdict < 0 && write_again(job, verdict))
                return;
        if (verdict < 0) {
                log_warning("Job %.12s could not be stored: %s.", job_id(job), text);
                job->verdict = VERDICT_TROUBLE;
        }
        if (verdict == 1 && !streq(text, flow_state_name(&job->flow)) && !job->stored) {
                job->verdict = VERDICT_DUPLICATE;
                flow_drive(&job->flow, flow_go(JOB_REFUSED));
        }
        job_recorded(job, MIN(verdict, 0));
}

static int job_add(Job *job) {
        const StoreJob row = {
                .id = job_id(job),
                .kind = event_kind(job->request->event),
                .customer = event_pubkey_hex(job->request->event),
                .request = event_json(job->request->event, NULL),
                .relay = job->relay,
                .state = flow_state_name(&job->flow),
                .price_msat = job->price_msat,
                .created_at = event_created_at(job->request->event),
        };

        return store_add_job(job->provider->store, &row, on_added, job, &job->store_call);
}

static bool is_end(JobState s) {
        return s == JOB_FAILED || s == JOB_EXPIRED || s == JOB_CANCELLED;
}

static void on_moved(int verdict, const char *text, void *userdata) {
        Job *job = userdata;

        if (verdict == -EBUSY && is_end((JobState) job->flow.state)) {
                /* It was paid in this very moment: it is taken up again, as the store has it. */
                job->provider->reread = true;
                job_recorded(job, verdict);
                return;
        }
        if (verdict < 0 && write_again(job, verdict))
                return;
        /* -EALREADY: it has ended in an earlier life; the store never takes that back. */
        if (verdict < 0)
                log_warning("Job %.12s could not be moved to %s: %s.", job_id(job),
                                flow_state_name(&job->flow), text);
        job_recorded(job, MIN(verdict, 0));
}

/* Completed: if that is lost, it is published once more, and taken at once. Queued: that it is paid
 * is in the books. */
static bool may_be_lazy(const Job *job) {
        JobState s = (JobState) job->flow.state;

        if (s == JOB_COMPLETED)
                return job->flow.from != JOB_OWED;
        return s == JOB_QUEUED && job->pay.paid && !job->pay.delivered_late;
}

static const char *move_error(const Job *job) {
        JobState s = (JobState) job->flow.state;

        if (job->pay.refunded)
                return _("It was paid back.");
        return s == JOB_FAILED || s == JOB_OWED || s == JOB_EXPIRED ? job_reason(job) : NULL;
}

static void on_noted(int verdict, const char *text, _unused_ void *userdata) {
        if (verdict < 0)
                log_debug("That a job is paid was not noted: %s.", text);
}

/* That a paid job is queued is in the books: the store hears of it, and nobody waits for that. */
static bool is_only_noted(const Job *job) {
        return job->flow.state == JOB_QUEUED && job->stored && may_be_lazy(job);
}

static int job_move(Job *job) {
        JobState s = (JobState) job->flow.state;
        const StoreMove move = {
                .id = job_id(job),
                .state = job_state_name(s),
                .result = job->result && (s == JOB_PUBLISHING || s == JOB_UNPAID)
                                          ? event_json(job->result, NULL)
                                          : NULL,
                .error = move_error(job),
                .lazy = may_be_lazy(job),
        };

        if (is_only_noted(job))
                return store_move_job(job->provider->store, &move, on_noted, NULL, NULL);
        return store_move_job(job->provider->store, &move, on_moved, job, &job->store_call);
}

static int job_write(Job *job) {
        job->n_writes++;
        if (job->flow.state == JOB_QUEUED && !(job->stored && job->price_msat > 0))
                return job_add(job);
        return job->flow.state == JOB_UNPAID && !job->stored ? job_add(job) : job_move(job);
}

int job_record(Flow *f) {
        Job *job = flow_job(f);
        int r;

        r = job_fault(job, "before");
        if (r < 0)
                return r;
        if (f->state != JOB_QUEUED && f->state != JOB_UNPAID && !job->stored)
                return 1; /* what was never written needs no end */
        r = job_write(job);
        if (r >= 0 && f->state == JOB_UNPAID && !job->stored)
                job_ask_early(job);
        if (r >= 0 && is_only_noted(job)) {
                r = job_written(job, 0);
                return r < 0 ? r : 1;
        }
        return r;
}
