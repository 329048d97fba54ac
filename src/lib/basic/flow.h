#pragma once
/* Flow: one asynchronous piece of work that walks through a table of states.
 *
 * The table is the documentation. It says what happens on entering a state, how long the state
 * may last, which states may follow, and whether the state is written down before we act on it. */
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct Flow Flow;

/* What a state function decided. Only the three functions below make one, so a state function
 * cannot return without saying what happens next. */
typedef struct {
        enum { FLOW_WAIT, FLOW_GO } kind;
        int state;
} Step;

typedef struct FlowState {
        const char *name;
        Step (*enter)(Flow *f);
        uint64_t deadline_usec; /* 0: as long as it takes */
        int late;               /* where the deadline leads */
        int fails;              /* where a failure in this state leads */
        uint32_t next;          /* bit mask of the states which may follow otherwise */
        bool durable;           /* recorded before it is announced or acted on */
        bool final;
} FlowState;

typedef struct FlowTable {
        const char *name;
        const FlowState *states;
        int n_states;
        /* Starts the write; its end calls flow_recorded(). 1: there is nothing to write. */
        int (*record)(Flow *f);
        void (*changed)(Flow *f, int from); /* log line and bus signal */
        void (*done)(Flow *f);              /* the last call; may free the object */
        uint64_t (*deadline)(Flow *f);      /* of the state just entered, instead of the table's */
} FlowTable;

struct Flow {
        const FlowTable *table;
        sd_event *event;
        sd_event_source *deadline;
        char reason[160]; /* fits after "because"; copied, so that nobody has to keep it alive */
        int state, from, error;
        Step next; /* what came while the state was being written down */
        bool driving, recording, finished;
};

Step flow_wait(void);
Step flow_go(int state);
Step flow_fail(Flow *f, int error, const char *reason);

int flow_start(Flow *f, const FlowTable *t, sd_event *e, int first);
void flow_drive(Flow *f, Step s); /* every callback ends with this */
void flow_recorded(Flow *f, int error);
void flow_stop(Flow *f); /* cancels: done() is not called */

static inline const char *flow_state_name(const Flow *f) {
        return f->table->states[f->state].name;
}
