#pragma once
/* The parts of reply.c. */
#include "mind/reply.h"

typedef struct Answer {
        const Context *context;
        ActionNames names;
        Reply *reply;
        size_t n_more; /* actions behind the last that is taken */
} Answer;

/* One action, or the reason why it is none; line: the words for it, NULL where those are the JSON.
 * -ENOMEM only. */
int answer_add(Answer *a, const Json *j, const char *line);
int answer_refuse(Answer *a, const char *text, size_t size, const char *reason);

/* The last JSON value with actions: its place. false: there is none. `text` is UTF-8. */
bool reply_find_json(const char *text, size_t size, const char **ret, size_t *ret_size);
/* The predecessor's lines; how many there are. */
int reply_read_lines(Answer *a, const char *text, size_t size);
