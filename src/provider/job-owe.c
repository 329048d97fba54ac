/* How a job ends that was paid and cannot be done: it is owed. The money goes back by itself where
 * the customer said how, and else waits for the owner; until then the job is there to be seen. */
#include <stdio.h>

#include "basic/json.h"
#include "basic/log.h"
#include "job-pay.h"
#include "money/lnurl.h"
#include "provider.h"

#define AGAIN_FIRST  MIN_
#define AGAIN_MAX    HOUR
#define LOOK_AGAIN   (30 * SEC) /* at a refund whose outcome is open */
#define PROFILE_USEC (5 * SEC)

static void refund(Job *job);

/* Where all ways out of a job meet. */
Step job_end(Flow *f) {
        Job *job = flow_job(f);

        if (!job->stored)
                return flow_go(JOB_REFUSED);
        if (job->pay.paid)
                return flow_go(JOB_OWED);
        return flow_go((int) (job->pay.end ?: JOB_FAILED));
}

/* ---- paying back */

static void again_in(Job *job, usec_t pause, sd_event_time_handler_t handler) {
        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        if (sd_event_add_time_relative(job->provider->event, &job->pay.timer, CLOCK_BOOTTIME, pause,
                            pause / 8, handler, job) < 0)
                log_warning("No timer is left: job %.12s stays owed until the next start.",
                                job_id(job));
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;

        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        refund(job);
        return 0;
}

static void refund_later(Job *job) {
        usec_t pause = job->pay.n_refunds < 6 ? AGAIN_FIRST << job->pay.n_refunds : AGAIN_MAX;

        job->pay.n_refunds++;
        again_in(job, pause, on_again);
}

static void on_refunded(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Job *job = userdata;

        if (error < 0 || streq(paid->state, "failed")) {
                log_event(LOG_WARNING, LOG_ID_JOB_OWED, LOG_FIELDS("PYLON_JOB", job_id(job)),
                                "Job %.12s could not be paid back: %s", job_id(job),
                                error < 0 ? reason : paid->reason);
                refund_later(job);
                return;
        }
        if (!streq(paid->state, "settled")) {
                again_in(job, LOOK_AGAIN, on_again);
                return;
        }
        log_event(LOG_NOTICE, LOG_ID_JOB_REFUNDED, LOG_FIELDS("PYLON_JOB", job_id(job)),
                        "Job %.12s was paid back.", job_id(job));
        job_tell(job, JOB_STATUS_ERROR, _("Your payment was sent back."));
        job->pay.refunded = true;
        flow_drive(&job->flow, flow_go(JOB_CANCELLED));
}

/* The same job is paid back once, whatever is asked. */
static void refund(Job *job) {
        if (!job->pay.destination || job->pay.call)
                return;
        if (wallet_refund(job->provider->wallet, job_id(job), job->pay.destination, on_refunded,
                            job, &job->pay.call) < 0)
                refund_later(job);
}

/* It may be the customer's NWC address, which is a secret. */
void job_forget_destination(Job *job) {
        if (job->pay.destination)
                explicit_bzero(job->pay.destination, strlen(job->pay.destination));
        job->pay.destination = mfree(job->pay.destination);
}

static void refund_to(Job *job, const char *destination) {
        job_forget_destination(job);
        job->pay.destination = strdup(destination);
        refund(job);
}

/* ---- where to */

/* In the request, whatever the customer calls it. */
static const char *said_destination(const Job *job) {
        static const char *const names[] = { "lud16", "refund", "lnurl", "nwc" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *value = job_request_param(job->request, names[i]);

                if (!isempty(value))
                        return value;
        }
        return NULL;
}

