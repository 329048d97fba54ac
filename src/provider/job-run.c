/* Running: a backend works, and what comes out is encrypted where the request was, and signed. */
#include "basic/log.h"
#include "job.h"
#include "provider.h"

#define BREAKDOWNS_MAX 1 /* of the backend; then the job has failed */

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Job *job = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0) {
                flow_drive(&job->flow, flow_fail(&job->flow, error, reason));
                return;
        }

        job->result = event_ref(results[0].event);
        flow_drive(&job->flow, flow_go(JOB_PUBLISHING));
}

static Step job_sign(Job *job, const char *content, size_t size) {
        const JobAnswer a = {
                .status = JOB_STATUS_SUCCESS,
                .amount_msat = job->price_msat > 0 ? job->price_msat : -1,
                .relay = job->relay,
                .content = content,
                .content_size = size,
                .encrypted = job->scheme,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        const Draft *drafts[1];
        int r;

        r = job_result_draft(job->request, &a, provider_now(job->provider), &d);
        drafts[0] = d;
        if (r >= 0)
                r = signer_sign(job->provider->signer, PROVIDER_KEY, drafts, 1, on_signed, job,
                                &job->signer_call);
        if (r < 0)
                return flow_fail(&job->flow, r, _("The result could not be signed."));
        return flow_wait();
}

static void on_encrypted(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Job *job = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        flow_drive(&job->flow, error < 0 ? flow_fail(&job->flow, error, reason)
                                         : job_sign(job, results[0].text, strlen(results[0].text)));
}

/* NIP-90: in the way the request came. */
static Step job_encrypt(Job *job, const char *content) {
        const SignerText text = {
                .peer = event_pubkey_hex(job->request->event),
                .scheme = job->scheme,
                .text = content,
        };
        int r;

        r = signer_encrypt(job->provider->signer, PROVIDER_KEY, &text, 1, on_encrypted, job,
                        &job->signer_call);
        if (r < 0)
                return flow_fail(&job->flow, r, _("The result could not be encrypted."));
        return flow_wait();
}

static Step job_work(Job *job);

static void on_work_done(int error, const char *reason, const char *content, size_t size,
                const WorkUsage *usage, void *userdata) {
        Job *job = userdata;
        Step s;

        job_note_usage(job, usage);
        if (error == -ECONNRESET && job->n_breakdowns++ < BREAKDOWNS_MAX)
                s = job_work(job); /* it keeps its slot */
        else if (error < 0)
                s = flow_fail(&job->flow, error, reason);
        else {
                job_release_slot(job);
                s = job->scheme ? job_encrypt(job, content) : job_sign(job, content, size);
        }
        flow_drive(&job->flow, s);
}

static Step job_work(Job *job) {
        static const WorkEvents events = { .done = on_work_done };
        int r;

        r = work_start(job->work, job->task, &events, job);
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

        job_note_started(job);
        if (!job->work->small)
                job_take_slot(job);
        job_tell(job, JOB_STATUS_PROCESSING, NULL);
        return job_work(job);
}
