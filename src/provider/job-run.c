/* Running: a backend works, and the customer sees how far it is. */
#include "answer.h"
#include "basic/log.h"
#include "basic/text.h"
#include "job-pay.h"
#include "provider.h"

#define BREAKDOWNS_MAX 1    /* of the backend; then the job has failed */
#define TOKEN_SIZE     4    /* bytes, where the model was not asked how many there were */
#define PARTIAL_ROOM   4096 /* beyond the longest answer, to see that it is longer */

static Step job_work(Job *job);

static void on_work_done(int error, const char *reason, const char *content, size_t size,
                const WorkUsage *usage, void *userdata) {
        Job *job = userdata;
        Step s;

        job_note_usage(job, usage);
        job_measure(job, usage);
        if (error == -ECONNRESET && job->n_breakdowns++ < BREAKDOWNS_MAX)
                s = job_work(job); /* it keeps its slot */
        else if (error < 0)
                s = flow_fail(&job->flow, error, reason);
        else
                s = job_finish(job, content, size);
        flow_drive(&job->flow, s);
}

/* ---- while it is written */

static void on_say(const char *text, size_t size, void *userdata) {
        job_tell_partial(userdata, text, size);
}

static void on_partial(const char *bytes, size_t size, void *userdata) {
        Job *job = userdata;
        Buffer *b = &job->partial.text;
        size_t max = b->max - PARTIAL_ROOM, n;
        _cleanup_free_ char *text = NULL;
        WorkUsage usage = { .tokens_in = -1 };

        if (!bytes) {
                partial_clear(&job->partial);
                return;
        }
        (void) partial_add(&job->partial, bytes, utf8_prefix(bytes, size, b->max - b->size));
        if (b->size <= max)
                return;

        /* Relays would not take more: nobody shall pay for words that nobody reads. */
        log_debug("The answer to job %.12s is long enough.", job_id(job));
        job_note_usage(job, NULL);
        usage.tokens_out = (int64_t) (b->size / TOKEN_SIZE);
        usage.duration = job->worked_at - job->started_at;
        job_measure(job, &usage);
        job_release_slot(job);
        job->work = work_free(job->work);
        text = buffer_take(b, &n);
        flow_drive(&job->flow, text ? job_finish(job, text, n)
                                    : flow_fail(&job->flow, -ENOMEM, _("There is no memory.")));
}

/* What is paid after the work is not given away before. */
static void listen_to_parts(Job *job) {
        const Config *c = job->provider->config;
        const bool say = c->feedback.partials && job_after_work(job) != JOB_UNPAID;

        partial_init(&job->partial, job->provider->event,
                        answer_size_max((size_t) c->feedback.answer_max, job->scheme) +
                                        PARTIAL_ROOM,
                        say ? c->feedback.partial_interval : 0, on_say, job);
}

static Step job_work(Job *job) {
        static const WorkEvents events = { .done = on_work_done },
                                with_parts = { .partial = on_partial, .done = on_work_done };
        int r;

        if (job->task)
                listen_to_parts(job);

        r = work_start(job->work, job->task, job->task ? &with_parts : &events, job);
        if (r < 0)
                return flow_fail(&job->flow, r, _("The work could not be started."));
        return flow_wait();
}

static void on_noted(_unused_ int verdict, _unused_ const char *text, _unused_ void *userdata) {
}

/* Work that takes a while takes a slot, and people see that it runs. Nothing depends on the note:
 * after a crash what ran is queued. */
static void job_take_slot(Job *job) {
        const StoreMove move = {
                .id = job_id(job),
                .state = job_state_name(JOB_RUNNING),
                .lazy = true,
        };

        job->has_slot = true;
        job->work->backend->n_used++;
        job->provider->n_running++;
        job->customer->n_running++;
        (void) store_move_job(job->provider->store, &move, on_noted, NULL, NULL);
}

Step job_run(Flow *f) {
        Job *job = flow_job(f);

        if (event_expiration(job->request->event) <= provider_now(job->provider))
                return flow_fail(f, -ETIME, _("The request expired before its turn came."));
        job_note_started(job);
        if (!job->work->small)
                job_take_slot(job);
        job_tell(job, JOB_STATUS_PROCESSING, NULL);
        return job_work(job);
}
