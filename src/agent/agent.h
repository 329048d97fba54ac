#pragma once
/* Agent: one agent's process. The host tells it what it knows (Tick), it asks the host to think for
 * it, or has its own program do so, and says what it wants done. It calls nobody. */
#include "bus/service.h"
#include "exec.h"
#include "mind/context.h"

typedef struct Agent {
        Service *service;
        const char *name;
        Context *context; /* of the tick that waits for its Answer(), or for its program */
        Exec *mind;
        sd_bus *caller;       /* who began it; only compared */
        sd_bus_message *tick; /* that is answered when the mind is ready */
} Agent;

Agent *agent_free(Agent *a);
void agent_forget(Agent *a); /* whoever asked is gone: the tick ends */
extern const BusObject agent_objects[];

/* What both the service and the tick by hand need. -EBADMSG with words for people in *reterr, which
 * the caller frees; NULL where there was no memory. */
int agent_read_context(
                const char *name, const char *json, size_t size, Context **ret, char **reterr);
/* Starts the program that is the mind of this context. */
int agent_start_mind(sd_event *event, const Context *c, const char *json, exec_done_t done,
                void *userdata, Exec **ret);
/* {"actions":…}, from what a mind or a model answered. */
int agent_write_reply(const Context *c, const char *answer, size_t size, Buffer *b);

/* --single-tick: a context on standard input, what would be answered on standard output. */
int agent_by_hand(const char *name);
