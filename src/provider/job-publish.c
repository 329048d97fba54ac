/* Publishing: the signed result is on disk. It goes to the relay's outbox, which keeps it until the
 * relays have spoken; the same event again does no harm. */
#include "basic/log.h"
#include "basic/text.h"
#include "job.h"
#include "provider.h"

#define HAND_OVER_AGAIN (5 * SEC)

static int hand_over(Job *job);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;

        job->again = sd_event_source_disable_unref(job->again);
        if (hand_over(job) < 0)
                log_debug("It waits for the deadline of its state.");
        return 0;
}

/* The deadline of the state is long, because it waits for strangers; this waits for our own disk.
 */
static void hand_over_later(Job *job) {
        job->again = sd_event_source_disable_unref(job->again);
        if (sd_event_add_time_relative(job->provider->event, &job->again, CLOCK_BOOTTIME,
                            HAND_OVER_AGAIN, SEC, on_again, job) < 0)
                log_debug("It waits for the deadline of its state.");
}

static void on_published(int error, const char *reason, void *userdata) {
        Job *job = userdata;

        if (error >= 0)
                return;
        log_warning("The result of job %.12s could not be handed to pylon-relay: %s.", job_id(job),
                        reason);
        if (!job->relays || error == -ENOSPC || error == -EIO) {
                hand_over_later(job);
                return;
        }

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
