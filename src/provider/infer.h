#pragma once
/* Infer: this machine's owner asks a model himself, or one of his agents does. No job and no row of
 * a table: the call takes its turn before every customer's, the owner's before the agents', in the
 * same slots, and what the model writes goes into a descriptor as it comes, one JSON object on each
 * line:
 *
 *     {"text":"…"}       more of the answer
 *     {"again":true}     what came so far is void, another backend begins again
 *     {"done":{…}}       the end: model, backend, tokens_in, tokens_out (-1: unknown),
 * duration_usec
 *     {"error":{"name":"NoBackend","message":"…"}}    the other end
 *
 * Who reads slowly makes the model wait; who closes it stops the model. */
#include "queue.h"
#include "text-task.h"

#define INFER_MAX       64 /* calls at the same time */
#define INFER_OWNER_MIN 8  /* of them agents leave to their owner */

typedef struct Provider Provider;
typedef struct Infer Infer;

/* Takes the task in any case. class: QUEUE_OWNER or QUEUE_AGENT. *ret_fd is the end to read from.
 * -EBUSY: too many. */
int infer_new(Provider *p, TextTask *task, QueueClass class, int *ret_fd);
void infer_free_all(Provider *p);

/* The next call that has a slot now; false: there is none. */
bool infer_run_next(Provider *p);
