/* What a backend is given: the task that a request is understood as, and, once it is accepted, the
 * task with its inputs. They are gathered before the job waits for a slot, and once more after a
 * restart. Whose turn it is to fetch goes by class and customer, as with the work itself; how much
 * is fetched and kept at a time is bounded, whatever strangers ask for. */
#include "basic/log.h"
#include "job.h"
#include "provider.h"
#include "understand.h"

#define FETCHING_MAX 16         /* jobs at a time */
#define WAITING_MAX  64         /* that wait for another job, and hold what they have fetched */
#define FETCHED_MAX  (64 << 20) /* bytes of inputs whose work has not begun; then nobody fetches */

Verdict job_understand(Job *job) {
        Provider *p = job->provider;
        const Kind *k = kind_table_find(&p->kind_table, event_kind(job->request->event));
        const InputRules rules = gather_rules(p->config);

        if (!k)
                return VERDICT_UNSUPPORTED_KIND;
        job_drop_task(job);
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
        job_drop_task(job);
        job->task = task;
        job->gathered = true;
        job->fetched = task->size;
        job->provider->fetched_bytes += task->size;
        return 0;
}

void job_drop_task(Job *job) {
        job->provider->fetched_bytes -= TAKE(job->fetched, 0);
        job->task = text_task_free(job->task);
        job->gathered = false;
}

/* ---- who fetches when */

static bool waits_for_jobs(const Job *job) {
        for (size_t i = 0; i < job->request->n_inputs; i++)
                if (job->request->inputs[i].type == INPUT_JOB)
                        return true;
        return false;
}

static unsigned *count_of(const Job *job) {
        Provider *p = job->provider;

        return waits_for_jobs(job) ? &p->n_waiting_for_jobs : &p->n_fetching;
}

static bool may_fetch(const QueueItem *item, void *userdata) {
        const Provider *p = userdata;

        if (p->fetched_bytes > FETCHED_MAX)
                return false;
        return waits_for_jobs(container_of(item, Job, fetch)) ? p->n_waiting_for_jobs < WAITING_MAX
                                                              : p->n_fetching < FETCHING_MAX;
}

static void stop_gathering(Job *job) {
        if (!job->gather)
                return;
        job->gather = gather_free(job->gather);
        --*count_of(job);
        provider_want_turn(job->provider);
}

void job_forget_inputs(Job *job) {
        Provider *p = job->provider;

        if (queue_is_waiting(&job->fetch))
                queue_remove(&p->fetch, &job->fetch);
        stop_gathering(job);
}

static void on_gathered(int error, const char *reason, const char *const *texts, void *userdata) {
        Job *job = userdata;

        if (error >= 0)
                error = take_inputs(job, texts, &reason);
        if (error >= 0) {
                stop_gathering(job);
                job_enter_queue(job);
                return;
        }
        log_debug("Job %.12s has no input: %s", job_id(job), reason);
        flow_drive(&job->flow, flow_fail(&job->flow, error, reason));
}

static int start(Job *job) {
        Provider *p = job->provider;
        GatherDoors doors = {
                .event = p->event,
                .config = p->config,
                .relay = p->relay,
                .store = p->store,
                .signer = p->signer,
                .pubkey_hex = p->pubkey_hex,
        };
        int r = 0;

        if (!p->http)
                r = http_new(p->event, NULL, &p->http);
        if (r < 0)
                return r;
        doors.http = p->http;
        r = gather_start(&doors, job->request, job->relays, on_gathered, job, &job->gather);
        if (r >= 0)
                ++*count_of(job);
        return r;
}

void job_gather(Job *job) {
        Provider *p = job->provider;

        job_forget_inputs(job);
        queue_push(&p->fetch, &job->fetch, job->class, &job->customer->fetch_lanes[job->class]);
        provider_want_turn(p);
}

bool provider_fetch_next(Provider *p) {
        QueueItem *item = queue_take(&p->fetch, may_fetch, p);
        Job *job = item ? container_of(item, Job, fetch) : NULL;
        int r;

        if (!job)
                return false;
        r = start(job);
        if (r < 0)
                flow_drive(&job->flow,
                                flow_fail(&job->flow, r, _("The inputs could not be fetched.")));
        return true;
}
