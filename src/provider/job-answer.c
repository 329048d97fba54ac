/* The result: made of what the backend wrote, encrypted where the request was, and signed. */
#include "answer.h"
#include "job-pay.h"
#include "provider.h"

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
        job->work = work_free(job->work);
        job_drop_task(job); /* until a relay has taken the result may be long */
        flow_drive(&job->flow, flow_go((int) job_after_work(job)));
}

/* What is not a model's answer is as the backend wrote it. */
static Step job_sign(Job *job, const char *content, size_t size) {
        const JobAnswer a = {
                .status = JOB_STATUS_SUCCESS,
                .amount_msat = job->price_msat > 0 ? job->price_msat : -1,
                .relay = job->relay,
                .content = content,
                .content_size = size,
                .encrypted = job->scheme,
                .text = job->scheme ? NULL : job->answer.note,
                .output = job->answer.output,
                .model = job->model,
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

Step job_finish(Job *job, const char *content, size_t size) {
        const size_t max = answer_size_max(
                        (size_t) job->provider->config->feedback.answer_max, job->scheme);
        const char *reason;
        int r;

        job_release_slot(job);
        partial_done(&job->partial);
        if (job->task) {
                answer_done(&job->answer);
                r = answer_make(job->task, content, size, max, &job->answer, &reason);
                if (r < 0)
                        return flow_fail(&job->flow, r, reason);
                content = job->answer.text.data;
                size = job->answer.text.size;
        }
        return job->scheme ? job_encrypt(job, content) : job_sign(job, content, size);
}
