/* The story of a job: how it was decided, how long it waited and ran, and where; told to the tally
 * for `pylon why`, and to whom it concerns while it waits. */
#include <stdio.h>

#include "job.h"
#include "provider.h"

#define WORTH_TELLING (5 * SEC) /* a wait that the customer hears of */

static usec_t now_usec(const Job *job) {
        uint64_t now = 0;

        (void) sd_event_now(job->provider->event, CLOCK_BOOTTIME, &now);
        return now;
}

static int64_t ms_between(usec_t from, usec_t to) {
        return from > 0 && to >= from ? (int64_t) ((to - from) / MSEC) : -1;
}

static void tell_story(const Job *job, const char *reason) {
        const WhyRequest r = {
                .id = job_id(job),
                .relay = job->relay,
                .verdict = verdict_name(job->verdict),
                .reason = reason,
                .class = job->queued_at > 0 ? queue_class_name(job->class) : "",
                .backend = job->backend,
                .model = job->model,
                .kind = event_kind(job->request->event),
                .at = provider_now(job->provider),
                .bid_msat = job->request->bid_msat,
                .price_msat = job->asked_msat,
                .wait_ms = ms_between(job->queued_at, job->started_at),
                .run_ms = ms_between(job->started_at, job->worked_at),
        };

        tally_request(&job->provider->tally, &r);
}

/* Of what is nobody's business here, only the number is kept. */
static bool is_worth_a_story(Verdict v) {
        return v != VERDICT_UNSUPPORTED_KIND && v != VERDICT_NOT_FOR_US && v != VERDICT_DUPLICATE;
}

void job_note_verdict(Job *job, const char *reason) {
        Provider *p = job->provider;
        uint16_t kind = event_kind(job->request->event);
        int64_t now = provider_now(p), bid = job->request->bid_msat;

        if (!job->fresh)
                return; /* it was counted in an earlier life, or a state ago */

        job->fresh = false;
        tally_count(&p->tally, now, job->relay, kind, verdict_name(job->verdict));
        if (job->verdict == VERDICT_TOO_CHEAP)
                tally_bid(&p->tally, now, kind, bid, job->asked_msat);
        if (job->verdict != VERDICT_ACCEPTED && is_worth_a_story(job->verdict))
                tell_story(job, reason);
}

void job_note_end(Job *job, const char *reason) {
        if (job->stored && job->queued_at > 0)
                tell_story(job, reason);
}

void job_note_queued(Job *job) {
        job->queued_at = now_usec(job);
}

void job_note_started(Job *job) {
        job->started_at = now_usec(job);
}

static void keep(char **field, const char *text) {
        free(*field);
        *field = isempty(text) ? NULL : strdup(text);
}

static void work_name(const Job *job, char ret[static ESTIMATE_NAME_MAX]) {
        (void) snprintf(ret, ESTIMATE_NAME_MAX, "%u/%s", event_kind(job->request->event),
                        job->task ? job->task->model : "");
}

void job_note_usage(Job *job, const WorkUsage *usage) {
        char name[ESTIMATE_NAME_MAX];

        job->worked_at = now_usec(job);
        keep(&job->backend, usage ? usage->backend : job->work->backend->class->name);
        keep(&job->model, usage ? usage->model : NULL);
        work_name(job, name);
        if (!job->work->small && job->worked_at >= job->started_at)
                durations_note(&job->provider->durations, name, job->worked_at - job->started_at);
}

bool job_estimate(const Job *job, size_t *ret_position, usec_t *ret_wait) {
        const Provider *p = job->provider;
        char name[ESTIMATE_NAME_MAX];
        unsigned slots = p->config->provider.max_concurrent_jobs;

        if (!queue_is_waiting(&job->queue) || job->work->small)
                return false;
        work_name(job, name);
        *ret_position = queue_position(&p->queue, &job->queue);
        *ret_wait = estimate_wait(*ret_position, MIN(slots, MAX(job->work->backend->n_slots, 1U)),
                        p->n_running, durations_mean(&p->durations, name));
        return true;
}

/* NIP-90: "processing" says that there will be an answer; its text says when. */
void job_tell_place(Job *job) {
        char text[128];
        size_t position;
        usec_t wait;

        if (!job_estimate(job, &position, &wait) || wait < WORTH_TELLING)
                return;
        (void) snprintf(text, sizeof(text), _("waiting; position %zu, about %llu s"), position,
                        (unsigned long long) (wait / SEC));
        job_tell(job, JOB_STATUS_PROCESSING, text);
}
