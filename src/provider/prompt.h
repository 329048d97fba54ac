#pragma once
/* Prompt: the words of a kind's row with the request's parameters in them. Pure.
 *
 *   {NAME}       the parameter's first value; nothing where it was not said
 *   {NAME.2}     its second
 *   {A|B|TEXT}   the first of these parameters that was said, or TEXT, which is the last
 *   {input}      the inputs
 *   [ … ]        left out unless every parameter in it was said; not inside another one
 *   {{ }} [[ ]]  the characters themselves */
#include "basic/buffer.h"
#include "kind.h"

#define PROMPT_VALUE_MAX 1024 /* bytes of a parameter; the rest is cut off */

/* -EBADMSG with a reason: a bracket is not closed, or nothing is named. Where there is no request,
 * only the form is looked at. */
int prompt_expand(const char *prompt, const Kind *k, const JobRequest *r, const char *input,
                Buffer *b, const char **reterr);
bool prompt_has_input(const char *prompt);
