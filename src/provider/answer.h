#pragma once
/* Answer: what of a model's words becomes the result. Pure. */
#include "text-task.h"

typedef struct Answer {
        Buffer text;
        const char *output; /* the media type that it has indeed; of the task, or static */
        const char *note;   /* a sentence for the customer; NULL */
} Answer;

/* How large it may be: relays refuse larger events, and ciphertext is larger than what is in it. */
size_t answer_size_max(size_t configured, bool encrypted);

/* Without control characters, which relays and clients disagree about, and without what surrounds a
 * JSON value. What is too long is cut off, unless it should be JSON: half of that is nothing.
 * -EBADMSG: the reason is a sentence for the customer; -ENOMEM. */
int answer_make(const TextTask *t, const char *content, size_t size, size_t size_max, Answer *ret,
                const char **reterr);
void answer_done(Answer *a);

int answer_clean(Buffer *b, const char *s, size_t size); /* adds the text without such characters */
