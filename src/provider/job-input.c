/* What a backend is given: the task that a request is understood as, and, once it is accepted, the
 * task with its inputs. They are gathered before the job waits for a slot, and once more after a
 * restart. */
#include "basic/log.h"
#include "job.h"
#include "provider.h"
#include "understand.h"

Verdict job_understand(Job *job) {
        Provider *p = job->provider;
        const Kind *k = kind_table_find(&p->kind_table, event_kind(job->request->event));
        const InputRules rules = gather_rules(p->config);

        if (!k)
                return VERDICT_UNSUPPORTED_KIND;
        job->task = text_task_free(job->task);
        return understand(k, job->request, &rules, &job->task, &job->reason);
}

bool job_needs_inputs(const Job *job) {
        return job->task && !job->gathered && gather_is_needed(job->request);
}

/* The row may be another one than it was when the job came; what the customer asks for is not. */
static int take_inputs(Job *job, const char *const *texts, const char **reterr) {
        const Kind *k = kind_table_find(
                        &job->provider->kind_table, event_kind(job->request->event));
        TextTask *task;
        int r;

        *reterr = _("There is no memory.");
        if (!k || k->work == KIND_WORK_REQUEST) {
                *reterr = _("This provider does not do this kind of work any more.");
                return -EOPNOTSUPP;
        }
        r = text_task_new(k, job->request, texts, &task, reterr);
        if (r < 0)
                return r;
        (void) text_task_free(job->task);
        job->task = task;
        job->gathered = true;
        return 0;
}

static void on_gathered(int error, const char *reason, const char *const *texts, void *userdata) {
        Job *job = userdata;

        if (error >= 0)
                error = take_inputs(job, texts, &reason);
        if (error >= 0) {
                job->gather = gather_free(job->gather);
                job_enter_queue(job);
                return;
        }
        log_debug("Job %.12s has no input: %s", job_id(job), reason);
        flow_drive(&job->flow, flow_fail(&job->flow, error, reason));
}

int job_gather(Job *job) {
        Provider *p = job->provider;
        GatherDoors doors = {
                .event = p->event,
                .config = p->config,
                .http = p->http,
                .relay = p->relay,
                .store = p->store,
                .signer = p->signer,
                .pubkey_hex = p->pubkey_hex,
        };

        int r;

        if (!p->http) {
                r = http_new(p->event, NULL, &p->http);
                if (r < 0)
                        return r;
                doors.http = p->http;
        }
        job->gather = gather_free(job->gather);
        return gather_start(&doors, job->request, job->relays, on_gathered, job, &job->gather);
}
