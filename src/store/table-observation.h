#pragma once
/* Observations: what agents have seen. They wait for the next tick, belong to it, and wait again
 * where it failed before it acted. */
#include "table-agent.h"

/* Borrowed strings. */
typedef struct Observation {
        const char *id, *what, *author, *text, *event;
        int64_t msat, at;
} Observation;

typedef struct ObservationTable ObservationTable;
int observation_table_new(Sql *db, ObservationTable **ret);
ObservationTable *observation_table_free(ObservationTable *t);
DEFINE_CLEANUP(ObservationTable, observation_table_free)

const char *observation_fault(const Observation *o); /* NULL: none */
/* 1 = it is new. */
int observation_add(ObservationTable *t, const char *npub, const Observation *o);
/* Makes room where too many wait, and says how many went. */
int observation_evict(ObservationTable *t, const char *npub, int64_t *ret_n);

int observation_take(ObservationTable *t, const char *npub, int64_t tick);
/* Those of the tick wait again, but what has been tried too often, which is counted. */
int observation_give_back(ObservationTable *t, int64_t tick, int64_t *ret_given_up);
int observation_remove_all(ObservationTable *t, const char *npub);
int observation_forget_texts(ObservationTable *t, int64_t tick);

/* Of a tick, or those that wait; the oldest first: id, what, author, text, event, msat, at. */
SqlStatement *observation_of_tick(ObservationTable *t, int64_t tick);
SqlStatement *observation_waiting(ObservationTable *t, const char *npub);
