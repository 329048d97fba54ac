#pragma once
/* Prompt: what a model is asked, made of a context so that it fits the model's window.
 *
 * A token is at least one byte in every tokenizer, so whatever is not our own English counts one
 * token a byte; our sentences count one for two. First comes what has to be there, then goals, what
 * became of former actions, the newest observations, and memories as far as they go.
 *
 * What strangers wrote stands between two fences with a number they cannot know, each line marked,
 * and nothing in it looks like a fence (foreign.h). */
#include "mind/context.h"

#define PROMPT_SIZE_MAX (512 * 1024)

/* {"messages":[{"role":"system","content":…},{"role":"user","content":…}],"max_tokens":N,"model":…}
 * -EMSGSIZE: the window is too small for any prompt. */
int prompt_write(const Context *c, Buffer *b);
