#pragma once
/* Rules: a mind without a model, for who has none and as the default. It thanks for zaps, answers
 * who speaks to it, and remembers what its owner tells it. Pure: the same context is answered the
 * same way. */
#include "mind/context.h"

/* {"actions":[…]} */
int rules_answer(const Context *c, Buffer *b);

/* The program for it: the context on standard input, the answer on standard output. */
int rules_main(void);
