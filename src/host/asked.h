#pragma once
/* Asked: a call from the bus that is answered later, and what its answer waits for. */
#include "agent.h"
#include "bus/pipe.h"
#include "client/agents-client.h"
#include "tick.h"

typedef struct Asked {
        Host *host;
        sd_bus_message *message;
        const char *what; /* of the sentence about a failure: "The agent could not be started" */
        AgentsCall *call; /* of these at most one */
        Pipe *pipe;
        TickReplay *replay;
        HostAgent *agent; /* where the answer still needs it */
        char *text;       /* owned */
        struct Asked *prev, *next;
} Asked;

/* -EBUSY with an error: too many wait. */
int asked_new(Host *h, sd_bus_message *m, const char *what, Asked **ret, sd_bus_error *error);
Asked *asked_free(Asked *a); /* without an answer */
DEFINE_CLEANUP(Asked, asked_free)
void asked_free_all(Host *h);
void asked_forget_agent(HostAgent *agent); /* it goes: those that need it are told so */

/* The answer to the handler: 1, or what never started as an error, and the call is forgotten. */
int asked_started(Asked *a, int r, sd_bus_error *error);

/* The end of a call, with the error of a negative number. */
void asked_fail(Asked *a, int error, const char *reason);
void asked_fail_as(Asked *a, const char *name, const char *reason); /* which is fit for D-Bus */
void asked_done(int error, const char *reason, void *userdata);     /* agent_done_t */
void asked_text(int error, const char *reason, const char *text, void *userdata); /* agent_text_t */
void asked_verdict(int verdict, const char *text, void *userdata); /* agents_verdict_t */
void asked_json(int error, const char *reason, const char *json, void *userdata);
void asked_reply(Asked *a, sd_bus_message *reply, int r); /* sends it, or says that r failed */
