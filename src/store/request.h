#pragma once
/* Request: one call of a method that changes something, from its arguments to the commit it waits
 * for; and who may make it. */
#include "store.h"

typedef enum StoreCallers {
        STORE_SERVICES, /* any of ours */
        STORE_WALLET,   /* pylon-wallet alone */
        STORE_HOST,     /* pylon-host alone */
} StoreCallers;

int store_only(Store *s, sd_bus_message *m, StoreCallers callers, sd_bus_error *error);

/* The store's reason as a D-Bus error; returns what a handler returns. */
int store_refuse(sd_bus_error *error, int r, const char *reason);
/* For what cannot be the caller's fault: the log hears of it too. */
int store_refuse_database(Store *s, sd_bus_error *error, int r);

/* What a changing method does between begin and commit: reads its arguments, appends its answer.
 * Negative: nothing of it happened; without a reason the message was not what it should be. */
typedef int (*request_t)(Store *s, sd_bus_message *m, sd_bus_message *reply, bool *ret_lazy,
                const char **reterr);
int request_run(Store *s, sd_bus_message *m, StoreCallers callers, request_t run,
                sd_bus_error *error);
/* From within: the caller has something else to do, so that this rides with the next commit, and
 * has one of its own when none comes within this time. */
void request_may_wait(Store *s, usec_t within);
/* A question, of which nobody shall hear what a crash could still undo: it waits for what was
 * written before it, and where nothing was, it is answered at once. */
int request_ask(Store *s, sd_bus_message *m, StoreCallers callers, request_t run,
                sd_bus_error *error);

int request_prepare(Store *s); /* at the start, and at the end */
void request_done(Store *s);   /* before store_free() */
