/* Questions to models: each is given to the server that fits best, waits where none has a slot, and
 * goes to another one where that one breaks down. */
#include "router-private.h"

#include "basic/log.h"

#define BYTES_A_TOKEN_MAX 16         /* so many at most, on average: what is longer cannot fit */
#define MISSING_USEC      (60 * SEC) /* so long a model may be away that was there */
#define BUSY_USEC         (1 * SEC)

static Router *work_router(const RouterWork *w) {
        return router_of(w->work.backend);
}

static void work_unlink(RouterWork *w) {
        for (RouterWork **p = &work_router(w)->works; *p; p = &(*p)->next)
                if (*p == w) {
                        *p = w->next;
                        break;
                }
        w->running = false;
        w->talk = talk_free(w->talk);
        router_want_turn(work_router(w)); /* a slot may be free */
}

/* The last thing that is done with it. */
static void work_end(RouterWork *w, const TalkEnd *end) {
        const WorkUsage usage = {
                .tokens_in = end->tokens_in,
                .tokens_out = end->tokens_out,
                .model = w->model ?: "",
                .backend = w->backend ?: "",
                .duration = router_now(work_router(w)) - w->since,
        };
        Talk *talk = TAKE_PTR(w->talk); /* whose the content is */

        work_unlink(w);
        w->events.done(end->error, end->reason, end->content, end->size, &usage, w->userdata);
        (void) talk_free(talk);
}

static void work_fail(RouterWork *w, int error, const char *reason) {
        work_end(w, &(TalkEnd){
                                    .error = error,
                                    .reason = reason,
                                    .content = "",
                                    .tokens_in = -1,
                                    .tokens_out = -1,
                    });
}

static void on_text(const char *bytes, size_t size, void *userdata) {
        RouterWork *w = userdata;

        w->told = true;
        if (w->events.partial)
                w->events.partial(bytes, size, w->userdata);
}

static void on_done(const TalkEnd *end, void *userdata);

/* 1: it talks; 0: no server that has the model has a slot; -ENOENT: none has the model. */
static int work_talk(RouterWork *w) {
        Router *r = work_router(w);
        RouterChoice c;
        Endpoint *e;
        int q;

        if (router_choose(r, w->wanted, w->task->work, w->tried, &c) <= 0)
                return -ENOENT;
        e = r->endpoints[c.endpoint];
        if (!endpoint_has_slot(e, c.model))
                return 0;

        free(w->model);
        free(w->backend);
        w->model = strdup(c.model->name);
        w->backend = strdup(e->config->name);
        if (!w->model || !w->backend)
                return -ENOMEM;
        w->endpoint = c.endpoint;
        w->tried |= UINT64_C(1) << c.endpoint;
        q = talk_start(e, c.model->id, w->task, on_text, on_done, w, &w->talk);
        if (q < 0)
                return q;
        if (w->paused)
                talk_pause(w->talk, true);
        return 1;
}

static const char *too_long(void) {
        return _("The text is longer than the model can read.");
}

static const char *away(void) {
        return _("No server has this model at the moment.");
}

static void work_wait(RouterWork *w) {
        Router *r = work_router(w);

        w->waiting = w->waiting ?: router_now(r);
        router_wake_at(r, router_now(r) + MISSING_USEC);
}

/* What was said so far is void: the next one begins again. */
static void work_restart(RouterWork *w) {
        w->told = false;
        if (w->events.partial)
                w->events.partial(NULL, 0, w->userdata);
}

static bool has_another(const RouterWork *w) {
        RouterChoice c;

        return router_choose(work_router(w), w->wanted, w->task->work, w->tried, &c) > 0;
}

/* Somebody else keeps the server busy, or it is loading: that passes. */
static bool may_wait(RouterWork *w, const TalkEnd *end) {
        usec_t now = router_now(work_router(w));

        if (end->error != -EAGAIN)
                return false;
        w->refused = w->refused ?: now;
        if (now >= w->refused + MISSING_USEC)
                return false;
        w->tried &= ~(UINT64_C(1) << w->endpoint);
        w->not_before = now + BUSY_USEC;
        router_wake_at(work_router(w), w->not_before);
        return true;
}

static void on_done(const TalkEnd *end, void *userdata) {
        RouterWork *w = userdata;
        TalkEnd last = *end;
        bool final = end->error >= 0 || end->error == -E2BIG || end->error == -EINVAL;

        if (final || (!has_another(w) && !may_wait(w, end))) {
                if (!final)
                        last.error = -ECONNRESET;
                work_end(w, &last);
                return;
        }

        log_info("The backend '%s' did not answer a question, which is asked again.", w->backend);
        w->talk = talk_free(w->talk);
        w->waiting = router_now(work_router(w));
        router_want_turn(work_router(w)); /* a slot is free, and this one waits */
}