/* NIP-01: a profile is the content of the author's newest kind 0. */
static void on_profile(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        _cleanup_(json_unrefp) Json *profile = NULL;
        const char *why, *address = NULL;
        Job *job = userdata;
        size_t size;

        if (error < 0 || n == 0 ||
                        memcmp(event_pubkey(events[0]), event_pubkey(job->request->event), 32) != 0)
                return;
        why = event_content(events[0], &size);
        if (json_parse(why, size, 8, 4096, &profile, &why) < 0 || !json_is_object(profile) ||
                        json_string(json_get(profile, "lud16"), &address) < 0 || isempty(address))
                return;
        log_info("Job %.12s is paid back to the address in its customer's profile.", job_id(job));
        refund_to(job, address);
}

static void ask_profile(Job *job) {
        char filter[128];
        const RelayQuestion question = {
                .filters = (const char *const[]){ filter, NULL },
                .relays = (const char *const *) job->relays,
                .limit = 1,
                .timeout = PROFILE_USEC,
        };

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[0],\"authors\":[\"%s\"],\"limit\":1}",
                        event_pubkey_hex(job->request->event));
        if (relay_client_query(job->provider->relay, &question, on_profile, job,
                            &job->pay.profile) < 0)
                log_debug("The customer's profile cannot be asked for.");
}

static void look_for_destination(Job *job) {
        const char *said = said_destination(job);

        if (said)
                refund_to(job, said);
        else
                ask_profile(job);
}

static int on_find_again(sd_event_source *s, uint64_t usec, void *userdata);

static void on_opened(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Job *job = userdata;
        const char *why;

        if (error < 0) {
                again_in(job, AGAIN_FIRST, on_find_again);
                return;
        }
        if (results[0].error >= 0 && job_request_open(job->request, results[0].text,
                                                     strlen(results[0].text), &why) >= 0)
                job->scheme = streq(results[0].scheme, "nip04") ? "nip04" : "nip44";
        look_for_destination(job);
}

/* After a restart what came encrypted has to be opened again. */
static void find_destination(Job *job) {
        const SignerText text = {
                .peer = event_pubkey_hex(job->request->event),
                .text = event_content(job->request->event, NULL),
        };

        if (!job->provider->config->pay.refund || !pricing_has_wallet(job->provider->config))
                return;
        if (!job->request->encrypted || job->request->opened)
                look_for_destination(job);
        else if (signer_decrypt(job->provider->signer, PROVIDER_KEY, &text, 1, on_opened, job,
                                 &job->signer_call) < 0)
                again_in(job, AGAIN_FIRST, on_find_again);
}

static int on_find_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Job *job = userdata;

        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        find_destination(job);
        return 0;
}

/* ---- owed */

static bool may_still_be_delivered(const Job *job) {
        return job->pay.resumed && job->pay.late && !job->pay.delivered_late &&
               job->provider->config->pay.deliver_late && job->provider->state == PROVIDER_ONLINE;
}

Step job_owe(Flow *f) {
        Job *job = flow_job(f);

        job_note_payment(job);
        job->pay.paid = true;
        if (may_still_be_delivered(job)) {
                job->pay.delivered_late = true;
                return flow_go(job->result ? JOB_PUBLISHING : JOB_RECEIVED);
        }

        log_event(LOG_NOTICE, LOG_ID_JOB_OWED, LOG_FIELDS("PYLON_JOB", job_id(job)),
                        "Job %.12s was paid and could not be done; it is owed.", job_id(job));
        if (f->from != JOB_OWED)
                job_tell(job, JOB_STATUS_ERROR, job_reason(job));
        find_destination(job);
        return flow_wait();
}

int job_settle(Job *job, const char *destination) {
        if (job->flow.state != JOB_OWED || job->flow.recording)
                return -EINVAL;
        if (job->pay.call)
                return -EBUSY;

        job->pay.timer = sd_event_source_disable_unref(job->pay.timer);
        job->pay.profile = relay_query_free(job->pay.profile);
        job->signer_call = signer_call_free(job->signer_call);
        if (destination)
                refund_to(job, destination);
        else
                flow_drive(&job->flow, flow_go(JOB_COMPLETED));
        return 0;
}
