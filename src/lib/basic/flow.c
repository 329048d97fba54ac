#include "basic/flow.h"

#include <stdio.h>

static const FlowState *flow_state(const Flow *f) {
        return f->table->states + f->state;
}

Step flow_wait(void) {
        return (Step){ .kind = FLOW_WAIT };
}

Step flow_go(int state) {
        return (Step){ .kind = FLOW_GO, .state = state };
}

Step flow_fail(Flow *f, int error, const char *reason) {
        assert(error < 0);

        f->error = error;
        (void) snprintf(f->reason, sizeof(f->reason), "%s", reason ?: "");
        return flow_go(flow_state(f)->fails);
}

static int flow_on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Flow *f = userdata;

        (void) flow_fail(f, -ETIMEDOUT, "it took too long");
        flow_drive(f, flow_go(flow_state(f)->late));
        return 0;
}

static int flow_arm(Flow *f, uint64_t usec) {
        f->deadline = sd_event_source_disable_unref(f->deadline);
        if (usec == 0)
                return 0;

        /* The accuracy is given: 0 would mean the library's default of 250 ms. */
        return sd_event_add_time_relative(f->event, &f->deadline, CLOCK_BOOTTIME, usec,
                        usec / 64 + 1, flow_on_deadline, f);
}

static bool flow_may_follow(const Flow *f, int state) {
        const FlowState *s = flow_state(f);

        return s->next & (UINT32_C(1) << state) || state == s->fails ||
               (s->deadline_usec > 0 && state == s->late);
}

/* Announces the state and runs it. For a durable state the record is on disk by now. */
static Step flow_act(Flow *f) {
        uint64_t usec = flow_state(f)->deadline_usec;
        int r;

        r = flow_arm(f, usec > 0 && f->table->deadline ? f->table->deadline(f) : usec);
        if (r < 0)
                return flow_fail(f, r, "no timer is left");

        if (f->table->changed)
                f->table->changed(f, f->from);

        return flow_state(f)->enter ? flow_state(f)->enter(f) : flow_wait();
}

static Step flow_enter(Flow *f, int state) {
        int r;

        assert(flow_may_follow(f, state));

        f->from = f->state;
        f->state = state;
        f->deadline = sd_event_source_disable_unref(f->deadline);
        if (!flow_state(f)->durable || !f->table->record)
                return flow_act(f);

        r = f->table->record(f);
        if (r < 0)
                return flow_fail(f, r, "it could not be written down");
        if (r > 0)
                return flow_act(f);

        f->recording = true;
        return flow_wait();
}

void flow_drive(Flow *f, Step s) {
        if (f->finished)
                return; /* a late callback */

        /* Half written down is nowhere: what came meanwhile waits for the disk. The last word wins.
         */
        if (f->recording) {
                f->next = s.kind == FLOW_GO ? s : f->next;
                return;
        }

        /* A loop rather than recursion: ten states in a row need no more stack than one. */
        assert(!f->driving);
        f->driving = true;
        while (s.kind == FLOW_GO && !flow_state(f)->final)
                s = flow_enter(f, s.state);
        f->driving = false;

        if (flow_state(f)->final && !f->recording) {
                f->finished = true;
                flow_stop(f);
                f->table->done(f);
        }
}

void flow_recorded(Flow *f, int error) {
        assert(f->recording);

        f->recording = false;
        if (error < 0 && !flow_state(f)->final)
                flow_drive(f, flow_fail(f, error, "it could not be written down"));
        else if (f->next.kind == FLOW_GO && !flow_state(f)->final)
                flow_drive(f, TAKE(f->next, flow_wait()));
        else
                flow_drive(f, flow_act(f));
}

/* A forgotten .fails or .late is found at the first start, not at the first failure. */
static void flow_check_table(const FlowTable *t) {
        for (const FlowState *s = t->states; s < t->states + t->n_states; s++) {
                assert(s->name);
                assert(s->final || s->fails != 0); /* nothing leads back to the first state */
                assert(s->deadline_usec == 0 || s->late != 0);
        }
}

int flow_start(Flow *f, const FlowTable *t, sd_event *e, int first) {
        flow_check_table(t);

        *f = (Flow){ .table = t, .event = sd_event_ref(e), .state = first, .from = first };
        flow_drive(f, flow_act(f));
        return 0;
}

void flow_stop(Flow *f) {
        f->deadline = sd_event_source_disable_unref(f->deadline);
        f->event = sd_event_unref(f->event);
}
