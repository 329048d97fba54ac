/* Publishing: the signed result is on disk. It goes to the relay's outbox, which keeps it until the
 * relays have spoken; the same event again does no harm. */
#include "basic/log.h"
#include "basic/text.h"
#include "job.h"
#include "provider.h"

static int hand_over(Job *job);

static void on_published(int error, const char *reason, void *userdata) {
        Job *job = userdata;

        if (error >= 0)
                return;
        log_warning("The result of job %.12s could not be handed to pylon-relay: %s.", job_id(job),
                        reason);
        if (!job->relays)
                return; /* the state's deadline tries again */

        /* Perhaps it is the relays that the customer named: there may be too many already. */
        job->relays = strv_free(job->relays);
        if (hand_over(job) < 0)
                log_debug("It waits for the next attempt.");
}

static int hand_over(Job *job) {
        job->publish = relay_publish_free(job->publish);
        return relay_client_publish(job->provider->relay, event_json(job->result, NULL),
                        (const char *const *) job->relays, true, on_published, job, &job->publish);
}

/* How many relays may still take it. */
static size_t n_relays(const Job *job) {
        return strv_length(job->relays ?: job->provider->config->relays);
}

void job_outcome(Job *job, const char *relay, RelayVerdict verdict, const char *message) {
        if (verdict == RELAY_ACCEPTED) {
                relay_client_forget(job->provider->relay, event_id_hex(job->result));
                flow_drive(&job->flow, flow_go(JOB_COMPLETED));
                return;
        }
        if (verdict != RELAY_REFUSED || strv_contains(job->refused, relay))
                return;

        log_debug("%s refused the result of job %.12s: %s", relay, job_id(job), message);
        if (strv_add(&job->refused, relay) < 0 || strv_length(job->refused) < n_relays(job))
                return;

        relay_client_forget(job->provider->relay, event_id_hex(job->result));
        flow_drive(&job->flow,
                        flow_fail(&job->flow, -EREMOTEIO, _("No relay would take the result.")));
}

Step job_publish(Flow *f) {
        Job *job = flow_job(f);
        Provider *p = job->provider;
        int r;

        if (job->n_published++ == 0) {
                r = map_put(&p->results, event_id(job->result), 32, job);
                if (r < 0)
                        return flow_fail(f, r, _("There is no memory."));
                job_tell(job, JOB_STATUS_SUCCESS, NULL);
        }

        r = hand_over(job);
        if (r < 0) /* the state's deadline tries again */
                (void) log_warning_errno(r, "The result of job %.12s waits: %m", job_id(job));
        return flow_wait();
}
