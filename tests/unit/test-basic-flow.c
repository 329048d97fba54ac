/* basic/flow: the promises which every table of states relies on. */
#include "tests/unit/unit.h"

#include "basic/flow.h"

enum { START, WAITING, SAVED, END, BROKEN, LATE, _STATE_MAX };

typedef struct Walk {
        Flow flow;
        sd_event *event;
        char trail[128];
        int record_error; /* what record() answers at once */
        unsigned n_done;
} Walk;

static void walk_note(Walk *w, const char *what) {
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%s ", what);
}

static Step walk_start(_unused_ Flow *f) {
        return flow_go(WAITING);
}

static Step walk_wait(_unused_ Flow *f) {
        return flow_wait();
}

static Step walk_saved(Flow *f) {
        walk_note(container_of(f, Walk, flow), "acts");
        return flow_wait();
}

static int walk_record(Flow *f) {
        Walk *w = container_of(f, Walk, flow);

        walk_note(w, "records");
        return w->record_error;
}

static void walk_changed(Flow *f, _unused_ int from) {
        walk_note(container_of(f, Walk, flow), flow_state_name(f));
}

static void walk_done(Flow *f) {
        Walk *w = container_of(f, Walk, flow);

        w->n_done++;
        (void) sd_event_exit(w->event, 0);
}

/* clang-format off */
static const FlowState states[_STATE_MAX] = {
        /*             name       enter       deadline  late  fails   next                durable */
        [START]   = { "start",   walk_start, 0,        0,    BROKEN, B(WAITING),         false, false },
        [WAITING] = { "waiting", walk_wait,  MSEC,     LATE, BROKEN, B(SAVED) | B(END),  false, false },
        [SAVED]   = { "saved",   walk_saved, MSEC,     LATE, BROKEN, B(END),             true,  false },
        [END]     = { "end",     .durable = true, .final = true },
        [BROKEN]  = { "broken",  .final = true },
        [LATE]    = { "late",    .final = true },
};
/* clang-format on */
static const FlowTable table = {
        "walk",
        states,
        _STATE_MAX,
        walk_record,
        walk_changed,
        walk_done,
};

static void walk_begin(Walk *w) {
        assert_int_equal(sd_event_new(&w->event), 0);
        assert_int_equal(flow_start(&w->flow, &table, w->event, START), 0);
}

static void walk_end(Walk *w) {
        flow_stop(&w->flow);
        w->event = sd_event_unref(w->event);
}

static void a_deadline_leads_to_the_late_state(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        assert_int_equal(sd_event_loop(w.event), 0);
        assert_string_equal(w.trail, "start waiting late ");
        assert_int_equal(w.flow.error, -ETIMEDOUT);
        assert_int_equal(w.n_done, 1);
        walk_end(&w);
}

static void a_durable_state_is_recorded_before_it_is_announced_or_entered(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(SAVED));
        assert_string_equal(w.trail, "start waiting records ");
        flow_recorded(&w.flow, 0);
        assert_string_equal(w.trail, "start waiting records saved acts ");
        walk_end(&w);
}

static void what_arrives_while_recording_is_done_afterwards(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(SAVED));
        flow_drive(&w.flow, flow_go(END));
        assert_string_equal(w.trail, "start waiting records ");
        assert_int_equal(w.flow.state, SAVED);

        flow_recorded(&w.flow, 0);
        assert_int_equal(w.flow.state, END);
        assert_int_equal(w.n_done, 0);

        flow_recorded(&w.flow, 0);
        assert_string_equal(w.trail, "start waiting records records end ");
        assert_int_equal(w.n_done, 1);
        walk_end(&w);
}

static void no_deadline_runs_while_recording(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(SAVED));
        assert_int_equal(sd_event_run(w.event, 20 * MSEC), 0);
        assert_int_equal(w.flow.state, SAVED);
        assert_int_equal(w.n_done, 0);
        walk_end(&w);
}

static void a_failure_leads_to_the_failing_state_with_its_reason(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_fail(&w.flow, -ECONNRESET, "the peer went away"));
        assert_string_equal(w.trail, "start waiting broken ");
        assert_int_equal(w.flow.error, -ECONNRESET);
        assert_string_equal(w.flow.reason, "the peer went away");
        assert_int_equal(w.n_done, 1);
        walk_end(&w);
}

static void a_record_that_cannot_be_started_is_a_failure(_unused_ void **state) {
        Walk w = { .record_error = -ENOBUFS };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(SAVED));
        assert_string_equal(w.trail, "start waiting records broken ");
        assert_int_equal(w.flow.error, -ENOBUFS);
        walk_end(&w);
}

static void a_record_that_fails_later_is_a_failure_and_nothing_was_announced(
                _unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(SAVED));
        flow_recorded(&w.flow, -EIO);
        assert_string_equal(w.trail, "start waiting records broken ");
        assert_int_equal(w.flow.error, -EIO);
        walk_end(&w);
}

static void a_late_callback_changes_nothing(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_drive(&w.flow, flow_go(END));
        flow_recorded(&w.flow, 0);
        flow_drive(&w.flow, flow_go(END));
        flow_drive(&w.flow, flow_fail(&w.flow, -EIO, "too late"));
        assert_string_equal(w.trail, "start waiting records end ");
        assert_int_equal(w.n_done, 1);
        walk_end(&w);
}

static void a_stopped_flow_is_not_done(_unused_ void **state) {
        Walk w = { 0 };

        walk_begin(&w);
        flow_stop(&w.flow);
        assert_int_equal(sd_event_run(w.event, 5 * MSEC), 0);
        assert_int_equal(w.n_done, 0);
        walk_end(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_deadline_leads_to_the_late_state),
                cmocka_unit_test(a_durable_state_is_recorded_before_it_is_announced_or_entered),
                cmocka_unit_test(what_arrives_while_recording_is_done_afterwards),
                cmocka_unit_test(no_deadline_runs_while_recording),
                cmocka_unit_test(a_failure_leads_to_the_failing_state_with_its_reason),
                cmocka_unit_test(a_record_that_cannot_be_started_is_a_failure),
                cmocka_unit_test(a_record_that_fails_later_is_a_failure_and_nothing_was_announced),
                cmocka_unit_test(a_late_callback_changes_nothing),
                cmocka_unit_test(a_stopped_flow_is_not_done),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