/* ---- for the servers */

void router_serve_waiting(Router *r) {
        usec_t now = router_now(r);
        RouterWork *next;

        for (RouterWork *w = r->works; w; w = next) {
                int q;

                next = w->next;
                if (w->talk || now < w->not_before) {
                        if (!w->talk)
                                router_wake_at(r, w->not_before);
                        continue;
                }
                if (w->told) {
                        router_want_turn(r);
                        work_restart(w);
                        return; /* the list may be another one now */
                }
                q = work_talk(w);
                if (q > 0)
                        w->waiting = 0;
                else if (q == 0)
                        work_wait(w);
                else if (q == -ENOENT && w->waiting > 0 && now < w->waiting + MISSING_USEC)
                        work_wait(w);
                else {
                        if (q == -ENOENT)
                                work_fail(w, -ECONNRESET, away());
                        else if (q == -E2BIG)
                                work_fail(w, q, too_long());
                        else
                                work_fail(w, -ECONNRESET,
                                                _("The model's server cannot be reached."));
                        router_want_turn(r);
                        return; /* the list may be another one now */
                }
        }
}

void router_forget_endpoint(Router *r, size_t i) {
        for (RouterWork *w = r->works; w; w = w->next) {
                if (!w->talk || w->endpoint != i)
                        continue;
                w->talk = talk_free(w->talk);
                w->tried &= ~(UINT64_C(1) << i);
                w->waiting = router_now(r);
        }
        router_want_turn(r);
}

/* ---- the class's functions */

Verdict router_work_new(Router *r, const TextTask *task, Work **ret, const char **ret_reason) {
        /* What is there is not known yet: after a start jobs are taken up before anybody was asked.
         */
        bool waits = task->taken || router_is_new(r);
        RouterChoice c;
        RouterWork *w;

        if (!router_can(r, task->work) && !waits)
                return VERDICT_NO_BACKEND;
        if (router_choose(r, task->model, task->work, 0, &c) <= 0) {
                if (!waits)
                        return VERDICT_UNKNOWN_MODEL;
        } else if (c.model->context > 0 && task->size / BYTES_A_TOKEN_MAX > c.model->context) {
                *ret_reason = too_long();
                return VERDICT_TOO_LARGE;
        }

        w = new0(RouterWork, 1);
        if (!w)
                return VERDICT_TROUBLE;
        w->work.backend = &r->backend;
        w->kind = task->work;
        w->wanted = strdup(task->model);
        if (!w->wanted) {
                free(w);
                return VERDICT_TROUBLE;
        }
        *ret = &w->work;
        return VERDICT_ACCEPTED;
}

Verdict router_work_check(Backend *b, _unused_ const JobRequest *request, const TextTask *task,
                Work **ret, const char **ret_reason) {
        return router_work_new(router_of(b), task, ret, ret_reason);
}

/* Where the model is away it waits a while in the queue, and fails then. */
bool router_work_ready(const Work *work) {
        RouterWork *w = container_of((Work *) work, RouterWork, work);
        Router *r = work_router(w);
        RouterChoice c;

        if (!router_has_slot(r))
                return false; /* asked for each who waits, so quickly */
        if (router_choose(r, w->wanted, w->kind, 0, &c) > 0) {
                w->missing = 0;
                return endpoint_has_slot(r->endpoints[c.endpoint], c.model);
        }
        if (w->missing > 0 && router_now(r) >= w->missing + MISSING_USEC)
                return true;
        w->missing = w->missing ?: router_now(r);
        router_wake_at(r, w->missing + MISSING_USEC);
        return false;
}

int router_work_start(Work *work, const TextTask *task, const WorkEvents *events, void *userdata) {
        RouterWork *w = container_of(work, RouterWork, work);
        Router *r = work_router(w);
        RouterWork **end = &r->works;

        assert(!w->running && task);
        w->task = task;
        w->events = *events;
        w->userdata = userdata;
        w->tried = 0;
        w->told = false;
        w->since = router_now(r);
        w->waiting = w->refused = w->not_before = 0;
        w->running = true;
        w->next = NULL;
        while (*end)
                end = &(*end)->next;
        *end = w;
        if (work_talk(w) <= 0)
                router_want_turn(r); /* which also says it where it cannot be */
        return 0;
}

void router_work_pause(Work *work, bool pause) {
        RouterWork *w = container_of(work, RouterWork, work);

        w->paused = pause;
        if (w->talk)
                talk_pause(w->talk, pause);
}

void router_work_free(Work *work) {
        RouterWork *w = container_of(work, RouterWork, work);

        if (w->running)
                work_unlink(w);
        free(w->wanted);
        free(w->model);
        free(w->backend);
        free(w);
}
