/* What a customer hears besides the result (NIP-90, kind 7000). Where the request was encrypted, so
 * are all words; status, amount and ids are not. */
#include "answer.h"
#include "basic/text.h"
#include "job.h"
#include "provider.h"

static void tell_sealed(Job *job, const FeedbackDoors *doors, JobAnswer a) {
        SignerText text = {
                .peer = event_pubkey_hex(job->request->event),
                .scheme = job->scheme,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *words = NULL;

        if (!isempty(a.text) || a.content)
                if (job_feedback_sealed_text(&a, &words) < 0)
                        return;
        a.text = a.content = NULL;
        if (job_feedback_draft(job->request, &a, provider_now(job->provider), &d) < 0)
                return;
        text.text = words;
        if (words)
                feedback_send_sealed(doors, TAKE_PTR(d), &text, job->relays);
        else
                feedback_send(doors, d, job->relays);
}

void job_tell_answer(Job *job, const JobAnswer *a) {
        const FeedbackDoors doors = {
                .signer = job->provider->signer,
                .relay = job->provider->relay,
                .list = &job->provider->feedback,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        JobAnswer whole = *a;

        whole.relay = job->relay;
        if (job->scheme)
                tell_sealed(job, &doors, whole);
        else if (job_feedback_draft(job->request, &whole, provider_now(job->provider), &d) >= 0)
                feedback_send(&doors, d, job->relays);
}

void job_tell(Job *job, JobStatus status, const char *text) {
        job_tell_answer(job, &(JobAnswer){ .status = status, .text = text, .amount_msat = -1 });
}

/* Nobody needs it once the result is there. */
void job_tell_partial(Job *job, const char *text, size_t size) {
        const usec_t lifetime = job->provider->config->feedback.partial_lifetime;
        _cleanup_buffer_ Buffer b = { .max = size + 1 };

        if (answer_clean(&b, text, size) < 0 || b.size == 0)
                return;
        job_tell_answer(job, &(JobAnswer){
                                             .status = JOB_STATUS_PARTIAL,
                                             .amount_msat = -1,
                                             .content = b.data,
                                             .content_size = b.size,
                                             .expires_at = provider_now(job->provider) +
                                                           (int64_t) (lifetime / SEC),
                             });
}
