#include "intake.h"

#include "basic/log.h"
#include "provider.h"

/* True: a job has taken the delivery over, and finishes with it when its end is on disk. */
static bool on_cancellation(Provider *p, const Event *e, uint64_t seq) {
        const Tag *t = NULL;
        bool taken = false;

        while ((t = event_find_tag(e, "e", t))) {
                uint8_t id[32];
                Job *job;

                if (t->n < 2 || hex_decode(t->values[1], id, sizeof(id)) < 0)
                        continue;
                job = map_get(&p->jobs, id, sizeof(id));
                /* NIP-09: only its author may take back what he wrote. */
                if (job && memcmp(event_pubkey(job->request->event), event_pubkey(e), 32) == 0)
                        taken |= job_cancel(job, taken ? 0 : seq);
        }
        return taken;
}

/* True: a job has taken the delivery over and finishes with it. */
static bool on_request(Provider *p, const RelayEvent *e) {
        _cleanup_(job_request_freep) JobRequest *request = NULL;
        const char *reason;
        Job *job;
        int r;

        job = map_get(&p->jobs, event_id(e->event), 32);
        if (job && (job->stored || job->seq > 0)) {
                tally_count(&p->tally, provider_now(p), e->relay, event_kind(e->event),
                                verdict_name(VERDICT_DUPLICATE));
                return false; /* on disk, or its first delivery is not finished before that */
        }
        if (job) {
                job->seq = e->seq;
                return true;
        }
        if (job_request_parse(e->event, &request, &reason) < 0) {
                tally_count(&p->tally, provider_now(p), e->relay, event_kind(e->event),
                                verdict_name(VERDICT_UNREADABLE));
                return false;
        }

        r = job_new(p, request, e->relay, &job);
        if (r < 0) {
                (void) log_warning_errno(r, "A request could not be looked at: %m");
                return false;
        }
        (void) TAKE_PTR(request);
        job->seq = e->seq;
        job_start(job);
        return true;
}

/* The relay was started again and will hand over what was not acknowledged, with other numbers. */
static void forget_deliveries(Provider *p) {
        Job *job;

        MAP_FOREACH (job, &p->jobs)
                job->seq = 0;
        zaps_forget_deliveries(p);
}

/* True: somebody has taken the delivery over and finishes with it. */
static bool on_event(Provider *p, const RelayEvent *e) {
        switch (event_kind(e->event)) {
        case 5:
                return on_cancellation(p, e->event, e->seq);
        case 9735:
                return zap_take(p, e);
        default:
                return on_request(p, e);
        }
}

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Provider *p = userdata;
        int r;

        if (outreach_events(p, name, events, n))
                return;

        for (const RelayEvent *e = events; e < events + n; e++) {
                r = inbox_add(&p->inbox, e->seq);
                if (r < 0) {
                        log_debug("The relay sends more than was agreed.");
                        return; /* it comes again */
                }
                if (r > 0)
                        forget_deliveries(p);
                if (on_event(p, e))
                        continue;
                provider_finish(p, e->seq);
        }
}

static void on_outcome(const char *id_hex, const char *relay, RelayVerdict verdict,
                const char *message, void *userdata) {
        Provider *p = userdata;
        uint8_t id[32];
        Job *job;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return;

        job = map_get(&p->results, id, sizeof(id));
        if (job)
                job_outcome(job, relay, verdict, message);
        else if (verdict != RELAY_TRYING)
                relay_client_forget(
                                p->relay, id_hex); /* an announcement, or a job that has ended */
}

const RelayHandler intake_handler = {
        .events = on_events,
        .outcome = on_outcome,
};
