#pragma once
/* Reply: what a mind answered, as actions and refusals. Whatever the text is, this is what it
 * means; nothing in it is an error.
 *
 * The last complete JSON value with actions counts, bare, in a code block or among prose; without
 * one, the lines of the predecessor (POST: …) do. What the answer repeats of the prompt's fenced
 * parts does not count: strangers wrote it. */
#include "mind/action.h"
#include "mind/context.h"

#define ANSWER_SIZE_MAX  (1024 * 1024)
#define REFUSED_TEXT_MAX 200 /* bytes of what was refused that are repeated */
#define REPLY_SIZE_MAX   (4 * 1024 * 1024)

typedef struct Refusal {
        char *text;
        const char *reason;
} Refusal;

typedef struct Reply {
        Action *actions[ACTIONS_MAX];
        Refusal refused[ACTIONS_MAX + 1]; /* one more for all that were too many */
        size_t n_actions, n_refused;
} Reply;

/* -ENOMEM only. */
int reply_read(const char *answer, size_t size, const Context *c, Reply *ret);
void reply_done(Reply *r);
#define _cleanup_reply_ _cleanup_(reply_done)

/* {"actions":[…],"refused":[{"text":…,"reason":…}…]} */
int reply_write(const Reply *r, Buffer *b);
