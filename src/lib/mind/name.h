#pragma once
/* What an agent may be called: it is in paths, in names of units, and in names of accounts. */
#include "basic/macro.h"

#define AGENT_NAME_LENGTH_MAX 32 /* [a-z0-9][a-z0-9._-]* */

bool agent_name_is_valid(const char *name);
/* "My Agent" → "my-agent"; -EINVAL where nothing is left. */
int agent_name_from(const char *text, char ret[static AGENT_NAME_LENGTH_MAX + 1]);
/* From an agent's file, NPUB.toml, in both historic layouts. The text is changed: words of a key
 * that are in it are overwritten. -EBADMSG: it is no TOML, or has no name. */
int agent_name_read(char *toml, size_t size, char ret[static AGENT_NAME_LENGTH_MAX + 1]);
